"""Question + passages → the few sentences that answer it best, verbatim; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.query.fusion import idf_of
from app.query.injection import warnings_of
from app.query.types import Citation, Passage, Sentence
from app.query.verify import (
    Evidence,
    Verified,
    cited,
    evidence_of,
    indexed_in,
    is_question,
    shown,
)
from app.query.words import Held, content_terms, fold, hold, numbers

MAX_SENTENCES = 3
MIN_SHARE = 0.5  # of the best sentence's score that a further one must reach
RANK_DISCOUNT = 0.1  # taken off per passage rank: the retriever has read more than one sentence
FAQ_SHARE = 0.8  # of a question's score that the sentence after it inherits: it is the answer
ORDER_SHARE = 0.3  # of its score that a sentence keeps which gives orders to a machine
MAX_TABLE = 600  # characters; a longer table is answered by its rows
_CELL = " |"
_LETTER = re.compile(r"[^\W\d_]")
_HEADING_LIKE = 12  # characters; shorter sentences are headings and labels
_TITLE_LIKE = 60  # characters; up to here a line without a stop, a number or a cell is a heading
_STOPPED = re.compile(r"[.!?:;,\u3002\uff01\uff1f\uff1a\uff1b\uff0c\u2026|\d]")
_ASKED_AMOUNT = re.compile(r"\bhow (?:long|many|much|often)\b", re.IGNORECASE)

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_KINDS = (  # what a question asks for → what a sentence that tells it has
    (
        re.compile(
            r"\bhow (?:many|much|long|old|far|often|tall|high|large|big)\b"
            r"|\bwhat (?:percentage|share|number|year)\b|多少|几|多大|多长|多高"
        ),
        re.compile(r"\d|[一二三四五六七八九十百千万亿两]"),
    ),
    (
        re.compile(
            r"\b(?:when|what year|which year|what date)\b|什么时候|何时|哪一?年|哪天|什么时间"
        ),
        re.compile(rf"\d{{3,4}}|\d+\s*[年月日]|century|世纪|\b(?:{_MONTHS})\b"),
    ),
    (
        re.compile(r"\b(?:why|what reason|what caused?)\b|为什么|为何|原因"),
        re.compile(
            r"\b(?:because|due to|since|therefore|as a result|caused?|reason|so that)\b"
            r"|因为|由于|因此|所以|原因|为了|导致"
        ),
    ),
)


def best_sentences(
    question: str, passages: Sequence[Passage], context: str = "", n: int = MAX_SENTENCES
) -> list[Evidence]:
    """Choose verbatim sentences, best first.

    A sentence scores the idf mass of the question's words that it and its neighbours hold, a
    little more if it has what the question asks for (a number, a date, a reason), a little less
    the lower its passage ranks. One that asks is never an answer; the one after it is taken for
    its answer.

    Args:
        context: words of the conversation that a follow-up question leans on; they count half.
    """
    evidence = with_tables(evidence_of(passages))
    if not evidence:
        return []
    scores = _scores(question, context, evidence)
    order = sorted(range(len(evidence)), key=lambda at: -scores[at])
    bar = MIN_SHARE * scores[order[0]]
    chosen: list[Evidence] = []
    seen: set[str] = set()
    for at in order:
        text = " ".join(fold(evidence[at].text).split())
        if scores[at] <= 0 or scores[at] < bar or len(chosen) == n:
            break
        if text not in seen:
            seen.add(text)
            chosen.append(evidence[at])
    return chosen


def extract(question: str, passages: Sequence[Passage], context: str = "") -> Verified:
    """Answer with the documents' own words."""
    chosen = best_sentences(question, passages, context)
    told: list[Sentence] = []
    citations: list[Citation] = []
    for n, one in enumerate(chosen, 1):
        told.append(Sentence(_shown(one.text), (n,), "supported"))
        citations.append(cited(one, n))
    said = [f"{sentence.text} [{n}]" for n, sentence in enumerate(told, 1)]
    glue = "\n\n" if any("\n" in one for one in said) else " "
    return Verified(glue.join(said), tuple(told), tuple(citations))


def with_tables(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Put the rows of a small table together: a row tells nothing without its header."""
    found: list[Evidence] = []
    for one in evidence:
        before = found[-1] if found else None
        if before is not None and _goes_on(before, one):
            found[-1] = _joined(before, one)
        else:
            found.append(one)
    return found


def _goes_on(before: Evidence, one: Evidence) -> bool:
    if before.passage.n != one.passage.n or one.end - before.start > MAX_TABLE:
        return False
    if _CELL not in before.text or _CELL not in one.text:
        return False
    between = one.passage.text[before.end - one.passage.start : one.start - one.passage.start]
    return between.count("\n") <= 2 and not _LETTER.search(between)


def _joined(before: Evidence, one: Evidence) -> Evidence:
    start = before.start - one.passage.start
    return Evidence(
        one.passage,
        before.start,
        one.end,
        one.passage.text[start : one.end - one.passage.start],
        Held(f"{before.held.folded}\n{one.held.folded}", before.held.words | one.held.words),
        before.before,
    )


def _shown(text: str) -> str:
    """Write a sentence in one line, a table row by row, without the rule below its header."""
    lines = [
        " ".join(line.split()).strip("| ") for line in shown(text, indexed_in([text])).splitlines()
    ]
    is_table = _CELL in text
    kept = [line for line in lines if _LETTER.search(line) or re.search(r"\d", line)]
    return "\n".join(kept) if is_table else " ".join(kept)


def _scores(question: str, context: str, evidence: Sequence[Evidence]) -> list[float]:
    terms = content_terms(_ASKED_AMOUNT.sub(" ", question))
    weights = idf_of(terms, [one.held for one in evidence])
    leaning = [term for term in content_terms(context) if term not in weights]
    weights |= {
        term: 0.5 * weight
        for term, weight in idf_of(leaning, [one.held for one in evidence]).items()
    }
    total = sum(weights.values()) or 1.0
    texts = [hold(one.text) for one in evidence]
    own = [
        sum(weight for term, weight in weights.items() if text.has(term)) / total for text in texts
    ]
    asks = [is_question(one.text) for one in evidence]
    for at in range(1, len(evidence)):
        if asks[at - 1] and _same(evidence, at - 1, at):
            own[at] = max(own[at], FAQ_SHARE * own[at - 1])
    above = [
        sum(weight for term, weight in weights.items() if one.held.has(term)) / total
        for one in evidence
    ]
    scores = []
    for at, one in enumerate(evidence):
        near = max(
            (own[other] for other in (at - 1, at + 1) if _same(evidence, at, other)), default=0.0
        )
        score = 0.7 * own[at] + 0.15 * above[at] + 0.15 * near + _kind_bonus(question, one.text)
        score *= (1 - RANK_DISCOUNT * min(one.passage.n - 1, 5)) * (not asks[at])
        score *= ORDER_SHARE if warnings_of(one.text) else 1.0
        scores.append(score * (0.3 if _is_label(one.text) else 1.0))
    return scores


def _is_label(text: str) -> bool:
    """Tell a heading or a label from a sentence: it names something and tells nothing."""
    if len(text) < _HEADING_LIKE:
        return not numbers(text)
    return len(text) < _TITLE_LIKE and not _STOPPED.search(text)


def _same(evidence: Sequence[Evidence], at: int, other: int) -> bool:
    return 0 <= other < len(evidence) and evidence[other].passage.n == evidence[at].passage.n


def _kind_bonus(question: str, text: str) -> float:
    asked, told = fold(question), fold(text)
    return 0.1 * any(kind.search(asked) and wanted.search(told) for kind, wanted in _KINDS)
