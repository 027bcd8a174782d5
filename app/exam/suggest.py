"""A library's texts in, a few questions out that they answer: for who does not know what to ask.

No model writes them: they are made of headings, sentences and tables by the rules of the exam, of
which only those are taken that a person would ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from app.exam.make import drafts_of
from app.exam.questions import Draft
from app.exam.types import Source
from app.query.words import cjk_share, content_words, fold

N_QUESTIONS = 4
_MAX_OF_ONE = 12  # questions of one document that are looked at
_SHORTEST, _LONGEST = 12, 100  # characters
_SHORTEST_ZH, _LONGEST_ZH = 6, 40
_MAX_WORDS = 16
_CHINESE = 0.3  # share of CJK letters from which on a text is a Chinese one
# What a machine made of a table or a page: nobody would say it.
_ODD = re.compile(r"[|_{}<>\\\[\]@#=*~^…\n]|https?:|\.\.|--|\d{6,}|\w\.\w{2,4}\b")
_UNNATURAL = re.compile(
    r"^How many (?:kilo|milli|centi)?(?:grams?|met(?:er|re)s?|lit(?:er|re)s?|tons?|watts?)\b"
    r"|^What is the (?:name|number|no|id|code|title|\w+s|[\w ]+ (?:at|by|in|of|on|to|for)) for\b"
    r"|\bfor (?:up to|more than|less than|\d)",
    re.IGNORECASE,
)
_BLANK = re.compile(
    r"\b(?:page|contents|index|introduction|overview|appendix|summary|next meeting)\b", re.I
)
_BLANK_ZH = re.compile(r"^(?:目录|前言|概述|附录|简介|说明|总则|附则)$")
_NUMBERED = re.compile(
    r"^(?:第[\d一二三四五六七八九十]+[章节条]|[\d一二三四五六七八九十]+[.、．)）])\s*"
)
_FILE = re.compile(r"\.\w{2,5}$")
_CONTEXT_ZH = re.compile(r"^[^：，。？]{1,40}：")


def suggested(sources: Iterable[Source], n: int = N_QUESTIONS) -> list[str]:
    """Choose questions, of as many documents and languages as there are, in turn.

    The same library gives the same. What documents say about one thing comes before a cell of a
    table, and after a question that a sentence answers.
    """
    held = [(list(islice(_ranked(one), _MAX_OF_ONE)), one) for one in sources]
    asked = sorted(
        ((ranks, one) for ranks, one in held if ranks),
        key=lambda pair: (pair[0][0][0], pair[1].digest),
    )
    left = [[question for _, question in ranks] for ranks, _ in _by_language(asked)]
    found: list[str] = []
    while left and len(found) < n:
        for questions in left:
            question = next((one for one in questions if one not in found), None)
            if question is not None and len(found) < n:
                found.append(question)
                questions.remove(question)
        left = [questions for questions in left if any(one not in found for one in questions)]
    return found


def is_natural(question: str) -> bool:
    """Whether somebody might ask so."""
    is_chinese = cjk_share(question) > _CHINESE
    shortest, longest = (_SHORTEST_ZH, _LONGEST_ZH) if is_chinese else (_SHORTEST, _LONGEST)
    if not shortest <= len(question) <= longest:
        return False
    if _ODD.search(question) or _UNNATURAL.search(question):
        return False
    pairs = (("(", ")"), ("（", "）"), ("“", "”"), ("《", "》"))
    if any(question.count(one) != question.count(other) for one, other in pairs):
        return False
    if is_chinese:
        return not re.search(r"[A-Za-z]{4,}", question)
    return len(question.split()) <= _MAX_WORDS and cjk_share(question) == 0


def _by_language(
    asked: list[tuple[list[tuple[int, str]], Source]],
) -> list[tuple[list[tuple[int, str]], Source]]:
    """Take turns between the languages."""
    groups: dict[str, list[tuple[list[tuple[int, str]], Source]]] = {}
    for ranks, one in asked:
        groups.setdefault(one.language, []).append((ranks, one))
    longest = max(map(len, groups.values()), default=0)
    return [held[at] for at in range(longest) for held in groups.values() if at < len(held)]


def _ranked(source: Source) -> Iterator[tuple[int, str]]:
    """Give the questions of one document, the best first, each with its rank from 0."""
    drafts = sorted(drafts_of(source, ""), key=lambda one: one.start)
    kinds = (
        (_worded(one) for one in drafts if one.kind in ("heading", "wh")),
        _of_headings(source),
        (_worded(one) for one in drafts if one.kind == "table"),
    )
    for rank, questions in enumerate(kinds):
        yield from ((rank, one) for one in dict.fromkeys(questions) if is_natural(one))


def _worded(draft: Draft) -> str:
    """Word a draft; what a question of a table says along only names the table."""
    question = " ".join(draft.question.split())
    if draft.kind != "table":
        return question
    if cjk_share(question) > _CHINESE:
        return _CONTEXT_ZH.sub("", question)
    question = re.sub(r"\? \([^()]*\)$", "?", question)
    return re.sub(r"(?<=^What is the )[A-Z](?=[a-z])", lambda one: one[0].lower(), question)


def _of_headings(source: Source) -> Iterator[str]:
    """Ask what a document says about what its headings name."""
    name = source.title.strip()
    if not name or _FILE.search(name):
        return
    headings = dict.fromkeys(part.headings[-1] for part in source.parts if part.headings)
    for heading in islice(headings, 40):
        said = _NUMBERED.sub("", heading.strip()).strip(" .:：?？")
        is_chinese = cjk_share(said) > _CHINESE
        blank = _BLANK_ZH if is_chinese else _BLANK
        if not said or blank.search(said) or fold(said) in fold(name) or said.isupper():
            continue
        if is_chinese and cjk_share(name) > _CHINESE:
            yield f"关于{said}，《{name}》是怎么说的？"
        elif len(content_words(said)) <= 5 and re.match(r"[A-Z][a-z]", said):
            subject = (
                said if len(said.split()) == 1 and said[1:] != said[1:].lower() else _low(said)
            )
            yield f"What does “{name}” say about {subject}?"


def _low(heading: str) -> str:
    """Write a heading within a sentence: small, unless more of it is written large."""
    first, _, rest = heading.partition(" ")
    is_name = any(word[:1].isupper() for word in rest.split())
    return heading if is_name else f"{first[:1].lower()}{first[1:]}{f' {rest}' if rest else ''}"
