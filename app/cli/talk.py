"""A model and a terminal in, a conversation at the prompt `>>> `."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.answer import stream_answer
from app.cli.images import attach
from app.cli.repl import Session, Step, Turn, read_line
from app.cli.session import note

if TYPE_CHECKING:
    from app.cli.wire import ShowIn
    from app.client import Client

_MAX_LINES = 1000  # of the history file


class History:
    """The lines typed at the prompt: in memory, and in a file if there may be one."""

    def __init__(self, file: Path | None) -> None:
        import readline  # editing and history; taken by `input` once it is imported

        self._readline, self._file = readline, file
        self._readline.set_auto_history(False)
        if file is not None:
            with suppress(OSError):
                readline.read_history_file(file)

    def add(self, line: str) -> None:
        """Remember a line."""
        if line.strip():
            self._readline.add_history(line)

    def save(self) -> None:
        """Write the file; one that cannot be written is done without."""
        if self._file is None:
            return
        self._readline.set_history_length(_MAX_LINES)
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
            self._readline.write_history_file(self._file)


def converse(client: Client, shown: ShowIn, session: Session, history_file: Path | None) -> None:
    """Answer lines until /bye or Ctrl-D."""
    history = History(history_file)
    talk = Talk(client, shown)
    session = talk.enter(session)
    try:
        while True:
            try:
                line = input("... " if session.pending is not None else ">>> ")
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print("\nUse Ctrl + d or /bye to exit.")
                session = replace(session, pending=None, is_system=False)
                continue
            if session.has_history:
                history.add(line)
            step = read_line(session, line)
            if step.kind == "bye":
                return
            session = talk.take(step)
    finally:
        history.save()


class Talk:
    """Does what the steps of a conversation ask for."""

    def __init__(self, client: Client, shown: ShowIn) -> None:
        self._client, self._shown = client, shown

    def enter(self, session: Session) -> Session:
        """Begin with the model: load it, show what was said in it before."""
        for turn in self._shown.messages:
            print(f">>> {turn.content}" if turn.role == "user" else f"{turn.content}\n")
        self._client.tell(
            "POST", "/api/generate", {"model": session.model, "stream": False, **_kept(session)}
        )
        loaded: tuple[Turn, ...] = tuple(
            {"role": turn.role, "content": turn.content} for turn in self._shown.messages
        )
        return replace(session, loaded=loaded, has_images="vision" in self._shown.capabilities)

    def take(self, step: Step) -> Session:
        """Do one step; what the server refuses is said, the conversation goes on."""
        from app.client import ServerError

        doing: dict[str, Callable[[Step], Session]] = {
            "ask": self._ask,
            "say": self._say,
            "show": self._show,
            "list": self._list,
            "load": self._load,
            "save": self._save,
        }
        do = doing.get(step.kind)
        try:
            return do(step) if do else step.session
        except ServerError as error:
            note(f"error: {error}")
        except OSError as error:
            note(f"error: {error.strerror or error}")
        return step.session

    def _say(self, step: Step) -> Session:
        print(step.text)
        return step.session

    def _show(self, step: Step) -> Session:
        from app.cli.describe import describe

        session, part = step.session, step.text
        if part == "info":
            print(describe(self._shown))
        elif part == "parameters":
            print(_parameters(self._shown, session))
        elif part == "system":
            print(session.system or self._shown.system or _missing("system message"))
        elif part == "template":
            print(self._shown.template or _missing("prompt template"))
        else:
            print(getattr(self._shown, part) or _missing(part))
        return session

    def _list(self, step: Step) -> Session:
        from app.cli.engine import installed

        print(installed(self._client, step.text))
        return step.session

    def _load(self, step: Step) -> Session:
        from app.cli.wire import ShowIn

        print(f"Loading model '{step.text}'")
        self._shown = self._client.post("/api/show", {"model": step.text}, ShowIn)
        old = step.session
        return self.enter(
            replace(old, model=step.text, messages=(), system="", options={}, think=None)
        )

    def _save(self, step: Step) -> Session:
        session = step.session
        body: dict[str, object] = {"model": step.text, "from": session.model, "stream": False}
        turns = [
            {"role": turn["role"], "content": turn["content"]}
            for turn in (*session.loaded, *session.messages)
        ]
        wanted = {
            "system": session.system,
            "parameters": dict(session.options),
            "messages": turns,
        }
        body |= {name: value for name, value in wanted.items() if value}
        self._client.tell("POST", "/api/create", body)
        print(f"Created new model '{step.text}'")
        return session

    def _ask(self, step: Step) -> Session:
        session = step.session
        asked: dict[str, object] = {"role": "user", "content": step.text}
        if session.has_images:
            found = attach(step.text)
            for name in found.names:
                print(f"Added image '{name}'")
            if found.images:
                asked = {"role": "user", "content": found.text, "images": list(found.images)}
        system = ({"role": "system", "content": session.system},) if session.system else ()
        body: dict[str, object] = {
            "model": session.model,
            "messages": [*system, *session.messages, asked],
            **request_of(session),
        }
        said = stream_answer(self._client, "/api/chat", body, session)
        answered = {"role": "assistant", "content": said.text}
        if said.thinking:
            answered["thinking"] = said.thinking
        return replace(session, messages=(*session.messages, asked, answered))


def request_of(session: Session) -> dict[str, object]:
    """Give the fields of a request that the session's settings fill."""
    fields: dict[str, object] = {"options": dict(session.options), **_kept(session)}
    if session.format:
        fields["format"] = session.format
    if session.think is not None:
        fields["think"] = session.think
    return fields


def _kept(session: Session) -> dict[str, object]:
    return {"keep_alive": session.keep_alive} if session.keep_alive else {}


def _parameters(shown: ShowIn, session: Session) -> str:
    own = "\n".join(f"  {name:<30} {value}" for name, value in session.options.items())
    parts = []
    if shown.parameters:
        lines = "\n".join(f"  {line}" for line in shown.parameters.splitlines())
        parts.append(f"Model defined parameters:\n{lines}\n")
    if own:
        parts.append(f"User defined parameters:\n{own}\n")
    return "\n".join(parts) or "  No additional parameters were specified for this model."


def _missing(part: str) -> str:
    return f"No {part} was specified for this model."
