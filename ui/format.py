"""Values as people read them: sizes, dates, places, harmless text; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from html import escape

from ui.errors import RefusedError, ServerGoneError, UiError
from ui.shapes import Job, Passage
from ui.words import Words

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=^\"'@/])")
# Shortcodes and bare addresses are found after backslashes are resolved, so only an
# invisible character between the colon or dot and what follows keeps them apart.
_SHORTCODE = re.compile(r"(:)(?=[\w/+-])|(www)(?=\.)", re.IGNORECASE)
_WORD_JOINER = "\u2060"
_MINUTE_S, _HOUR_MIN = 60, 60
_TOLD_STATUSES = (401, 403, 404, 408, 413, 429, 503, 507)
_UNITS = ("B", "KB", "MB", "GB", "TB")


def plain_markdown(text: str, limit: int = 300) -> str:
    """Make foreign text safe for a markdown label: it shows as it is, on one line.

    Args:
        limit: characters kept.
    """
    return _escaped(clip(" ".join(text.split()), limit))


def commands_markdown(text: str, limit: int = 600) -> str:
    """Make foreign text safe for markdown, with what stands between backticks as code.

    Args:
        limit: characters kept.
    """
    parts = re.split(r"`([^`]+)`", clip(" ".join(text.split()), limit))
    return "".join(f"`{one}`" if at % 2 else _escaped(one) for at, one in enumerate(parts))


def plain_html(text: str, limit: int | None = None) -> str:
    """Make foreign text safe for HTML.

    Args:
        limit: characters kept; None keeps all.
    """
    return escape(text if limit is None else clip(text, limit))


def clip(text: str, limit: int) -> str:
    """Shorten text to at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def file_name(path: str) -> str:
    """Return the last part of a path, also of one from Windows."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or path


def size_text(n_bytes: int) -> str:
    """Write a size with the unit that keeps it short: 932 B, 1.4 MB."""
    size = float(max(0, n_bytes))
    for unit in _UNITS:
        if size < 999.5 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 99.5 else f"{size:.1f} {unit}"


def when_text(iso: str) -> str:
    """Write a moment to the minute, in the zone that it was given in; as it is if unreadable."""
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return clip(iso, 20)


def seconds_text(timings: Mapping[str, object]) -> str:
    """Write how long an answer took, from its beats; empty if nothing was measured."""
    total = timings.get("total")
    parts = [value for value in timings.values() if isinstance(value, (int, float))]
    seconds = total if isinstance(total, (int, float)) else sum(parts)
    return f"{seconds:.1f}" if seconds else ""


def place_text(passage: Passage, words: Words, *, has_path: bool = True) -> str:
    """Say where a passage stands: file, page with what is printed on it, heading."""
    parts = [file_name(passage.path) if has_path else "", _page_text(passage, words)]
    return " · ".join(part for part in [*parts, passage.heading] if part)


def _page_text(passage: Passage, words: Words) -> str:
    if passage.page is None:
        return ""
    if passage.page_label:
        return words("page_printed", page=passage.page, label=clip(passage.page_label, 20))
    return words("page", page=passage.page)


def duration_text(seconds: float, words: Words) -> str:
    """Write a length of time roughly: 40 s, 3 min, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return words("took", seconds=whole)
    minutes = round(whole / _MINUTE_S)
    if minutes < _HOUR_MIN:
        return words("minutes", minutes=minutes)
    return words("hours", hours=minutes // _HOUR_MIN, minutes=minutes % _HOUR_MIN)


def pace_text(job: Job, words: Words) -> str:
    """Write how fast a job goes and when it will have ended, as far as that is known."""
    parts = [
        words("passages_per_s", n=f"{job.passages_per_s:,.1f}") if job.passages_per_s else "",
        words("bytes_per_s", size=size_text(round(job.bytes_per_s))) if job.bytes_per_s else "",
        words("left", time=duration_text(job.eta_s, words)) if job.eta_s is not None else "",
    ]
    return " · ".join(part for part in parts if part)


def _escaped(line: str) -> str:
    return _SPECIAL.sub(r"\\\1", _SHORTCODE.sub(rf"\g<0>{_WORD_JOINER}", line))


def error_text(error: UiError, words: Words) -> str:
    """Say in markdown what went wrong and what to do."""
    if isinstance(error, ServerGoneError):
        return words("server_gone", url=f"`{error.api_url.replace('`', '')}`")
    message = plain_markdown(str(error).rstrip(". "), limit=600)
    status = error.status if isinstance(error, RefusedError) else 0
    key = f"refused_{status}" if status in _TOLD_STATUSES else "refused"
    told = words(key, message=message)
    wait = error.retry_after_s if isinstance(error, RefusedError) else None
    if wait is None or status not in (429, 503):
        return told
    return f"{told} {words('wait_for', time=duration_text(max(1.0, wait), words))}"
