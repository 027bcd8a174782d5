"""Question + history → a question that stands alone, and its keywords.

A question that needs no history is never touched. One that does is condensed by rule (the
content words of the last exchange are put before it) or, where a model is given that is good
enough, by the model; what the user typed stays in the search in either case.
Pure but for the model that `rewrite` may be given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from app.query.prompt import condense_messages
from app.query.types import Rewritten, Turn
from app.query.words import cjk_share, content_terms, content_words, fold, names, numbers
from engine.types import Message

MAX_TURNS = 6  # looked back at; a question that leans on more is not understood by people either
MAX_CONTEXT_WORDS = 24  # words taken over from the last question
MAX_ANSWER_WORDS = (
    12  # words taken over from the last answer: it is long, and much of it is not the topic
)
MAX_TURN_CHARACTERS = 2_000

Condense = Callable[[Sequence[Message]], str]

_MARK = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")
_OPENING_EN = re.compile(
    r"\s*(?:and|but|or|so|then|also|what about|how about|what else|why not|same for)\b",
    re.IGNORECASE,
)
_PRONOUN_EN = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|he|him|his|she|her|hers|these|those|this"
    r"|the (?:former|latter|same))\b"
    r"|\b(?:in|of|about|after|before|by|for|with|do|did|does|was|is|to|from|like|than) that\b"
    r"(?!\s+(?:is|are|was|the|a)\b)"
    r"|\bwhy that\b|\bthat\s*[?.]?\s*$",
    re.IGNORECASE,
)
_THERE_EN = re.compile(
    r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )(?<!\bhas )(?<!\bhave )\bthere\b"
    r"(?!\s+(?:is|are|was|were|be|been|has|have|will|exist))",
    re.IGNORECASE,
)
_DEFINITION_EN = re.compile(r"\s*(?:what|who) (?:is|are|was|were) (?!the\b)", re.IGNORECASE)
_PRONOUN_ZH = re.compile(
    r"它们?|她们?|(?<![其吉维])他们?(?![人国乡])|这(?:里|些|个|种|位|座|部|本|家|次|样)|那(?:里|些|个|种|位|座|部|本|家|次|时|么)|"
    r"^那|此(?![外前后])(?<!因此)(?<!彼此)|(?<![耳尤极与何])其(?![他它实余])|(?:上述|前者|后者)|呢[？?]?\s*$"
)
_OPENING_ZH = re.compile(
    r"(?:那么?|还|又|也|并)?(?:是(?:谁|什么|哪|何|怎)|用来|用于|现在|目前|当时|后来|最初|最早|一生|什么时候|何时|哪一?年|在哪|位于|属于|"
    r"成立于|有(?:多少|几|什么|哪些)|还有|主要|一共|总共|共有|多少|多大|多高|多长|几)"
)
_OPENING_SHORT_ZH = re.compile(r"(?:那么?)?(?:为什么|为何|怎么|如何|谁|哪)")


def rewrite(question: str, history: Sequence[Turn], condense: Condense | None = None) -> Rewritten:
    """Make the question understandable without the history.

    Args:
        condense: asks a model that is good enough for it; a bad reply of it is dropped.
    """
    recent = recent_of(history)
    if not recent or is_standalone(question):
        return Rewritten(question, _keywords(question))
    if condense is not None:
        told = condense(condense_messages(question, recent)).strip().strip('"\u201c\u201d')
        if is_faithful(question, told):
            return Rewritten(told, _keywords(told), by="model")
    joined = condensed(question, recent)
    return Rewritten(joined, _keywords(joined), by="rule" if joined != question else "none")


def recent_of(history: Sequence[Turn]) -> list[Turn]:
    """Take the last turns that say something."""
    said = [turn for turn in history[-4 * MAX_TURNS :] if turn.content.strip()]
    return [turn for turn in said if turn.role in ("user", "assistant")][-MAX_TURNS:]


def is_standalone(question: str) -> bool:
    """Tell whether a question can be understood without what was said before."""
    return _stands_alone_zh(question) if cjk_share(question) > 0.3 else _stands_alone_en(question)


def condensed(question: str, recent: Sequence[Turn]) -> str:
    """Put the topic of the conversation before the question: content words only, each once."""
    words: list[str] = []
    asked = [at for at, turn in enumerate(recent) if turn.role == "user"]
    for at in reversed(asked):
        words = content_words(recent[at].content[:MAX_TURN_CHARACTERS])[:MAX_CONTEXT_WORDS] + words
        if is_standalone(recent[at].content[:MAX_TURN_CHARACTERS]):
            break
    if recent[-1].role == "assistant":
        words += content_words(_MARK.sub(" ", recent[-1].content[:MAX_TURN_CHARACTERS]))[
            :MAX_ANSWER_WORDS
        ]
    told = fold(question)
    topic = [word for word in dict.fromkeys(words) if fold(word) not in told][
        : 2 * MAX_CONTEXT_WORDS
    ]
    return " ".join((*topic, question)) if topic else question


def is_faithful(question: str, rewritten: str) -> bool:
    """Tell whether a model's rewrite kept what the user named and grew by no essay."""
    if not rewritten or "\n" in rewritten or len(rewritten) > 200 + 2 * len(question):
        return False
    folded = fold(rewritten)
    return numbers(question) <= numbers(rewritten) and all(
        name in folded for name in names(question)
    )


def _stands_alone_en(question: str) -> bool:
    if _OPENING_EN.match(question):
        return False
    n_terms = len(content_terms(question))
    if n_terms == 0 or (
        n_terms == 1 and not names(question) and not _DEFINITION_EN.match(question)
    ):
        return False
    found = [
        match.start()
        for pattern in (_PRONOUN_EN, _THERE_EN)
        for match in pattern.finditer(question)
    ]
    return not found or _has_antecedent(question[: min(found)])


def _has_antecedent(before: str) -> bool:
    """Tell whether a pronoun can mean something that the question itself named earlier."""
    return len(content_terms(before)) >= 4 or (
        len(content_terms(before)) >= 2 and bool(names(before))
    )


def _stands_alone_zh(question: str) -> bool:
    n_content = sum(len(word) for word in content_words(question))
    if n_content == 0:
        return False
    pronoun = _PRONOUN_ZH.search(question)
    if pronoun:
        return sum(len(word) for word in content_words(question[: pronoun.start()])) >= 6
    if _OPENING_ZH.match(question):
        return n_content > 6
    return not (_OPENING_SHORT_ZH.match(question) and n_content <= 2)


def _keywords(question: str) -> str:
    return " ".join(content_words(question)) or question
