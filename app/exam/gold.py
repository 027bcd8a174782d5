"""Where an answer stands in a text, and where it stands after the text has changed; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from app.exam.types import Case
from ingest.sentences import spans

_BLANK = re.compile(r"\s+")
_MAX_WANTED = 2_000


def find(text: str, wanted: str) -> tuple[int, int] | None:
    """Find a passage in a text: letter by letter, else with other blanks, else in other case."""
    wanted = wanted.strip()[:_MAX_WANTED]
    if not wanted:
        return None
    at = text.find(wanted)
    if at >= 0:
        return at, at + len(wanted)
    pattern = r"\s+".join(re.escape(word) for word in _BLANK.split(wanted))
    match = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return match.span() if match else None


def sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to the sentence that it stands in; the span itself if it stands in none."""
    low, high = max(0, start - 2_000), min(len(text), end + 2_000)
    for begin, stop in spans(text[low:high]):
        if low + begin <= start and end <= low + stop:
            return low + begin, low + stop
    return start, end


def relocated(case: Case, digest: str, text: str) -> Case | None:
    """Give a case its place in the text that replaced its own; None if it is not said any more.

    Args:
        digest: of the document that now lies at the case's path.
    """
    found = find(text, case.text)
    if not case.text and case.kind != "own":
        return None  # made of words that nobody can look for
    if found is None and case.kind == "own":
        place = find(text, case.answer)
        found = sentence_around(text, *place) if place else None
    if found is None:
        return None
    start, end = found
    return replace(case, digest=digest, start=start, end=end, text=text[start:end], is_stale=False)


def forgotten(case: Case) -> Case:
    """Take out of a case what came from its document; a user's own words stay."""
    bare = replace(case, digest="", start=0, end=0, text="", is_stale=True)
    return bare if case.kind == "own" else replace(bare, question="", answer="")


def covers(case: Case, start: int, end: int) -> bool:
    """Whether a span of the case's document holds most of the gold span."""
    overlap = min(end, case.end) - max(start, case.start)
    return overlap >= 0.5 * (case.end - case.start)


def covers_all(case: Case, found: Iterable[tuple[int, int]]) -> bool:
    """Whether spans of the case's document hold the whole gold span together."""
    at = case.start
    for start, end in sorted(found):
        if start <= at:
            at = max(at, end)
    return at >= case.end


def says(case: Case, text: str) -> bool:
    """Whether another text says the gold span too, word by word: a copy answers as well."""
    return bool(case.text) and _plain(case.text) in _plain(text)


def holds(answer: str, text: str) -> bool:
    """Whether a text holds an answer as words of its own: 5 is not said by 20.5, nor by 1957."""
    word = r"[0-9A-Za-z]"
    wanted = r"\s+".join(map(re.escape, answer.split()))
    pattern = rf"(?<!{word})(?<!\d[.,]){wanted}(?!{word}|[.,]\d)"
    return bool(wanted) and re.search(pattern, text, re.IGNORECASE) is not None


def _plain(text: str) -> str:
    return _BLANK.sub(" ", text).strip().casefold()
