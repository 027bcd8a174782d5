"""Log records of every part in, redacted lines out: text for people, JSON for machines.

Everything logs by the standard library; structlog gives all of it one form. Text in which
somebody else had a say can neither begin a line of its own nor bring a secret along.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, TextIO

from app.access.caller import facts
from app.keeping import Format, Level
from app.log_ring import RING
from app.redacting import one_line, redacted

if TYPE_CHECKING:
    from structlog.typing import Processor, WrappedLogger

Fields = MutableMapping[str, object]

FIELDS = "quire_fields"  # attribute of a record that holds what belongs to its event
OURS = ("app", "engine", "ingest", "ui", "quire")
MAX_TRACE = 20_000
_HEAD = ("timestamp", "level", "event", "logger", "exception")


def set_up(level: Level, form: Format, stream: TextIO | None = None) -> logging.Handler:
    """Send every log record of this process to `stream`, in one form; returns the handler.

    Args:
        form: auto = text if a person looks at a terminal, else JSON.
        stream: None = standard error.
    """
    import structlog

    out = stream or sys.stderr
    is_text = form == "text" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_record,
        _with_request,
        structlog.processors.format_exc_info,
        _clean,
    ]
    renderer: Processor = _as_text if is_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                *shared,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ]
        )
    )
    root, number = logging.getLogger(), logging.getLevelNamesMapping()[level.upper()]
    for old in [one for one in root.handlers if getattr(one, "is_ours", False)]:
        root.removeHandler(old)
    handler.is_ours = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    if RING not in root.handlers:
        root.addHandler(RING)
    # What other packages say below a warning helps nobody but who looks for a fault in them.
    root.setLevel(number if level == "debug" else max(number, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(number)
    return handler


def _with_record(_: WrappedLogger, __: str, event: Fields) -> Fields:
    """Add the fields that a record of the standard library brings along."""
    fields = getattr(event.get("_record"), FIELDS, None)
    if isinstance(fields, Mapping):
        event.update({name: value for name, value in fields.items() if name not in event})
    return event


def _with_request(_: WrappedLogger, __: str, event: Fields) -> Fields:
    """Name the request that is being handled."""
    at_hand = facts()
    if at_hand.request_id:
        event.setdefault("request_id", at_hand.request_id)
        if at_hand.caller.key_id:
            event.setdefault("key", at_hand.caller.key_id)
    return event


def _clean(_: WrappedLogger, __: str, event: Fields) -> Fields:
    """Take secrets out of every value, whatever it is."""
    for name, value in event.items():
        if name.startswith("_") or value is None or isinstance(value, bool | int | float):
            continue
        text = redacted(value if isinstance(value, str) else repr(value))
        event[name] = text[:MAX_TRACE] if name == "exception" else one_line(text)
    return event


def _as_text(_: WrappedLogger, __: str, event: Fields) -> str:
    """Write a line for people; the lines of a trace are set off, or a text could pose as a line."""
    clock = str(event.get("timestamp", ""))[11:19]
    rest = "".join(f" {name}={value}" for name, value in event.items() if name not in _HEAD)
    line = f"{clock} {event.get('level', '')}: {event.get('event', '')}{rest}"
    trace = str(event.get("exception") or "")
    return "\n".join([line, *(f"    | {one_line(part)}" for part in trace.splitlines())])
