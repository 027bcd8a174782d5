"""Lines typed at `>>> ` in, what is meant out; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from app.cli.repl_help import (
    HELP,
    IMAGES_HELP,
    PARAMETER_HELP,
    SET_HELP,
    SHORTCUTS_HELP,
    SHOW_HELP,
)
from engine.errors import ModelfileError
from engine.library.modelfile import parameter_value

SHOW_PARTS = ("info", "license", "modelfile", "parameters", "system", "template")
LEVELS = ("low", "medium", "high", "max")
_QUOTES = '"""'

Kind = Literal["ask", "more", "say", "show", "list", "load", "save", "bye"]
Turn = Mapping[str, object]  # a message as the API takes it


@dataclass(frozen=True, slots=True)
class Session:
    """What a conversation at the prompt carries from turn to turn."""

    model: str = ""
    messages: tuple[Turn, ...] = ()
    loaded: tuple[Turn, ...] = ()  # the model's own messages; the server puts them first
    system: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    format: object = ""  # "", "json" or a JSON schema
    think: bool | str | None = None  # None leaves it to the model
    keep_alive: str = ""
    is_verbose: bool = False
    is_wrapping: bool = True
    is_thinking_hidden: bool = False
    has_history: bool = True
    has_images: bool = False  # the model can see
    pending: tuple[str, ...] | None = None  # lines of an open \"\"\"
    is_system: bool = False  # they are the system message, not a question


@dataclass(frozen=True, slots=True)
class Step:
    """What to do after a line: ask `text`, say `text`, show the part `text`, leave."""

    kind: Kind
    session: Session
    text: str = ""


def read_line(session: Session, line: str) -> Step:
    """Understand one line."""
    if session.pending is not None:
        return _continue(session, line)
    stripped = line.strip()
    if stripped.startswith(_QUOTES):
        return _continue(replace(session, pending=()), stripped[3:])
    if stripped.startswith("/") and not (session.has_images and _is_path(stripped)):
        return _command(session, stripped)
    return Step("ask", session, line) if stripped else Step("more", session)


def _is_path(line: str) -> bool:
    """Tell `/home/me/cat.png, what is this?` from a command."""
    return "/" in line.split()[0][1:]


def _continue(session: Session, line: str) -> Step:
    lines = session.pending or ()
    if not line.rstrip().endswith(_QUOTES):
        return Step("more", replace(session, pending=(*lines, line)))
    text = "\n".join((*lines, line.rstrip()[:-3])).strip("\n")
    done = replace(session, pending=None, is_system=False)
    if session.is_system:
        return _set_system(done, text)
    return Step("ask", done, text) if text.strip() else Step("more", done)


def _command(session: Session, line: str) -> Step:
    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name in {"/bye", "/exit"}:
        return Step("bye", session)
    if name == "/clear":
        return Step("say", replace(session, messages=(), loaded=()), "Cleared session context")
    if name in {"/list", "/ls"}:
        return Step("list", session, rest)
    if name == "/set":
        return _set(session, rest)
    if name == "/show":
        return Step("show", session, rest) if rest in SHOW_PARTS else _say(session, SHOW_HELP)
    if name in {"/load", "/save"}:
        if not rest or " " in rest:
            return _say(session, f"Usage:\n  {name} <modelname>")
        return Step("load" if name == "/load" else "save", session, rest)
    if name in {"/?", "/help"}:
        return _say(session, _help(session, rest))
    return _say(session, f"Unknown command '{name}'. Type /? for help")


def _help(session: Session, about: str) -> str:
    texts = {
        "set": SET_HELP,
        "set parameter": PARAMETER_HELP,
        "show": SHOW_HELP,
        "shortcut": SHORTCUTS_HELP,
        "shortcuts": SHORTCUTS_HELP,
    }
    own = f"{HELP}\n{IMAGES_HELP}" if session.has_images else HELP
    return texts.get(about.removeprefix("/"), own)


def _say(session: Session, text: str) -> Step:
    return Step("say", session, text)


def _set(session: Session, rest: str) -> Step:
    name, _, value = rest.partition(" ")
    value = value.strip()
    switches = {
        "verbose": (replace(session, is_verbose=True), "Set 'verbose' mode."),
        "quiet": (replace(session, is_verbose=False), "Set 'quiet' mode."),
        "wordwrap": (replace(session, is_wrapping=True), "Set 'wordwrap' mode."),
        "nowordwrap": (replace(session, is_wrapping=False), "Set 'nowordwrap' mode."),
        "history": (replace(session, has_history=True), "Set 'history' mode."),
        "nohistory": (replace(session, has_history=False), "Set 'nohistory' mode."),
        "noformat": (replace(session, format=""), "Disabled format."),
        "nothink": (replace(session, think=False), "Set 'nothink' mode."),
    }
    if name in switches:
        return _say(*switches[name])
    readers = {
        "format": _set_format,
        "think": _set_think,
        "system": _begin_system,
        "parameter": _set_parameter,
    }
    reader = readers.get(name)
    if reader is not None:
        return reader(session, value)
    if name in {"", "help"}:
        return _say(session, SET_HELP)
    return _say(session, f"Unknown command '/set {name}'. Type /? for help")


def _set_format(session: Session, value: str) -> Step:
    if value == "json":
        return _say(replace(session, format="json"), "Set format to 'json' mode.")
    return _say(session, "Invalid or missing format. For 'json' mode use '/set format json'")


def _set_think(session: Session, value: str) -> Step:
    if not value:
        return _say(replace(session, think=True), "Set 'think' mode.")
    if value in LEVELS:
        return _say(replace(session, think=value), f"Set 'think' mode to '{value}'.")
    return _say(session, f"Usage: /set think [{'|'.join(LEVELS)}]")


def _begin_system(session: Session, value: str) -> Step:
    if not value:
        return _say(session, SET_HELP)
    if not value.startswith(_QUOTES):
        return _set_system(session, value)
    return _continue(replace(session, pending=(), is_system=True), value[3:])


def _set_system(session: Session, text: str) -> Step:
    return _say(replace(session, system=text.strip().strip('"').strip()), "Set system message.")


def _set_parameter(session: Session, rest: str) -> Step:
    name, _, raw = rest.partition(" ")
    raw = raw.strip()
    if not name or not raw:
        return _say(session, PARAMETER_HELP)
    try:
        value = _words(raw) if name == "stop" else parameter_value(name, raw.strip('"'))
    except ModelfileError as error:
        return _say(session, f"Couldn't set parameter: {error}")
    shown = ", ".join(value) if isinstance(value, list) else raw
    options = {**session.options, name: value}
    return _say(replace(session, options=options), f"Set parameter '{name}' to '{shown}'")


def _words(raw: str) -> list[str]:
    try:
        return shlex.split(raw)
    except ValueError:  # an open quotation mark belongs to the text
        return raw.split()
