"""Numbers, times, rows in, the words of Ollama's tables out; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

_GAP = "    "
_YEARS_THAT_MEAN_FOR_EVER = 20
_DAY_H = 24


def size(n_bytes: int) -> str:
    """Word a size in decimal units: 815 MB, 4.7 GB."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if n_bytes >= scale:
            value = n_bytes / scale
            text = f"{int(value)}" if value >= 10 or value == int(value) else f"{value:.1f}"
            return f"{text} {unit}"
    return f"{n_bytes} B"


def duration(seconds: float) -> str:
    """Word a length of time roughly: About a minute, 3 days.

    Source: Ollama's `format.humanDuration` (after Docker's go-units).
    """
    whole = int(seconds)
    minutes, hours = whole // 60, round(seconds / 3600)
    steps = (
        (whole < 1, "Less than a second"),
        (whole == 1, "1 second"),
        (whole < 60, f"{whole} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 2 * _DAY_H, f"{hours} hours"),
        (hours < 14 * _DAY_H, f"{hours // _DAY_H} days"),
        (hours < 60 * _DAY_H, f"{hours // _DAY_H // 7} weeks"),
        (hours < 730 * _DAY_H, f"{hours // _DAY_H // 30} months"),
    )
    return next((words for holds, words in steps if holds), f"{hours // _DAY_H // 365} years")


def clock(seconds: float) -> str:
    """Word a length of time exactly: 4 s, 2:05, 1:00:07."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def ago(then: datetime, now: datetime) -> str:
    """Word when something happened."""
    return f"{duration(max(0.0, (now - then).total_seconds()))} ago"


def until(then: datetime | None, now: datetime) -> str:
    """Word when a model will be unloaded."""
    if then is None:
        return "Forever"
    left_s = (then - now).total_seconds()
    if left_s < 0:
        return "Stopping..."
    if left_s > _YEARS_THAT_MEAN_FOR_EVER * 365 * 86400:
        return "Forever"
    return f"{duration(left_s)} from now"


def processor(size_bytes: int, vram_bytes: int) -> str:
    """Word where a model lies."""
    if vram_bytes > size_bytes:
        return "Unknown"
    if vram_bytes == 0:
        return "100% CPU"
    if vram_bytes == size_bytes:
        return "100% GPU"
    share = round(100 * (size_bytes - vram_bytes) / size_bytes)
    return f"{share}%/{100 - share}% CPU/GPU"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns to the left, without rules."""
    widths = [max(len(row[at]) for row in (header, *rows)) for at in range(len(header))]
    return "\n".join(
        "".join(cell.ljust(width) + _GAP for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def sections(parts: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    """Put titled groups of rows below each other, indented; rows may have one or more columns."""
    texts = []
    for title, rows in parts:
        widths: dict[int, int] = {}
        for row in rows:
            for at, cell in enumerate(row[:-1]):  # the last column needs no padding
                widths[at] = max(widths.get(at, 0), len(cell))
        lines = [_GAP.join(_padded(row, widths)).rstrip() for row in rows]
        texts.append("\n".join((f"  {title}", *(f"{_GAP}{line}" for line in lines))))
    return "\n\n".join(texts) + "\n"


def count(number: int) -> str:
    """Word a number of parameters: 7.6B, 494.03M, 12K."""
    if number >= 1_000_000_000:
        return f"{number / 1e9:.1f}".removesuffix(".0") + "B"
    if number >= 1_000_000:
        return f"{number / 1e6:.2f}M"
    return f"{number // 1_000}K" if number >= 1_000 else str(number)


def _padded(row: Sequence[str], widths: Mapping[int, int]) -> list[str]:
    return [cell.ljust(widths.get(at, 0)) for at, cell in enumerate(row)]


def place(path: str, page: int | None, start: int, end: int, page_label: str = "") -> str:
    """Word where a passage stands: path, page, span in characters.

    Args:
        page_label: what is printed on the page, if that is not its number.
    """
    printed = f" (printed {page_label})" if page_label else ""
    on_page = f", page {page}{printed}" if page is not None else ""
    return f"{path}{on_page}, characters {start}-{end}"
