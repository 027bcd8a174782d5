"""A process that appends turns until it is killed, and says which ones it was told are kept."""

import sys
from pathlib import Path

from app.conversations.store import FILE, Conversations
from app.conversations.types import Message, Shelf


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(home: Path) -> None:
    store = Conversations(home / FILE, Shelf(lambda _: "", lambda _: ""))
    conversation_id = store.create("crash").id
    say(conversation_id)
    for n in range(100_000):
        time = "2026-11-20T09:30:00"
        pair = [Message("user", f"{n}?", time), Message("assistant", f"{n}. " * 200, time)]
        store.append(conversation_id, pair)
        say(str(n))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
