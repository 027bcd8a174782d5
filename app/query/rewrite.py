"""Question + history → a question that stands alone, and its keywords.

A question that needs no history is never touched. One that does is condensed by rule (the
content words of the last exchange are put before it) or, where a model is given that is good
enough, by the model; what the user typed stays in the search in either case.
Pure but for the model that `rewrite` may be given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from app.query.filters import nothing_passes, without_filters
from app.query.parts import asks, parts
from app.query.polarity import apart
from app.query.prompt import condense_messages, nothing_yet, refusal
from app.query.standalone import is_standalone
from app.query.types import Filters, Rewritten, Turn
from app.query.words import (
    cjk_share,
    content_terms,
    content_words,
    fold,
    hold,
    names,
    numbers,
    share_held,
)
from engine.types import Message

MAX_TURNS = 6  # looked back at; a question that leans on more is not understood by people either
MAX_CONTEXT_WORDS = 24  # words taken over from the last question
MAX_ANSWER_WORDS = (
    12  # words taken over from the last answer: it is long, and much of it is not the topic
)
MAX_TURN_CHARACTERS = 2_000

Condense = Callable[[Sequence[Message]], str]

_MARK = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")
_LABEL = re.compile(
    r"^(?:(?:(?:rewritten|standalone|new)\s+)?question|(?:改写后的)?问题)\s*[:\uff1a]",
    re.IGNORECASE,
)
# Our own refusals, around the collection's name: they name documents that were no answer.
_REFUSAL = re.compile(
    "|".join(
        f"{re.escape(head)}[^\n]{{1,200}}?{re.escape(rest[:2])}"
        for language in ("a", "\u4e2d")
        for text in (
            refusal(language, "\0", ()),
            nothing_yet(language, "\0"),
            nothing_passes(language, "\0", Filters()),
        )
        for head, _, rest in (text.partition("\0"),)
    )
)
_WORDS_KEPT = 0.5  # share of the question's content words that a model's rewrite must keep
_WORDS_ADDED = 0.5  # share of the rewrite's content words that nobody may have said


def rewrite(question: str, history: Sequence[Turn], condense: Condense | None = None) -> Rewritten:
    """Make the question understandable without the history.

    Args:
        condense: asks a model that is good enough for it; a bad reply of it is dropped.
    """
    recent = recent_of(history)
    queries = parts(question)
    if not recent or is_standalone(question):
        return Rewritten(question, _keywords(question), queries=queries)
    dropped = ""
    if condense is not None:
        told = _bare(condense(condense_messages(question, recent)))
        dropped = fault_of(question, told, recent)
        if not dropped:
            return Rewritten(told, _keywords(told), by="model", queries=parts(told))
    joined = condensed(question, recent)
    by: Literal["rule", "none"] = "rule" if joined != question else "none"
    return Rewritten(joined, _keywords(joined), by=by, dropped=dropped)


def recent_of(history: Sequence[Turn]) -> list[Turn]:
    """Take the last turns that say something, without the filters that were typed in them."""
    said = [turn for turn in history[-4 * MAX_TURNS :] if turn.content.strip()]
    recent = [turn for turn in said if turn.role in ("user", "assistant")][-MAX_TURNS:]
    return [
        Turn(turn.role, without_filters(turn.content[:MAX_TURN_CHARACTERS]))
        if turn.role == "user"
        else turn
        for turn in recent
    ]


def condensed(question: str, recent: Sequence[Turn]) -> str:
    """Put the topic of the conversation before the question: content words only, each once."""
    words: list[str] = []
    asked = [at for at, turn in enumerate(recent) if turn.role == "user"]
    for at in reversed(asked):
        words = content_words(recent[at].content[:MAX_TURN_CHARACTERS])[:MAX_CONTEXT_WORDS] + words
        if is_standalone(recent[at].content[:MAX_TURN_CHARACTERS]):
            break
    if recent[-1].role == "assistant" and not _REFUSAL.match(recent[-1].content.lstrip()):
        words += content_words(_MARK.sub(" ", recent[-1].content[:MAX_TURN_CHARACTERS]))[
            :MAX_ANSWER_WORDS
        ]
    told = fold(question)
    topic = [word for word in dict.fromkeys(words) if fold(word) not in told][
        : 2 * MAX_CONTEXT_WORDS
    ]
    return " ".join((*topic, question)) if topic else question


def fault_of(question: str, rewritten: str, recent: Sequence[Turn]) -> str:
    """Say what is wrong with a model's rewrite; empty if it may be used.

    It must ask what the user asked, in the same language, with the same numbers, names and
    negation, in words of the conversation, and must no longer lean on that.
    """
    said = "\n".join((question, *(turn.content[:MAX_TURN_CHARACTERS] for turn in recent)))
    faults = (
        (not rewritten, "empty"),
        ("\n" in rewritten or len(rewritten) > 200 + 2 * len(question), "too long"),
        (_is_cjk(question) != _is_cjk(rewritten), "another language"),
        (asks(question) and not asks(rewritten), "it does not ask"),
        (bool(_lost_numbers(question, rewritten)), "changed numbers"),
        (bool(numbers(rewritten) - numbers(said)), "numbers that nobody said"),
        (any(name not in fold(rewritten) for name in _named(question)), "changed names"),
        (any(name not in fold(said) for name in _named(rewritten)), "names that nobody said"),
        (_denies(question) != _denies(rewritten), "changed negation"),
        (_is_off_topic(question, rewritten, said), "off topic"),
        (not is_standalone(rewritten), "still leans on the conversation"),
    )
    return next((fault for is_so, fault in faults if is_so), "")


def _denies(text: str) -> bool:
    return apart(text)[1].is_negated


def _named(text: str) -> list[str]:
    return [re.sub(r"['\u2019]s$", "", name) for name in names(text)]


def _lost_numbers(question: str, rewritten: str) -> frozenset[str]:
    return numbers(question) - numbers(rewritten)


def _is_off_topic(question: str, rewritten: str, said: str) -> bool:
    asked, told = content_terms(question), content_terms(rewritten)
    if not told or share_held(asked, hold(rewritten)) < _WORDS_KEPT:
        return True
    return 1 - share_held(told, hold(said)) > _WORDS_ADDED


def _is_cjk(text: str) -> bool:
    return cjk_share(text) > 0.3


def _bare(reply: str) -> str:
    """Take off what models put around a question."""
    return _LABEL.sub("", reply.strip(), count=1).strip().strip('"\u201c\u201d').strip()


def _keywords(question: str) -> str:
    return " ".join(content_words(question)) or question
