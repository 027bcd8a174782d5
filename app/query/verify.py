"""A written answer + the passages → its sentences, each with the spans that bear it out; pure.

Marks that the model wrote are dropped: the model may point anywhere. A sentence is cited when a
passage's own sentences hold its numbers, its names, nearly all its content words, and the same
negation; otherwise it is not, and no bar is lowered to find something.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.query import sentences
from app.query.types import Citation, Passage, Sentence, Support
from app.query.words import Held, content_terms, fold, hold, names, numbers, share_held

SUPPORTED = 0.8  # share of a sentence's content words that its evidence must hold
PARTLY = 0.5
MAX_SPANS = 3  # per sentence, one for each clause: what is spread wider nobody can check
MIN_CLAUSE_TERMS = 2  # a piece with fewer content words belongs to the piece before it
MAX_EVIDENCE = 4_000  # sentences of passages looked at

_MARK = re.compile(
    r"[ \t]?\[\d+(?:\s*[,\u3001\uff0c-]\s*\d+)*\]|[ \t]?\u3010\d+(?:[^\u3011]{0,12})\u3011"
    r"|[ \t]?\[(?:source|\u8d44\u6599)\s*\d+\]",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\W*([A-Z][\w'\u2019-]*)")
_CONNECTIVES = frozenset(
    {"additionally", "also", "finally", "first", "furthermore", "however", "moreover", "overall",
     "second", "similarly", "specifically", "therefore", "thus", "yes", "no"}
)  # fmt: skip
_CLAUSE = re.compile(
    r"[,;\uff0c\uff1b]\s*|\s(?:and|but|while|whereas)\s|(?:\u5e76\u4e14|\u800c\u4e14|\u4f46\u662f)"
)
_NUMERIC = re.compile(r"[\d.,%]+")
_NEGATION_EN = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nobody|nothing)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_NEGATION_ZH = re.compile(
    r"不(?![断仅但过久少同])(?<!而不)|没有|没能|未(?![来])|无(?![线锡论])(?=法|人|须|需|关|权|效)|非(?=法|因|由)|并非|从未|禁止"
)
_NAMED = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of a passage, with its place in the document."""

    passage: Passage
    start: int  # in characters of the document
    end: int
    text: str
    held: Held  # of the text together with the passage's title and headings
    numbers: frozenset[str]  # of the text alone: who looks at the cited span must see them


@dataclass(frozen=True, slots=True)
class Verified:
    """An answer whose marks are ours."""

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]

    @property
    def is_borne_out(self) -> bool:
        """Whether every sentence is supported."""
        return bool(self.sentences) and all(one.support == "supported" for one in self.sentences)


def evidence_of(passages: Sequence[Passage]) -> list[Evidence]:
    """Cut passages into sentences that remember their place."""
    found: list[Evidence] = []
    for passage in passages:
        above = "\n".join((passage.title, *passage.headings))
        for start, end in sentences.spans(passage.text):
            text = passage.text[start:end]
            held = hold(f"{above}\n{text}")
            found.append(
                Evidence(
                    passage,
                    passage.start + start,
                    passage.start + end,
                    text,
                    held,
                    all_numbers(text),
                )
            )
    return found[:MAX_EVIDENCE]


def verify(answer: str, passages: Sequence[Passage], question: str = "") -> Verified:
    """Check every sentence of an answer and cite what bears it out.

    Args:
        question: decides between spans that bear out a sentence equally, and must be met by those
            that bear out a mere number ("1856.").
    """
    evidence = evidence_of(passages)
    asked = content_terms(question)
    plain = without_marks(answer)
    numbering: dict[tuple[str, int, int], Citation] = {}
    told: list[Sentence] = []
    text, at = "", 0
    for start, end in sentences.spans(plain):
        sentence = plain[start:end]
        support, borne = judge(sentence, evidence, asked)
        cited = tuple(dict.fromkeys(_cite(one, numbering) for one in borne))
        told.append(Sentence(" ".join(sentence.split()), cited, support))
        text += plain[at:end] + "".join(f" [{n}]" for n in cited)
        at = end
    return Verified((text + plain[at:]).strip(), tuple(told), tuple(numbering.values()))


def judge(
    sentence: str, evidence: Sequence[Evidence], asked: Sequence[str] = ()
) -> tuple[Support, list[Evidence]]:
    """Find the sentence that bears one out, or one for each of its clauses, and say how well."""
    terms = _worded(sentence)
    if not terms:
        return _judge_number(sentence, evidence, asked)
    support, best = _judge_whole(sentence, evidence, asked)
    parts = clauses(sentence) if support != "supported" else []
    if len(parts) < 2:
        return support, best
    judged = [_judge_whole(part, evidence, asked) for part in parts]
    n_supported = sum(state == "supported" for state, _ in judged)
    if not n_supported or (n_supported < len(parts) and support == "partly"):
        return support, best
    borne = dict.fromkeys(one for state, found in judged if state == "supported" for one in found)
    chosen = sorted(borne, key=lambda one: (one.passage.n, one.start))
    return ("supported" if n_supported == len(parts) else "partly"), chosen


def clauses(sentence: str) -> list[str]:
    """Cut a sentence into at most `MAX_SPANS` pieces that each say something."""
    pieces: list[str] = []
    for piece in _CLAUSE.split(sentence):
        is_short = pieces and min(len(_worded(piece)), len(_worded(pieces[-1]))) < MIN_CLAUSE_TERMS
        if is_short or len(pieces) == MAX_SPANS:
            pieces[-1] += f" {piece}"
        else:
            pieces.append(piece)
    return pieces


def _judge_whole(
    sentence: str, evidence: Sequence[Evidence], asked: Sequence[str]
) -> tuple[Support, list[Evidence]]:
    """Judge by the one sentence of the passages that holds most of it."""
    terms = _worded(sentence)
    told = [one for one in evidence if not is_question(one.text)]
    best = max(told, key=lambda one: _gain(one, terms, sentence, asked), default=None)
    if best is None or is_question(sentence):
        return "not_found", []
    state = _state(sentence, terms, best)
    return state, [best] if state != "not_found" else []


def _worded(sentence: str) -> list[str]:
    """List content terms but for plain numbers, which are compared as numbers."""
    return [term for term in content_terms(sentence) if not _NUMERIC.fullmatch(term)]


def _judge_number(
    sentence: str, evidence: Sequence[Evidence], asked: Sequence[str]
) -> tuple[Support, list[Evidence]]:
    """Bear out an answer that is a number alone by a sentence about what was asked."""
    told = all_numbers(sentence)
    fitting = [one for one in evidence if told and told <= one.numbers]
    best = max(fitting, key=lambda one: share_held(asked, one.held), default=None)
    if best is None or not asked or share_held(asked, best.held) < PARTLY:
        return "not_found", []
    return "supported", [best]


def without_marks(text: str) -> str:
    """Take out the citation marks that a model wrote."""
    return _MARK.sub("", text)


def is_question(text: str) -> bool:
    """Tell whether a sentence asks; what asks bears nothing out, and claims nothing."""
    return text.rstrip(" \t\n*_#\"'\u201d\u2019)\uff09").endswith(("?", "\uff1f"))


@lru_cache(maxsize=4096)
def is_negated(text: str) -> bool:
    """Tell whether a sentence denies something; two denials make none."""
    return (len(_NEGATION_EN.findall(text)) + len(_NEGATION_ZH.findall(text))) % 2 == 1


@lru_cache(maxsize=4096)
def all_numbers(text: str) -> frozenset[str]:
    """Collect numbers in digits and, in English, small ones in words."""
    folded = set(re.findall(r"[a-z]+", fold(text)))
    return numbers(text) | {
        str(value) for value, word in enumerate(_NAMED) if value > 1 and word in folded
    }


def _gain(
    one: Evidence, terms: Sequence[str], sentence: str, asked: Sequence[str]
) -> tuple[int, int, float, int]:
    """Order evidence: what it holds, then agreement, nearness to the question, brevity."""
    n_held = sum(one.held.has(term) for term in terms)
    if not n_held:
        return 0, 0, 0.0, 0
    agrees = (is_negated(one.text) == is_negated(sentence)) + (all_numbers(sentence) <= one.numbers)
    return n_held, agrees, share_held(asked, one.held), one.start - one.end


def _state(sentence: str, terms: Sequence[str], one: Evidence) -> Support:
    is_exact = all_numbers(sentence) <= one.numbers and all(
        name in one.held.folded for name in names(sentence)
    )
    if not is_exact or not _has_subject(sentence, one):
        return "not_found"
    if is_negated(sentence) != is_negated(one.text):
        return "not_found"
    share = share_held(terms, one.held)
    return "supported" if share >= SUPPORTED else "partly" if share >= PARTLY else "not_found"


def _has_subject(sentence: str, one: Evidence) -> bool:
    """Tell whether the evidence holds the capitalised word that a sentence begins with.

    It may be a name, and the same statement about somebody else is another statement.
    """
    first = _FIRST.match(sentence)
    if first is None or fold(first.group(1)) in _CONNECTIVES:
        return True
    return all(one.held.has(term) for term in content_terms(first.group(1)))


def _cite(one: Evidence, numbering: dict[tuple[str, int, int], Citation]) -> int:
    key = (one.passage.document_id, one.start, one.end)
    if key not in numbering:
        numbering[key] = Citation(
            len(numbering) + 1,
            one.passage.document_id,
            one.passage.path,
            one.passage.page,
            one.start,
            one.end,
            one.text,
        )
    return numbering[key].n
