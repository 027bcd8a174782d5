"""A library's texts in, its exam out: the same library gives the same exam; pure.

Nothing is drawn by chance that is not seeded by the documents' own digests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from math import sqrt
from random import Random

from app.exam.gold import find, sentence_around
from app.exam.questions import Draft, from_heading, from_sentence, from_table, swapped
from app.exam.types import Case, Exam, Kind, Part, Source
from app.query.words import cjk_share, fold
from ingest.language import language_of
from ingest.sentences import sentence_spans

DEFAULT_CASES = 200
MAX_CASES = 2_000
SHARE_UNANSWERABLE = 0.25
MAX_PARTS = 40  # of one document that are looked at
MAX_DRAFTS = 60  # of one document
# These name what they ask about, so that another name makes them ask about nothing. Of a clause or
# of keywords the rest would still be about its document; clauses serve where there is nothing else.
_NAMING: tuple[Kind, ...] = ("wh", "table")
_CLAUSES: tuple[Kind, ...] = ("cloze",)
_CHINESE = 0.3  # share of CJK letters from which on a question is a Chinese one


def make(
    collection: str,
    sources: Iterable[Source],
    is_held: Callable[[str], bool],
    *,
    n_cases: int = DEFAULT_CASES,
    own: Sequence[Case] = (),
    n_documents: int = 0,
) -> Exam:
    """Make the exam of a collection.

    Args:
        sources: the documents to ask about; their order does not matter.
        is_held: whether any document of the library holds a word.
        own: the user's cases; they come first and are never dropped.
        n_documents: that the collection has, if `sources` are not all.
    Returns:
        The exam without a date: the same library gives the same.
    """
    ordered = sorted(sources, key=lambda source: source.digest)
    seed = sha256("\0".join([collection, *(one.digest for one in ordered)]).encode()).hexdigest()
    drafts = _unique({one.digest: drafts_of(one, seed) for one in ordered})
    by_digest = {one.digest: one for one in ordered}
    n_wanted = max(0, n_cases - len(own))
    n_twins = round(n_wanted * SHARE_UNANSWERABLE)
    chosen = _balanced(drafts, by_digest, n_wanted - n_twins)
    asked = {draft for _, draft in chosen}
    cases = [_case(draft, by_digest[digest]) for digest, draft in chosen]
    # Best of other drafts than the questions; a small library has no others.
    other = {digest: [one for one in held if one not in asked] for digest, held in drafts.items()}
    models = [
        model
        for kinds in (_NAMING, _CLAUSES)
        for held in (other, drafts)
        for model in _spread(_of_kind(held, kinds), 2 * n_twins)
    ]
    cases += _twins(models, by_digest, seed, is_held, n_twins)
    kept = {case.id: case for case in (*own, *cases)}
    return Exam(
        id=_digest(seed, *kept),
        collection=collection,
        created_at="",
        n_documents=n_documents or len(ordered),
        cases=tuple(kept.values()),
    )


def chosen_documents(digests: Sequence[str], n_cases: int) -> list[str]:
    """Choose the documents that an exam asks about; a digest is as good as a die."""
    return sorted(set(digests))[: max(1, 2 * n_cases)]


def own_case(question: str, answer: str, source: Source | None, wanted: str = "") -> Case | None:
    """Make a case of a user's own question; None if the document does not hold the answer.

    Args:
        source: the document that answers; None: none does.
        wanted: the words of the document that answer, where they are not the answer itself.
    """
    question = " ".join(question.split())
    language = _language(question)
    if source is None:
        return Case(_digest(question, "", ""), "unanswerable", language, question)
    place = find(source.text, wanted or answer)
    if place is None:
        return None
    start, end = sentence_around(source.text, *place)
    id_ = _digest(question, answer, source.path)
    return Case(
        id_, "own", language, question, answer, source.digest, source.path, start, end,
        source.text[start:end],
    )  # fmt: skip


def drafts_of(source: Source, seed: str) -> list[Draft]:
    """Make questions of parts from all over a document.

    Args:
        seed: decides, with the document, which words a question leaves out.
    """
    rng = Random(f"{seed}{source.digest}")
    step = max(1.0, len(source.parts) / MAX_PARTS)
    parts = [source.parts[int(n * step)] for n in range(min(MAX_PARTS, len(source.parts)))]
    found: list[Draft] = []
    headings: set[str] = set()
    for part in _joined(source):
        context = part.headings[-1] if part.headings else source.title
        found += islice(from_table(source.text, part.start, part.end, context), MAX_DRAFTS // 2)
    seen: set[int] = set()
    for part in parts:
        context = part.headings[-1] if part.headings else source.title
        sentences = [
            (start, end)
            for start, end in sentence_spans(source.text, part.start, part.end)
            if start not in seen and not source.text.startswith("#", start)
        ]
        seen.update(start for start, _ in sentences)
        heading = part.headings[-1] if part.headings else ""
        body = next((one for one in sentences if heading not in source.text[slice(*one)]), None)
        if heading and heading not in headings and body is not None:
            drafted = from_heading(heading, source.text, *body)
            found += [drafted] if drafted else []
        headings.add(heading)
        for start, end in sentences:
            found += from_sentence(source.text, start, end, context, rng)
    rng.shuffle(found)
    return found[:MAX_DRAFTS]


def _joined(source: Source) -> Iterator[Part]:
    """Put parts together between which nothing lies: a table's later rows need its first."""
    held: Part | None = None
    for part in source.parts:
        if held and held.headings == part.headings and part.start <= held.end + 2:
            held = Part(held.start, max(held.end, part.end), held.headings)
            continue
        if held:
            yield held
        held = part
    if held:
        yield held


def _unique(drafts: dict[str, list[Draft]]) -> dict[str, list[Draft]]:
    """Drop what is asked twice: nobody can tell which document is meant."""
    counts = Counter(fold(one.question) for held in drafts.values() for one in held)
    return {
        digest: [one for one in held if counts[fold(one.question)] == 1]
        for digest, held in drafts.items()
    }


def _balanced(
    drafts: dict[str, list[Draft]], sources: dict[str, Source], n: int
) -> list[tuple[str, Draft]]:
    """Share the questions out among the languages by the root of their numbers of documents.

    By the numbers themselves, twenty English documents among two hundred Chinese ones would be
    asked too little about for a figure of their own.
    """
    groups: dict[str, dict[str, list[Draft]]] = {}
    for digest, held in drafts.items():
        if held:
            groups.setdefault(sources[digest].language, {})[digest] = held
    whole = sum(sqrt(len(group)) for group in groups.values())
    found: list[tuple[str, Draft]] = []
    for _, group in sorted(groups.items()):
        found += _spread(group, int(n * sqrt(len(group)) / whole))
    taken = set(found)
    rest = {
        digest: [one for one in held if (digest, one) not in taken]
        for digest, held in drafts.items()
    }
    return found + _spread(rest, n - len(found))


def _spread(drafts: dict[str, list[Draft]], n: int) -> list[tuple[str, Draft]]:
    """Take turns between documents, each time the kind that was taken least.

    No sentence is asked about twice while there are others.
    """
    left = {digest: list(held) for digest, held in drafts.items() if held}
    counts: Counter[Kind] = Counter()
    used: Counter[tuple[str, int]] = Counter()
    found: list[tuple[str, Draft]] = []
    while left and len(found) < n:
        for digest in list(left)[: n - len(found)]:
            held = left[digest]
            costs = [(used[digest, one.start], counts[one.kind]) for one in held]
            best = held.pop(costs.index(min(costs)))
            counts[best.kind] += 1
            used[digest, best.start] += 1
            found.append((digest, best))
            if not held:
                del left[digest]
    return found


def _of_kind(drafts: dict[str, list[Draft]], kinds: Sequence[Kind]) -> dict[str, list[Draft]]:
    return {digest: [one for one in held if one.kind in kinds] for digest, held in drafts.items()}


def _twins(
    drafts: Sequence[tuple[str, Draft]],
    sources: dict[str, Source],
    seed: str,
    is_held: Callable[[str], bool],
    n: int,
) -> list[Case]:
    """Ask the same about things that are not there."""
    rng = Random(f"{seed}twins")
    found: dict[str, Case] = {}
    for digest, draft in drafts:
        if len(found) >= n:
            break
        question = swapped(draft, rng, is_held)
        if question is not None:
            language = _language(question, sources[digest].language)
            source = sources[digest]  # its other words are the document's: they go when it goes
            case = Case(
                id=_digest(question, "", ""),
                kind="unanswerable",
                language=language,
                question=question,
                digest=source.digest,
                path=source.path,
            )
            found[case.id] = case
    return list(found.values())


def _case(draft: Draft, source: Source) -> Case:
    return Case(
        id=_digest(draft.question, draft.answer, source.path),
        kind=draft.kind,
        language=_language(draft.question, source.language),
        question=draft.question,
        answer=draft.answer,
        digest=source.digest,
        path=source.path,
        start=draft.start,
        end=draft.end,
        text=source.text[draft.start : draft.end],
    )


def _language(question: str, around: str = "") -> str:
    """Tell a question's language; a few words alone do not, the document around them does."""
    if cjk_share(question) > _CHINESE:
        return "zh"
    return around if around not in ("", "zh") else language_of(question, default="en")


def _digest(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:12]
