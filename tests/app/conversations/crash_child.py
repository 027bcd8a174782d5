"""A process that appends turns until it is killed, and says which ones it was told are kept.

With `asking` it answers a question that has no end, and says when it was asked.
"""

import sys
import threading
from pathlib import Path

from app.conversations.record import recorded
from app.conversations.store import FILE, Conversations
from app.conversations.types import Message, Shelf
from app.query.types import Ask, Status, Token

ASK = Ask("When was the harbour opened?", "default")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def endless():
    yield Status("rewrite")
    yield Token("Words that nobody checked")
    threading.Event().wait()


def main(home: Path, *, is_asking: bool) -> None:
    store = Conversations(home / FILE, Shelf(lambda _: "", lambda _: ""))
    conversation_id = store.create("crash").id
    say(conversation_id)
    if is_asking:
        for event in recorded(store, ASK, endless(), conversation_id):
            say(type(event).__name__)
    for n in range(100_000):
        time = "2026-11-20T09:30:00"
        pair = [Message("user", f"{n}?", time), Message("assistant", f"{n}. " * 200, time)]
        store.append(conversation_id, pair)
        say(str(n))


if __name__ == "__main__":
    main(Path(sys.argv[1]), is_asking="asking" in sys.argv)
