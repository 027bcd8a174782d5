"""A question that asks several things → the things, each to be searched for alone; pure.

“Compare A with B” and “the difference between A and B” find passages that name both and say
little about either; A alone and B alone find what is known of each.
"""

from __future__ import annotations

import re

from app.query.standalone import is_standalone
from app.query.words import cjk_share, content_terms, content_words
from ingest.han import simplified

MAX_PARTS = 3
_MAX_WORDS = 6  # of one thing that is compared
_MAX_ASKED = 1_000  # characters; a longer text is no comparison

_THING = r"[^?？。；;]{1,80}?"
_ABOUT_EN = (
    r"(?:\s+(?:in (?:terms|respect) of|with respect to|regarding|for|by|in)\s+(?P<about>.{1,80}))?"
)
_COMPARED_EN = (
    re.compile(
        rf"\bcompar(?:e|ing)\s+(?P<one>{_THING})\s+(?:and|with|to|against)\s+(?P<two>{_THING})"
        rf"{_ABOUT_EN}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?P<about>.{0,40})\b(?:differences?|similarit(?:y|ies)|comparison|distinction)"
        rf"\s+(?:between|of)\s+(?P<one>{_THING})\s+and\s+(?P<two>{_THING})\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^(?:how (?:do|does|did|is|are) )?(?P<one>{_THING})\s+(?:vs\.?|versus)\s+"
        rf"(?P<two>{_THING}){_ABOUT_EN}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^how (?:do|does|did|is|are|was|were) (?P<one>{_THING}) (?:differ|different) from "
        rf"(?P<two>{_THING}){_ABOUT_EN}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^what (?:do|does|did) (?P<one>{_THING}) and (?P<two>{_THING}) have in common"
        r"(?P<about>)\s*[?.!]*$",
        re.IGNORECASE,
    ),
)
_PAIR_ZH = (
    r"(?P<one>[^，。？?、和与跟同]{1,40}?)\s*(?:和|与|跟|同|、)\s*(?P<two>[^，。？?、]{1,40}?)"
)
_COMPARED_ZH = (
    re.compile(
        rf"(?:请?(?:比较|对比)(?:一下)?)?{_PAIR_ZH}(?:之间|两者|二者)?(?:有(?:什么|哪些|何))?的?"
        r"(?:主要|最大|根本)?(?P<about>)(?:区别|差别|差异|不同(?:之处|点)?|异同|相同(?:之处|点)|共同点|关系|联系)"
        r"(?:是什么|有哪些|在哪里?|在于什么|何在)?[？?。]*$"
    ),
    re.compile(
        rf"请?(?:比较|对比)(?:一下)?{_PAIR_ZH}(?:的(?P<about>[^，。？?]{{1,20}}))?[？?。]*$"
    ),
    re.compile(
        rf"{_PAIR_ZH}(?:相比|比起来|两者|二者|之间)?[，,]?(?:哪(?:个|一个|种|座|条|位|所)|谁)"
        r"(?P<about>(?:更|比较|最)[^，。？?]{1,20})[？?。]*$"
    ),
)
_ASKS_EN = re.compile(
    r"\s*(?:(?:in|on|at|for|to|from|by|of|with|about|under|during|since)\s+)?"
    r"(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|has|have|had"
    r"|can|could|will|would|should|tell|name|list|describe|explain|give|compare)\b",
    re.IGNORECASE,
)
_ASKS_ZH = re.compile(
    "什么|谁|哪|几|多少|多大|多长|多高|多久|吗|呢|怎|如何|为何|是否|有没有|介绍|说明"
)
_LEAD_EN = re.compile(
    r"^(?:both|the two|either)\s+|^(?:please|can you|could you)\s+", re.IGNORECASE
)
_NEXT_QUESTION = re.compile(
    r"(?<=[?？])\s*(?=\S)"
    r"|,?\s+and\s+(?=(?:who|whom|whose|what|when|where|which|why|how)\s+\w+\s+\w+)"
    r"|[，,；;]\s*(?=(?:以及|并且|而且)?[^，,；;？?]{3,40}(?:什么|谁|哪|几|多少|怎么|如何|为什么)[^，,；;？?]{0,20}[？?]?$)",
    re.IGNORECASE,
)


def asks(text: str) -> bool:
    """Tell whether a text asks for something."""
    if text.rstrip(' "\u201d').endswith(("?", "\uff1f")):
        return True
    if cjk_share(text) > 0.3:
        return _ASKS_ZH.search(simplified(text)) is not None
    return _ASKS_EN.match(text) is not None


def parts(question: str) -> tuple[str, ...]:
    """List what a question asks, if it is several things; empty if it is one.

    Returns:
        At most `MAX_PARTS` queries, none of them the question itself.
    """
    text = " ".join(question.split())
    if len(text) > _MAX_ASKED:
        return ()
    found = _compared(text) or _several(text)
    told = tuple(dict.fromkeys(one for one in found if one and one != text))
    return told[:MAX_PARTS] if len(told) > 1 else ()


def _compared(text: str) -> list[str]:
    patterns = _COMPARED_ZH if cjk_share(text) > 0.3 else _COMPARED_EN
    for pattern in patterns:
        match = pattern.search(simplified(text))
        if match is None:
            continue
        spans = [match.span(name) for name in ("one", "two")]
        things = [_LEAD_EN.sub("", text[start:end].strip()) for start, end in spans]
        if not all(_is_thing(thing) for thing in things):
            continue
        about = " ".join(content_words(text[slice(*match.span("about"))] if match["about"] else ""))
        return [f"{thing} {about}".strip() for thing in things]
    return []


def _several(text: str) -> list[str]:
    """Cut two questions in one breath; the second must not lean on the first."""
    pieces = [piece.strip(" ,，；;") for piece in _NEXT_QUESTION.split(text) if piece.strip()]
    if len(pieces) < 2 or not all(_is_whole(piece) for piece in pieces):
        return []
    return pieces


def _is_thing(thing: str) -> bool:
    return len(content_words(thing)) > 0 and len(thing.split()) <= _MAX_WORDS and not asks(thing)


def _is_whole(piece: str) -> bool:
    return asks(piece) and is_standalone(piece) and bool(content_terms(piece))
