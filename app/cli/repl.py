"""Lines typed at `>>> ` in, what is meant out; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

HELP = """\
Available Commands:
  /set            Set session variables
  /show           Show model information
  /clear          Clear session context
  /bye            Exit
  /?, /help       Help for a command

Use \"\"\" to begin a multi-line message."""
SET_HELP = """\
Available Commands:
  /set parameter ...     Set a parameter
  /set system <string>   Set system message
  /set format json       Enable JSON mode
  /set noformat          Disable formatting
  /set verbose           Show LLM stats
  /set quiet             Disable LLM stats"""
SHOW_PARTS = ("info", "license", "modelfile", "parameters", "system", "template")

Kind = Literal["ask", "more", "say", "show", "bye"]


@dataclass(frozen=True, slots=True)
class Session:
    """What a conversation at the prompt carries from turn to turn."""

    messages: tuple[Mapping[str, str], ...] = ()
    system: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    format: str = ""
    is_verbose: bool = False
    pending: tuple[str, ...] | None = None  # lines of an open \"\"\"


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
    if stripped.startswith('"""'):
        return _continue(replace(session, pending=()), stripped[3:])
    if stripped.startswith("/"):
        return _command(session, stripped)
    return Step("ask", session, line) if stripped else Step("more", session)


def _continue(session: Session, line: str) -> Step:
    lines = session.pending or ()
    if line.rstrip().endswith('"""'):
        text = "\n".join((*lines, line.rstrip()[:-3])).strip("\n")
        done = replace(session, pending=None)
        return Step("ask", done, text) if text.strip() else Step("more", done)
    return Step("more", replace(session, pending=(*lines, line)))


def _command(session: Session, line: str) -> Step:
    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name in {"/bye", "/exit"}:
        return Step("bye", session)
    if name == "/clear":
        return Step("say", replace(session, messages=()), "Cleared session context")
    if name == "/set":
        return _set(session, rest)
    if name == "/show":
        if rest in SHOW_PARTS:
            return Step("show", session, rest)
        return Step("say", session, f"Usage: /show {'|'.join(SHOW_PARTS)}")
    if name in {"/?", "/help"}:
        return Step("say", session, SET_HELP if rest in {"set", "/set"} else HELP)
    return Step("say", session, f"Unknown command '{name}'. Type /? for help")


def _set(session: Session, rest: str) -> Step:
    name, _, value = rest.partition(" ")
    value = value.strip()
    switches = {
        "verbose": (replace(session, is_verbose=True), "Set 'verbose' mode."),
        "quiet": (replace(session, is_verbose=False), "Set 'quiet' mode."),
        "noformat": (replace(session, format=""), "Disabled format."),
    }
    if name in switches:
        changed, text = switches[name]
        return Step("say", changed, text)
    if name == "format" and value == "json":
        return Step("say", replace(session, format="json"), "Set format to 'json' mode.")
    if name == "system" and value:
        system = value.strip('"').strip()
        return Step("say", replace(session, system=system), "Set system message.")
    if name == "parameter" and " " in value:
        return _set_parameter(session, value)
    return Step("say", session, SET_HELP)


def _set_parameter(session: Session, rest: str) -> Step:
    name, _, raw = rest.partition(" ")
    raw = raw.strip()
    try:
        value: object = json.loads(raw)
    except ValueError:
        value = raw.strip('"')
    if name == "stop":
        value = [str(value)]
    options = {**session.options, name: value}
    return Step("say", replace(session, options=options), f"Set parameter '{name}' to '{raw}'")
