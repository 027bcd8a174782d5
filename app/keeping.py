"""How a server that is left running keeps itself: texts of settings in, checked values out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Switch = Literal["auto", "on", "off"]
Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "text", "json"]

LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
FORMATS: tuple[Format, ...] = ("auto", "text", "json")
SWITCHES: tuple[Switch, ...] = ("auto", "on", "off")
MAX_BODY_MB = 64  # what the engine reads of one body in any case
# Requests per minute and key, where keys are asked for and nothing was set. A page that follows
# a job asks 160 times a minute, and somebody may have several open.
LOCKED_RATE = 1200
MAX_GRACE_S = 3600


@dataclass(frozen=True, slots=True)
class Keeping:
    """What an administrator may set."""

    rate_limit: int | None = None  # requests per minute; 0 = any number, none = by itself
    max_body_bytes: int = MAX_BODY_MB * 1024 * 1024  # of JSON; files have their own limit
    grace_s: float = 15.0  # that running requests get when the server is told to stop
    log_level: Level = "warning"
    log_format: Format = "auto"
    audit: Switch = "auto"  # auto = where keys are asked for
    hosts: tuple[str, ...] = ()  # further names by which clients may call this server
    tls_cert: Path | None = None  # both or none
    tls_key: Path | None = None

    def per_minute(self, *, is_locked: bool) -> int:
        """Tell how many requests a client may make; 0 = any number."""
        if self.rate_limit is not None:
            return self.rate_limit
        return LOCKED_RATE if is_locked else 0

    def is_audited(self, *, is_locked: bool) -> bool:
        """Tell whether an audit log is kept."""
        return self.audit == "on" or (self.audit == "auto" and is_locked)


def read_rate(raw: str) -> int | None:
    """Read QUIRE_RATE_LIMIT."""
    if raw.casefold() == "auto":
        return None
    if not raw.isdecimal() or int(raw) > 1_000_000:
        raise ValueError("expected requests per minute, 0 for any number, or auto")
    return int(raw)


def read_body_mb(raw: str) -> int:
    """Read QUIRE_MAX_BODY_MB; gives bytes."""
    if not raw.isdecimal() or not 1 <= int(raw) <= MAX_BODY_MB:
        raise ValueError(f"expected a whole number from 1 to {MAX_BODY_MB}")
    return int(raw) * 1024 * 1024


def read_grace(raw: str) -> float:
    """Read QUIRE_GRACE_S."""
    if not raw.isdecimal() or int(raw) > MAX_GRACE_S:
        raise ValueError(f"expected seconds, a whole number from 0 to {MAX_GRACE_S}")
    return float(raw)


def read_level(raw: str) -> Level:
    """Read QUIRE_LOG_LEVEL."""
    found = next((one for one in LEVELS if one == raw.casefold()), None)
    if found is None:
        raise ValueError(f"expected {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    return found


def read_format(raw: str) -> Format:
    """Read QUIRE_LOG_FORMAT."""
    found = next((one for one in FORMATS if one == raw.casefold()), None)
    if found is None:
        raise ValueError("expected auto, text or json")
    return found


def read_switch(raw: str) -> Switch:
    """Read QUIRE_AUDIT."""
    found = next((one for one in SWITCHES if one == raw.casefold()), None)
    if found is None:
        raise ValueError("expected auto, on or off")
    return found


def read_hosts(raw: str) -> tuple[str, ...]:
    """Read QUIRE_HOSTS: names with commas between them, without ports."""
    names = tuple(one.strip().lower() for one in raw.split(",") if one.strip())
    for name in names:
        if "/" in name or " " in name or (":" in name and not name.startswith("[")):
            raise ValueError(f"expected names such as kb.example.org, got {name!r}")
    return names


def both_or_none(cert: Path | None, key: Path | None) -> None:
    """Check that a certificate comes with its key.

    Raises:
        ValueError: one is set alone.
    """
    if (cert is None) != (key is None):
        alone, other = ("CERT", "KEY") if cert else ("KEY", "CERT")
        raise ValueError(f"QUIRE_TLS_{alone} needs QUIRE_TLS_{other} too: set both or none")
