"""What the server tells in English with a code, worded in the language of the page; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ui.told_words import PARTS, TOLD
from ui.words import Words


@dataclass(frozen=True, slots=True)
class Notice:
    """What the server wants its users to know."""

    text: str
    code: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def notices_from(status: Mapping[str, object]) -> tuple[Notice, ...]:
    """Read the notices of /kb/status with their codes; an older server gives none."""
    texts, facts = status.get("notices"), status.get("notice_facts")
    texts = texts if isinstance(texts, list) else []
    facts = facts if isinstance(facts, list) else []
    found = []
    for at, text in enumerate(texts):
        one = facts[at] if at < len(facts) and isinstance(facts[at], dict) else {}
        values = one.get("values")
        code = str(one.get("code") or "")
        found.append(Notice(str(text), code, values if isinstance(values, dict) else {}))
    return tuple(found)


def notice_text(notice: Notice, words: Words) -> str:
    """Word a notice."""
    return worded(notice.text, "", notice.code, notice.values, words)[0]


def worded(
    what: str, cure: str, code: str, values: Mapping[str, object], words: Words
) -> tuple[str, str]:
    """Word what was found and its cure; as the server does where this page knows no better.

    Args:
        values: that stand in the sentences.
    """
    if words.language == "en" or code not in TOLD:
        return what, cure
    shown = {name: str(value) for name, value in values.items()}
    parts = [f"{PARTS.get(name, name)} {size}" for name, size in shown.items() if name != "total"]
    try:
        told, mended = (one.format(**{"parts": "，".join(parts), **shown}) for one in TOLD[code])
    except (KeyError, IndexError, ValueError):  # of another version
        return what, cure
    return told, (mended or cure) if cure else ""
