"""A written answer + the passages → its sentences, each with the spans that bear it out; pure.

Marks that the model wrote are dropped: the model may point anywhere. A sentence is supported when
each of its clauses is borne out by a sentence of the passages: its words in their order, its
quantities with their units, its dates, its names, the same denial, the same doubt. Otherwise it is
not, the reason is said, and no bar is lowered to find something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from app.query import reasons, sentences
from app.query.claims import Claim, Clause, claim_of, headed, is_mask
from app.query.injection import gives_orders, warned
from app.query.persons import begins_with_person, names_person
from app.query.quantities import masked, missing, quantities
from app.query.support import Verdict, weigh
from app.query.types import Citation, Passage, Sentence, Support
from app.query.words import Held, content_terms, fold, hold, is_cjk, share_held

PARTLY = 0.5  # share of the question's words that a bare number's evidence must hold
MAX_SPANS = 3  # per sentence: what is spread wider nobody can check
MAX_EVIDENCE = 4_000  # sentences of passages looked at
MAX_WEIGHED = 16  # of them, those that hold most of a sentence's words
MAX_BEFORE = 3  # sentences read back to find whom a pronoun means
AHEAD = 12  # characters that must follow a sentence before its end is certain

_MARK = re.compile(
    r"[ \t]?\[\d+(?:\s*[,\u3001\uff0c-]\s*\d+)*\]|[ \t]?\u3010\d+(?:[^\u3011]{0,12})\u3011"
    r"|[ \t]?\[(?:source|\u8d44\u6599)\s*\d+\]",
    re.IGNORECASE,
)
_INDEX = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?:\[\d+\])+")  # items[1], as code has it
ACTIVE = (
    r"img|script|iframe|object|embed|svg|video|audio|source|link|style|form|input|button|a"
    r"|meta|base"
)
_IMAGE = re.compile(r"!\[([^\[\]\n]{0,200})\](?:\([^()\n]{0,500}\)|\[[^\[\]\n]{0,80}\])")
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\([^()\n]{0,500}\)")
_SCRIPT = re.compile(r"<(script|style)\b[^<>]{0,300}>[^<\n]{0,2000}</\1\s*>", re.IGNORECASE)
_TAG = re.compile(rf"</?(?:{ACTIVE})\b[^<>\n]{{0,500}}/?>", re.IGNORECASE)
_OPENED = re.compile(rf"(?:!\[|<(?=/?(?:{ACTIVE})\b))", re.IGNORECASE)
# What may still become a mark, a link or a tag when more of the answer has come.
_UNFINISHED = re.compile(
    r"[ \t]*!?(?:\[[^\[\]\n]{0,200}(?:\](?:\([^()\n]{0,500})?)?|\u3010[^\u3011\n]{0,24}|!)$"
    r"|<(?:script|style)\b[^<\n]{0,2300}(?:<[/a-z]{0,8}\s*)?$|<[/a-z]?[^<>\n]{0,500}$|\s+$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of a passage, with its place in the document."""

    passage: Passage
    start: int  # in characters of the document
    end: int
    text: str
    held: Held  # of the text together with the passage's title and headings
    # The sentences before it in the passage, the nearest first.
    before: tuple[Evidence, ...] = field(default=(), compare=False)


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


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found for one sentence."""

    support: Support
    evidence: tuple[Evidence, ...]
    reason: str = ""


def evidence_of(passages: Sequence[Passage]) -> list[Evidence]:
    """Cut passages into sentences that remember their place."""
    found: list[Evidence] = []
    for passage in passages:
        above = "\n".join((passage.title, *passage.headings))
        before: tuple[Evidence, ...] = ()
        for start, end in sentences.spans(passage.text):
            text = passage.text[start:end]
            place = (passage.start + start, passage.start + end)
            found.append(Evidence(passage, *place, text, hold(f"{above}\n{text}"), before))
            before = (found[-1], *before)[:MAX_BEFORE]
    return found[:MAX_EVIDENCE]


class Checker:
    """Verifies an answer while it is being written.

    However the text is cut into pieces, the sentences are those of `verify` on the whole.
    """

    def __init__(self, passages: Sequence[Passage], question: str = "") -> None:
        self._evidence = evidence_of(passages)
        self._question = question
        self._indexed = indexed_in(one.text for one in passages)
        self._raw = ""
        self._told: list[Sentence] = []
        self._numbering: dict[tuple[str, int, int], Citation] = {}

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations so far, in the order of their numbers."""
        return tuple(self._numbering.values())

    def push(self, text: str) -> list[Sentence]:
        """Take more of the answer; give the sentences that are finished now."""
        self._raw += text
        unfinished = _UNFINISHED.search(self._raw)
        plain = shown(self._raw[: unfinished.start()] if unfinished else self._raw, self._indexed)
        found = sentences.spans(plain)
        n_known = len(self._told)
        for start, end in found[n_known:-1]:
            if len(plain[end:].lstrip()) < AHEAD:
                break
            self._tell(plain[start:end])
        return self._told[n_known:]

    def finish(self) -> Verified:
        """Verify what is left, and give the whole with our marks."""
        plain = shown(self._raw, self._indexed)
        text, at = "", 0
        for place, (start, end) in enumerate(sentences.spans(plain)):
            if place == len(self._told):
                self._tell(plain[start:end])
            text += plain[at:end] + "".join(f" [{n}]" for n in self._told[place].citations)
            at = end
        return Verified((text + plain[at:]).strip(), tuple(self._told), self.citations)

    def _tell(self, sentence: str) -> None:
        judged = judge(sentence, self._evidence, self._question)
        cited = tuple(dict.fromkeys(_cite(one, self._numbering) for one in judged.evidence))
        self._told.append(Sentence(_line(sentence), cited, judged.support, judged.reason))


def verify(answer: str, passages: Sequence[Passage], question: str = "") -> Verified:
    """Check every sentence of an answer and cite what bears it out.

    Args:
        question: decides between spans that bear out a sentence equally, and must be met by those
            that bear out a mere number ("1856."); reasons are given in its language.
    """
    checker = Checker(passages, question)
    checker.push(answer)
    return checker.finish()


def judge(sentence: str, evidence: Sequence[Evidence], question: str = "") -> Judged:
    """Find what bears out a sentence, clause by clause, and say how well."""
    language = question or sentence
    if is_question(sentence):
        return Judged("not_found", (), reasons.told("question", "", language))
    asked = content_terms(question)
    told = [one for one in evidence if not is_question(one.text)]
    if not _WORD.search(_without_quantities(sentence)):
        return _judge_number(sentence, told, asked, language)
    plain = _line(fold(sentence))
    same = [one for one in told if _line(fold(one.text)) == plain and not gives_orders(one.text)]
    if same:
        return Judged("supported", (max(same, key=lambda one: share_held(asked, one.held)),))
    return _judge_clauses(claim_of(sentence), _nearest(sentence, told, asked), asked, language)


def indexed_in(texts: Iterable[str]) -> frozenset[str]:
    """Collect what texts index, such as `items[1]`: brackets that are no citation marks."""
    return frozenset(found for text in texts for found in _INDEX.findall(text))


def without_marks(text: str, indexed: frozenset[str] = frozenset()) -> str:
    """Take out the citation marks that a model wrote.

    Args:
        indexed: what the passages index; where the text says the same, it stays whole.
    """
    kept = [one.span() for one in _INDEX.finditer(text) if one.group() in indexed]

    def mark(found: re.Match[str]) -> str:
        is_kept = any(start <= found.start() and found.end() <= end for start, end in kept)
        return found.group() if is_kept else ""

    return _MARK.sub(mark, text)


def shown(text: str, indexed: frozenset[str] = frozenset()) -> str:
    """Give a text as it may be shown: without the model's marks, and with nothing that loads.

    Args:
        indexed: as in `without_marks`.

    An image fetches its address as soon as it is drawn, and so can carry words out; of images,
    links and active tags the words alone are kept.
    """
    return inert(without_marks(text, indexed))


def inert(text: str) -> str:
    """Take images, links and active HTML tags out of a text and keep their words."""
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", _TAG.sub("", _SCRIPT.sub("", text))))
    return _OPENED.sub(lambda found: found.group()[-1] if found.group() == "![" else "(", text)


def is_question(text: str) -> bool:
    """Tell whether a sentence asks; what asks bears nothing out, and claims nothing."""
    return text.rstrip(" \t\n*_#\"'\u201d\u2019)\uff09").endswith(("?", "\uff1f"))


def _judge_clauses(
    claim: Claim, near: Sequence[Evidence], asked: Sequence[str], language: str
) -> Judged:
    best: list[tuple[Verdict, Evidence | None]] = []
    lenders: list[Evidence] = []
    before: Evidence | None = None
    for at, clause in enumerate(claim.clauses):
        found: list[tuple[Verdict, Evidence]] = []
        for one in near:
            given, lent = claim_of(one.text), _lent(one)
            whole = weigh(headed(clause, claim.head), given, lent) if at else None
            # A later clause without a subject speaks of the sentence's: alone it bears on nothing
            # but the evidence of the clause before it.
            if whole is None or clause.has_own_subject or one is before:
                alone = weigh(clause, given, lent)
                whole = alone if whole is None or alone.rank > whole.rank else whole
            found.append((whole, one))
        chosen = max(
            found,
            key=lambda pair: (
                *pair[0].rank,
                pair[1] is before,
                share_held(asked, pair[1].held),
                -len(pair[1].text),
            ),
            default=(Verdict("word", "", 0.0), None),
        )
        best.append(chosen)
        if chosen[1] is not None and chosen[0].is_near:
            lenders += _lender(clause, chosen[1])
        before = chosen[1] if chosen[0].is_borne_out else before
    return _summed(best, lenders, language)


def _lender(clause: Clause, one: Evidence) -> Iterator[Evidence]:
    """Find the sentence that names whom the evidence calls "he": without it nobody can check."""
    own = _tokens_of(one)
    lost = [word for word in clause.tokens if word not in own and not is_mask(word)]
    lost = [word for word in lost if word in clause.names or is_cjk(word)]
    if lost and (len(lost) > 1 or not is_cjk(lost[0])):
        for earlier in one.before:
            if set(lost) <= _tokens_of(earlier) and not gives_orders(earlier.text):
                yield earlier
                return


def _tokens_of(one: Evidence) -> frozenset[str]:
    return frozenset(word for clause in claim_of(one.text).clauses for word in clause.tokens)


def _summed(
    best: Sequence[tuple[Verdict, Evidence | None]], lenders: Sequence[Evidence], language: str
) -> Judged:
    """Sum up clauses: supported if all are, partly if one is or if nothing speaks against it."""
    borne = dict.fromkeys(one for verdict, one in best if verdict.is_borne_out and one is not None)
    cited = _cited(borne, lenders) if borne else ()
    faults = [verdict for verdict, _ in best if not verdict.is_borne_out]
    if not best:
        return Judged("not_found", (), reasons.told("word", "", language))
    if not faults:
        if len(borne) <= MAX_SPANS:
            return Judged("supported", cited)
        return Judged("partly", cited, reasons.too_spread(language))
    worst = next((one for one in faults if not one.is_near), faults[0])
    is_about_nothing = not worst.share and worst.fault in ("word", "name")
    reason = reasons.told(
        *(("word", "") if is_about_nothing else (worst.fault, worst.about)), language
    )
    near = dict.fromkeys(one for verdict, one in best if verdict.is_near and one is not None)
    if near and (borne or all(verdict.is_near for verdict, _ in best)):
        return Judged("partly", _cited(near, lenders), reason)
    return Judged("not_found", (), reason)


def _cited(found: Iterable[Evidence], lenders: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Keep the first spans in the order of the documents, then those that name whom they mean."""
    inside = sorted(found, key=lambda one: (one.passage.n, one.start))
    return tuple(dict.fromkeys((*inside[:MAX_SPANS], *lenders)))[:MAX_SPANS]


def _nearest(sentence: str, evidence: Sequence[Evidence], asked: Sequence[str]) -> list[Evidence]:
    """Choose the evidence worth weighing: what holds most of a sentence's words."""
    terms = content_terms(sentence)
    shares = [(share_held(terms, one.held), share_held(asked, one.held)) for one in evidence]
    order = sorted(range(len(evidence)), key=lambda at: shares[at], reverse=True)
    # What is said only as an order to a machine ("say that permits are free") bears nothing out.
    return [evidence[at] for at in order[:MAX_WEIGHED] if not gives_orders(evidence[at].text)]


def _lent(one: Evidence) -> tuple[tuple[str, ...], ...]:
    """List what a sentence of a passage may be about without saying so."""
    above = [one.passage.title, *one.passage.headings]
    topics = [clause.tokens for line in above if line for clause in claim_of(line).clauses]
    given = claim_of(one.text)
    for text in (earlier.text for earlier in one.before):
        earlier = claim_of(text)
        if not earlier.head:
            continue  # a pronoun again: further back
        if given.has_pronoun or given.is_cjk or set(given.head) & set(earlier.head):
            topics.insert(0, earlier.head)
        if begins_with_person(one.text) and names_person(text):
            about = {token for topic in topics[1:] for token in topic}
            # He is whom the sentence before names, whomever the document is about.
            topics = topics[:1] if not set(earlier.head) & about else topics
        break
    return tuple(topics)


def _judge_number(
    sentence: str, evidence: Sequence[Evidence], asked: Sequence[str], language: str
) -> Judged:
    """Bear out an answer that is a number alone by a sentence about what was asked."""
    told = quantities(sentence)
    fitting = [
        one
        for one in evidence
        if told and not missing(told, quantities(one.text)) and not gives_orders(one.text)
    ]
    best = max(fitting, key=lambda one: share_held(asked, one.held), default=None)
    if best is None or not asked or share_held(asked, best.held) < PARTLY:
        return Judged("not_found", (), reasons.told("number", sentence.strip(" ."), language))
    return Judged("supported", (best,))


def _without_quantities(sentence: str) -> str:
    return re.sub("[\ue000-\uf8ff]", " ", masked(sentence)[0])


def _line(text: str) -> str:
    return " ".join(text.split())


def _cite(one: Evidence, numbering: dict[tuple[str, int, int], Citation]) -> int:
    key = (one.passage.document_id, one.start, one.end)
    if key not in numbering:
        numbering[key] = cited(one, len(numbering) + 1)
    return numbering[key].n


def cited(one: Evidence, n: int) -> Citation:
    """Cite a sentence of a passage under a number."""
    return Citation(
        n,
        one.passage.document_id,
        one.passage.path,
        one.passage.page,
        one.start,
        one.end,
        one.text,
        warnings=one.passage.warnings or warned(one.passage),
    )
