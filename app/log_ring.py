"""Log records in, the last warnings and errors out; a bounded ring in memory, secrets taken out."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_RECORDS = 200
MAX_TEXT = 1_000  # characters of one record
_SECRET = re.compile(
    r"(?i)(bearer\s+|basic\s+|(?:x-api-key|api[_-]?key|authorization|cookie|password|passwd|secret"
    r"|token|quire_session)[\"']?\s*[=:]\s*[\"']?)(?!bearer\b|basic\b)[^\s\"',;&)]+"
)
_IN_URL = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://[^/\s:@]*):[^/\s@]+@")
_KEY = re.compile(r"\b(?:sk|qk|hf|quire)[-_][A-Za-z0-9_-]{12,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Kept:
    """One record."""

    at: str  # ISO 8601
    level: str  # WARNING, ERROR, CRITICAL
    source: str  # the part of the program that spoke
    text: str
    n: int = 1  # how often in a row


class LogRing(logging.Handler):
    """Keeps what was said at `level` or above; the same line in a row counts as one."""

    def __init__(self, level: int = logging.WARNING, n_kept: int = MAX_RECORDS) -> None:
        super().__init__(level)
        self._kept: deque[Kept] = deque(maxlen=n_kept)
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record.

        Source: logging.Handler.
        """
        try:
            text = clean(said_of(record))
        except Exception:  # noqa: BLE001 - a log line must never break what logs it
            self.handleError(record)
            return
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        with self._guard:
            last = self._kept[-1] if self._kept else None
            is_same = last is not None and (last.text, last.source) == (text, record.name)
            if last is not None and is_same:
                self._kept[-1] = Kept(at, record.levelname, record.name, text, last.n + 1)
            else:
                self._kept.append(Kept(at, record.levelname, record.name, text))

    def latest(self, n: int = MAX_RECORDS) -> Sequence[Kept]:
        """Give the last records, newest first."""
        with self._guard:
            return list(reversed(self._kept))[:n]


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Take secrets and control characters out of a line and bound it."""
    text = _CONTROL.sub(" ", text[: 8 * limit].replace("\n", " ").replace("\r", " "))
    text = _IN_URL.sub(r"\1:***@", _KEY.sub("***", _SECRET.sub(r"\1***", text)))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def said_of(record: logging.LogRecord) -> str:
    """Put a record into one line: what was said and the kind of error, without its trace."""
    text = _event(record.msg) if isinstance(record.msg, dict) else record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    return f"{text} ({type(error).__name__}: {error})" if error is not None else text


def _event(fields: dict[str, object]) -> str:
    """Write an event of structlog as `event key=value`."""
    rest = (f"{name}={value}" for name, value in fields.items() if name not in _HEAD)
    return " ".join([str(fields.get("event", "")), *rest]).strip()


_HEAD = frozenset({"event", "level", "timestamp", "logger", "exc_info"})


RING = LogRing()  # of this process; whoever sets logging up adds it to the root
