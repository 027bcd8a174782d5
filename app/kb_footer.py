"""An answer → what is written below it for readers of plain text, and off again; pure.

Front ends that know nothing of citations show the answer's text alone, so its sources stand in it.
When such a front end sends the conversation back, they are taken out of the earlier answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.query.prompt import Language, language_of
from app.query.types import Answer, Citation
from app.query.verify import without_marks

MAX_TITLE = 120  # characters

_SOURCES: dict[Language, str] = {"en": "Sources:", "zh": "来源："}
_DOUBTFUL: dict[Language, str] = {"en": "Not verified: ", "zh": "未证实："}
_STATES: dict[Language, dict[str, str]] = {
    "en": {"not_found": "not found in the documents", "partly": "only partly"},
    "zh": {"not_found": "资料中未找到", "partly": "仅部分"},
}
_WITHDRAWN: dict[Language, str] = {
    "en": "The text above is withdrawn: the documents do not bear it out.",
    "zh": "以上内容作废：资料不能证实。",
}
_LISTED = re.compile(r"\s*- \[\d+\] ")
_ACTIVE = re.compile(r"([\\\[\]<`])")  # a title must not become a link or a picture


def footer(question: str, answer: Answer) -> str:
    """Write what readers of the text alone need: which sentences to doubt, where the rest is from.

    Empty where nothing was cited and nothing is in doubt.
    """
    language = language_of(question)
    parts = [_doubts(language, answer), _sources(language, answer)]
    return "".join(f"\n\n{part}" for part in parts if part)


def without_footer(text: str) -> str:
    """Take an answer's footer and its marks off again: they count sources of another question."""
    lines = text.rstrip().splitlines()
    at = len(lines)
    while at and _LISTED.match(lines[at - 1]):
        at -= 1
    if 0 < at < len(lines) and lines[at - 1].strip() in _SOURCES.values():
        lines = _trimmed(lines[: at - 1])
    if len(lines) > 1 and lines[-1].startswith(tuple(_DOUBTFUL.values())) and not lines[-2].strip():
        lines = lines[:-1]
    return without_marks("\n".join(lines)).strip()


def withdrawal(question: str) -> str:
    """Say that what was shown so far does not hold; what holds follows."""
    return f"\n\n{_WITHDRAWN[language_of(question)]}\n\n"


def title_of(citation: Citation, answer: Answer) -> str:
    """Give the title of a citation's document; its path if it has none."""
    titles = {one.document_id: one.title for one in answer.passages}
    return titles.get(citation.document_id, "") or citation.path


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _sources(language: Language, answer: Answer) -> str:
    first = {one.n: one for one in reversed(answer.citations)}
    numbers: dict[str, list[int]] = {}  # of several places in one file, which is named once
    for n in sorted(first):
        numbers.setdefault(_source(language, first[n], answer), []).append(n)
    lines = [f"- {' '.join(f'[{n}]' for n in found)} {source}" for source, found in numbers.items()]
    return "\n".join((_SOURCES[language], *lines)) if lines else ""


def _source(language: Language, citation: Citation, answer: Answer) -> str:
    title = title_of(citation, answer)
    names = [title] if title == citation.path else [title, citation.path]
    parts = [_plain(name) for name in names]
    page = citation.page_label or (str(citation.page) if citation.page else "")
    if page:
        parts.append(f"第{_plain(page)}页" if language == "zh" else f"page {_plain(page)}")
    parts += [f"⚠ {_plain(one)}" for one in citation.warnings]
    return ("，" if language == "zh" else ", ").join(parts)


def _doubts(language: Language, answer: Answer) -> str:
    if answer.mode != "generated":
        return ""
    states = _STATES[language]
    told = [
        _sentence(language, at, states[one.support])
        for at, one in enumerate(answer.sentences, 1)
        if one.support in states
    ]
    return _DOUBTFUL[language] + _joined(language, told) if told else ""


def _sentence(language: Language, at: int, state: str) -> str:
    return f"第{at}句（{state}）" if language == "zh" else f"sentence {at} ({state})"


def _joined(language: Language, parts: Sequence[str]) -> str:
    return f"{'、'.join(parts)}。" if language == "zh" else f"{', '.join(parts)}."


def _plain(text: str) -> str:
    """Put a stranger's text on one line, in which no reader of Markdown sees more than words."""
    line = " ".join(text.split())
    cut = line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1]}…"
    return _ACTIVE.sub(r"\\\1", cut)
