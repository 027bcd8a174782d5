"""A request for one answer in, the answer on the terminal out, as it is made."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.cli.session import note
from app.cli.wrap import Wrapper

if TYPE_CHECKING:
    from app.cli.repl import Session
    from app.cli.wire import AnswerIn
    from app.client import Client

_GREY, _PLAIN = "\x1b[38;5;245m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said, as far as it came."""

    text: str
    thinking: str


class Screen:
    """Writes text and thoughts to standard output; knows which of them it writes now."""

    def __init__(self, session: Session) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._hides = session.is_thinking_hidden
        is_wrapping = session.is_wrapping and self._is_terminal
        self._wrapper = Wrapper(shutil.get_terminal_size().columns if is_wrapping else 0)
        self._is_thinking = False

    def think(self, text: str) -> None:
        """Write a piece of what the model thinks."""
        if self._hides or not text:
            return
        if not self._is_thinking:
            if not text.strip():
                return
            self._is_thinking = True
            self._write(f"Thinking...\n{_GREY if self._is_terminal else ''}")
        self._write(self._wrapper.feed(text))

    def say(self, text: str) -> None:
        """Write a piece of the answer."""
        if text:
            self.end_thinking()
            self._write(self._wrapper.feed(text))

    def end_thinking(self) -> None:
        """Close the thoughts, if any are open."""
        if self._is_thinking:
            self._is_thinking = False
            self._write(f"{_PLAIN if self._is_terminal else ''}\n...done thinking.\n\n")
            self._wrapper.feed("\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def stream_answer(client: Client, path: str, body: Mapping[str, object], session: Session) -> Said:
    """Stream one answer; Ctrl-C at a terminal ends it early, what was said is kept.

    Raises:
        ServerError: the server refuses, also in the middle.
    """
    from app.cli.wire import AnswerIn

    screen = Screen(session)
    texts: list[str] = []
    thoughts: list[str] = []
    last = AnswerIn()
    try:
        for last in _lines(client, path, body):
            screen.think(last.thought)
            screen.say(last.text)
            thoughts.append(last.thought)
            texts.append(last.text)
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
    finally:
        screen.end_thinking()
    print("\n" if any(texts) or any(thoughts) else "")
    if session.is_verbose and last.done:
        note(timings_of(last))
    return Said("".join(texts), "".join(thoughts))


def _lines(client: Client, path: str, body: Mapping[str, object]) -> Iterator[AnswerIn]:
    from app.cli.wire import AnswerIn
    from app.client import ServerError

    for line in client.lines(path, body):
        found = AnswerIn.model_validate_json(line)
        if found.error:
            raise ServerError(found.error)
        yield found


def timings_of(last: AnswerIn) -> str:
    """Word the counters of an answer."""
    rows = [
        ("total duration:", _seconds(last.total_duration)),
        ("load duration:", _seconds(last.load_duration)),
        ("prompt eval count:", f"{last.prompt_eval_count} token(s)"),
        ("prompt eval duration:", _seconds(last.prompt_eval_duration)),
        ("prompt eval rate:", _rate(last.prompt_eval_count, last.prompt_eval_duration)),
        ("eval count:", f"{last.eval_count} token(s)"),
        ("eval duration:", _seconds(last.eval_duration)),
        ("eval rate:", _rate(last.eval_count, last.eval_duration)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)} {value}" for name, value in rows)


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:.3f}s"


def _rate(n_tokens: int, duration_ns: int) -> str:
    return f"{n_tokens / (duration_ns / 1e9):.2f} tokens/s" if duration_ns else "0.00 tokens/s"
