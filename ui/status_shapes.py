"""The state of the server, its log, findings and keys, read from its JSON; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from ui.shapes import Json, mapping, objects
from ui.told import Notice, notices_from

T = TypeVar("T")
SCOPES = ("read", "ask", "ingest", "admin")
_LEVELS = ("error", "warning", "ok")
_CALLED = {"warn": "warning", "bad": "error", "fail": "error", "info": "ok"}


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server can answer, and how long it has run."""

    ready: bool = False
    reason: str = ""
    version: str = ""
    uptime_s: float = 0.0
    n_documents: int = 0
    n_chunks: int = 0
    n_queued: int = 0
    n_running: int = 0
    notices: tuple[Notice, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One warning or error."""

    at: str = ""
    level: str = ""
    source: str = ""
    text: str = ""
    n: int = 1

    @property
    def is_error(self) -> bool:
        """Whether it is more than a warning."""
        return self.level.upper() in ("ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor found, with its cure."""

    level: str = ""  # ok, warning, error
    what: str = ""
    cure: str = ""
    code: str = ""  # by which this page words it in another language
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without its secret."""

    id: str
    name: str = ""
    scopes: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    created_at: str = ""
    last_used_at: str = ""
    expires_at: str = ""
    revoked_at: str = ""


def health_from(status: Json, ready: Json) -> Health:
    """Read /kb/status and /readyz."""
    jobs = mapping(status, "jobs")
    return _build(
        Health,
        status,
        ready=ready.get("ready") is True,
        reason=_reasons(ready),
        n_queued=_count(jobs.get("queued")),
        n_running=_count(jobs.get("running")),
        notices=notices_from(status),
    )


def logs_from(data: Json) -> list[LogLine]:
    """Read the last warnings and errors."""
    return [_build(LogLine, one) for one in objects(data, "logs")]


def findings_from(data: object) -> list[Finding]:
    """Read what the doctor found, the worst first; bare or under a key."""
    held = data if isinstance(data, list) else mapping_list(data)
    found = [
        _build(Finding, one, level=_level(one.get("level")), values=mapping(one, "values"))
        for one in held
        if isinstance(one, dict)
    ]
    return sorted(found, key=lambda one: _LEVELS.index(one.level))


def mapping_list(data: object) -> list[object]:
    """Give the first list in an object."""
    if not isinstance(data, dict):
        return []
    return next((value for value in data.values() if isinstance(value, list)), [])


def keys_from(data: Json) -> list[Key]:
    """Read the keys, those that can be used first."""
    found = [
        _build(Key, one, scopes=_texts(one, "scopes"), collections=_texts(one, "collections"))
        for one in objects(data, "keys")
    ]
    return sorted(found, key=lambda one: bool(one.revoked_at))


def _level(told: object) -> str:
    """Call a level as this page does; one that it does not know is an error."""
    folded = str(told or "").casefold()
    known = _CALLED.get(folded, folded)
    return known if known in _LEVELS else "error"


def _reasons(ready: Json) -> str:
    """Read why the server is not ready: a sentence, or several."""
    told = ready.get("reasons") or ready.get("reason")
    if isinstance(told, list):
        return "; ".join(map(str, told))
    return str(told or "")


def _texts(data: Json, key: str) -> tuple[str, ...]:
    found = data.get(key)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _count(found: object) -> int:
    return int(found) if isinstance(found, int | float) else 0


def _build(kind: type[T], data: Json, **given: object) -> T:
    # Unknown fields are dropped and missing ones take their default, as in `shapes`.
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in data.items() if key in names and value is not None}
    bare: dict[str, object] = dict.fromkeys({"id"} & names, "")
    return kind(**{**bare, **known, **given})
