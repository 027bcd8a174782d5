"""Question + file → stage by stage, what became of the file, and where it was lost."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Literal

from app.query.answer import answered, check
from app.query.beats import Beats
from app.query.errors import NoRoomError
from app.query.filters import allowed, depth, keeps, worded, write
from app.query.pack import BELOW, DELETED
from app.query.run import (
    Material,
    Run,
    found_for,
    has_reranker,
    packed_for,
    ranked_anew,
    rewritten_of,
)
from app.query.trace import Place, reason_text
from app.query.types import Answer, Ask, Done, Filters
from app.query.words import Held, content_terms, content_words, fold, hold, is_cjk
from ingest.types import Document, Hit

State = Literal["passed", "weak", "lost", "skipped"]
_MAX_NAMED = 8  # of a long list


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way from a file to an answer, and what happened there."""

    name: str
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a file when a question was asked."""

    question: str
    file: str
    paths: tuple[str, ...]  # of the documents that were meant
    stages: tuple[Stage, ...]
    advice: str  # one sentence: where it was lost, what to do

    @property
    def lost_at(self) -> str:
        """The stage at which the file was lost; empty if it was used."""
        return next((one.name for one in self.stages if one.state == "lost"), "")


@dataclass(frozen=True, slots=True)
class _Case:
    """A question, a file, and the passages of the file that come nearest."""

    run: Run
    documents: tuple[Document, ...]
    dense: tuple[Hit, ...] = ()  # of these documents alone
    lexical: tuple[Hit, ...] = ()
    is_read: bool = False  # it is among the passages

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.documents]

    def best(self, hits: Sequence[Hit]) -> tuple[Hit, Place] | None:
        """Give the first hit of the file in a ranked list, with its place."""
        ids = set(self.ids)
        for rank, hit in enumerate(hits, 1):
            if hit.document_id in ids:
                return hit, Place(rank, hit.score)
        return None


def explain(beats: Beats, ask: Ask, file: str) -> Explanation:
    """Tell at which stage a file was lost for a question, or that it was used.

    Args:
        file: a path, its end, or a glob pattern.
    Raises:
        EmptyQuestionError, QuestionTooLongError, FilterError: the question is at fault.
    """
    *_, last = explaining(beats, ask, file)
    assert last is not None
    return last


def explaining(beats: Beats, ask: Ask, file: str) -> Generator[Explanation | None, None, None]:
    """Do the same step by step: `None` while it goes on, the explanation last.

    Closing the iterator ends the chat model's answer.

    Raises:
        EmptyQuestionError, QuestionTooLongError, FilterError: as `explain`, before the first step.
    """
    return _explaining(Run(beats, check(beats, ask)), ask.question, file)


def _explaining(run: Run, question: str, file: str) -> Generator[Explanation | None, None, None]:
    every = run.beats.documents(run.ask.collection)
    meant = tuple(one for one in every if any(is_meant(path, file) for path in one.paths))
    stages: list[Stage] = []
    advice = ""
    with closing(_stages(run, meant, file)) as steps:
        for step in steps:
            yield None
            if step is None:
                continue
            stages.append(step[0])
            advice = step[1] or advice
            if step[0].state == "lost":
                break
    paths = tuple(dict.fromkeys(path for one in meant for path in one.paths))
    yield Explanation(question, file, paths, tuple(stages), advice)


def is_meant(path: str, file: str) -> bool:
    """Tell whether a path is what was named: itself, its end, or by a glob pattern."""
    whole, asked = fold(path.replace("\\", "/")), fold(file.replace("\\", "/")).removeprefix("./")
    name = whole.rsplit("/", 1)[-1]
    return (
        whole == asked
        or whole.endswith("/" + asked.lstrip("/"))
        or asked.endswith("/" + whole)
        or fnmatchcase(whole, asked)
        or fnmatchcase(name, asked)
    )


Told = Iterator[tuple[Stage, str]]  # a stage, and what to do if it is the last one


def _stages(
    run: Run, meant: tuple[Document, ...], file: str
) -> Generator[tuple[Stage, str] | None, None, None]:
    yield from _stored(run, meant, file)
    yield from _ingested(meant)
    yield from _filtered(run, meant)
    meant = _allowed(run, meant)
    rewritten = rewritten_of(run)
    found = found_for(run, rewritten)
    ranked = ranked_anew(run, found)
    case = _nearest(run, meant, rewritten.standalone)
    yield from _legs(case, found)
    try:
        packed = packed_for(run, ranked)
    except NoRoomError as error:
        yield Stage("pack", "lost", f"{error}."), f"{error}."
        return
    case = replace(case, is_read=any(one.document_id in case.ids for one in packed.passages))
    yield from _fused(case, found)
    yield from _reranked(case, found, ranked)
    yield from _packed(case, packed)
    with closing(answered(run, packed)) as events:
        for event in events:
            if isinstance(event, Done):
                yield from _answered(case, event.answer)
            else:
                yield None


def _stored(run: Run, meant: Sequence[Document], file: str) -> Told:
    collection = run.ask.collection
    failed = [one for one in run.beats.failures(collection) if is_meant(one.path, file)]
    if meant:
        named = _listed([one.paths[0] if one.paths else one.title for one in meant])
        stored_at = max(one.added_at for one in meant)
        later = [one.reason for one in failed if one.at > stored_at][:1]
        note = "".join(f" A later version could not be stored: {why}." for why in later)
        state: State = "weak" if later else "passed"
        yield Stage("stored", state, f"{named} is in the collection “{collection}”.{note}"), ""
        return
    for one in failed:
        yield (
            Stage("stored", "lost", f"{one.path} could not be stored: {one.reason}."),
            f"{one.path} was never indexed: {one.reason}. Mend the file, then ingest it again.",
        )
        return
    elsewhere = [
        name
        for name in run.beats.collections()
        if name != collection
        and any(is_meant(path, file) for one in run.beats.documents(name) for path in one.paths)
    ]
    if elsewhere:
        yield (
            Stage(
                "stored", "lost", f"{file} is not in “{collection}” but in {_listed(elsewhere)}."
            ),
            f"Ask there: --collection {elsewhere[0]}.",
        )
        return
    yield (
        Stage("stored", "lost", f"No document of the collection “{collection}” has that path."),
        f"{file} is not in the library: add it with `quire ingest`, or look at its name in "
        "`quire status` and in the list of documents.",
    )


def _ingested(meant: Sequence[Document]) -> Told:
    n_chunks = sum(one.n_chunks for one in meant)
    warnings = list(dict.fromkeys(warning for one in meant for warning in one.warnings))
    noted = f" Noted when it was read: {_listed(warnings, '; ')}." if warnings else ""
    if not n_chunks:
        yield (
            Stage("ingest", "lost", f"Nothing in it could be read.{noted}"),
            "The file holds no text that could be read; if it is scanned, it needs text "
            "recognition first.",
        )
        return
    advice = f"Parts of the file may be missing: {_listed(warnings, '; ')}." if warnings else ""
    told = f"{n_chunks:,} passages of it are indexed.{noted}"
    yield Stage("ingest", "weak" if warnings else "passed", told), advice


def _filtered(run: Run, meant: Sequence[Document]) -> Told:
    filters = run.ask.filters
    if not filters:
        return
    ids = allowed(lambda _: list(meant), run.ask.collection, filters)
    if ids is None:
        return  # headings only: what stands under them is known after the search
    if not ids:
        culprits = [
            write("", one) or "the list of document ids" for one in _excluding(filters, meant)
        ]
        named = _listed(culprits) if culprits else worded(filters)
        yield (
            Stage("filters", "lost", f"It is excluded by {named}."),
            f"The filter {named} keeps the file out: ask without it.",
        )
        return
    told = worded(_without_headings(filters))
    yield Stage("filters", "passed", f"The filters allow it: {told}."), ""


def _allowed(run: Run, meant: tuple[Document, ...]) -> tuple[Document, ...]:
    """Leave out those of several files that the search does not look at."""
    ids = allowed(lambda _: list(meant), run.ask.collection, run.ask.filters)
    return meant if ids is None else tuple(one for one in meant if one.id in ids)


def _excluding(filters: Filters, meant: Sequence[Document]) -> Iterator[Filters]:
    """Give the single filters that no document of the file passes."""
    for field in fields(Filters):
        value = getattr(filters, field.name)
        if field.name == "also":
            for one in value:
                yield from _excluding(one, meant)
        elif value:
            alone = replace(Filters(), **{field.name: value})
            ids = allowed(lambda _: list(meant), "", alone)
            if ids is not None and not ids:
                yield alone


def _nearest(run: Run, meant: tuple[Document, ...], query: str) -> _Case:
    """Ask both legs for the passages of the file alone."""
    ids = [one.id for one in meant]

    def kept(hits: Sequence[Hit]) -> tuple[Hit, ...]:
        return tuple(hit for hit in hits if keeps(run.ask.filters, hit))

    collection = run.ask.collection
    n_wanted = depth(run.ask.filters)  # as deep as the search itself
    dense = kept(run.beats.dense(collection, query, n_wanted, ids))
    lexical = kept(run.beats.lexical(collection, query, n_wanted, ids))
    return _Case(run, meant, dense, lexical)


def _legs(case: _Case, material: Material) -> Told:
    query, found = material.rewritten.standalone, material.retrieved
    headings = _headings(case.run.ask.filters)
    if not case.dense and not case.lexical and headings:
        named = _listed(headings)
        yield (
            Stage("filters", "lost", f"No passage of it stands under a heading with {named}."),
            f"Ask without the filter on headings ({named}).",
        )
        return
    if headings:
        yield Stage("filters", "passed", f"It stands under a heading with {_listed(headings)}."), ""
    yield _leg("dense", case, found.dense, case.dense, "meaning"), ""
    held, lacking = words_of(query, case.lexical)
    words = f" Of the question's words it holds {_listed(held) or 'none'}" + (
        f" and lacks {_listed(lacking)}." if lacking else "."
    )
    stage = _leg("lexical", case, found.lexical, case.lexical, "words")
    yield replace(stage, text=stage.text + words), ""


def _headings(filters: Filters) -> list[str]:
    return [*filters.headings, *(text for one in filters.also for text in _headings(one))]


def _without_headings(filters: Filters) -> Filters:
    return replace(filters, headings=(), also=tuple(map(_without_headings, filters.also)))


def _leg(name: str, case: _Case, ranked: Sequence[Hit], own: Sequence[Hit], what: str) -> Stage:
    if (found := case.best(ranked)) is not None:
        hit, place = found
        return Stage(
            name, "passed", f"By its {what} it has rank {place.rank}: {_where(hit, place)}."
        )
    if not own:
        return Stage(name, "weak", f"By its {what} it is not found at all.")
    last = f", and the last of them scores {ranked[-1].score:.3f}" if ranked else ""
    near = _where(own[0], Place(1, own[0].score))
    return Stage(
        name, "weak", f"By its {what} it is not among the first {len(ranked)}{last}: {near}."
    )


def words_of(query: str, hits: Sequence[Hit]) -> tuple[list[str], list[str]]:
    """Tell which content words of a question stand in the hits, and which do not.

    Chinese does not part its words: of a run the pieces are told that stand there.
    """
    text = hold("\n".join("\n".join((hit.title, *hit.headings, hit.text)) for hit in hits))
    held: list[str] = []
    lacking: list[str] = []
    for word in content_words(query):
        if is_cjk(word):
            for is_held, piece in _pieces(word, text):
                (held if is_held else lacking).append(piece)
        else:
            is_held = all(text.has(term) for term in content_terms(word))
            (held if is_held else lacking).append(word)
    return list(dict.fromkeys(held)), list(dict.fromkeys(lacking))


def _pieces(run: str, text: Held) -> Iterator[tuple[bool, str]]:
    """Cut a run of Chinese into what a text holds, in pairs of characters, and what it does not."""
    found = [len(run) == 1 and text.has(run)] * len(run)
    for at in range(len(run) - 1):
        if text.has(fold(run[at : at + 2])):
            found[at : at + 2] = [True, True]
    for is_held, places in groupby(range(len(run)), found.__getitem__):
        yield is_held, "".join(run[at] for at in places)


def _fused(case: _Case, material: Material) -> Told:
    top_k, ranked = case.run.ask.top_k, material.retrieved.hits
    found = case.best(ranked)
    _, lacking = words_of(material.rewritten.standalone, case.lexical)
    reword = (
        f"It does not hold these words of the question: {_listed(lacking)}."
        if lacking
        else "Name it more closely, or filter: file:NAME."
    )
    if found is None:
        yield (
            Stage("fused", "lost", f"It is not among the {len(ranked)} best of both together."),
            f"The search does not find the file for this question. {reword}",
        )
        return
    hit, place = found
    bar = ranked[min(top_k, len(ranked)) - 1].score
    needed = f"rank {top_k} scores {bar:.3f}" if place.rank > top_k else f"{top_k} are read"
    told = f"By both together it has rank {place.rank}: {_where(hit, place)}; {needed}."
    if place.rank <= top_k:
        yield Stage("fused", "passed", told), ""
    elif case.is_read or has_reranker(case.run):
        yield Stage("fused", "weak", told), ""
    else:
        yield (
            Stage("fused", "lost", told),
            f"The file is found, but at rank {place.rank}, and only {top_k} are read: raise "
            f"--top-k to {place.rank}, or ask more closely. {reword}",
        )


def _reranked(case: _Case, before: Material, after: Material) -> Told:
    top_k = case.run.ask.top_k
    found, first = case.best(after.ranked), case.best(before.ranked)
    if found is None or first is None:
        return
    (hit, place), (_, earlier) = found, first
    if not after.is_reranked:
        notice = "; ".join(case.run.notices)
        if notice:
            yield Stage("rerank", "skipped", f"{notice}."), ""
        if place.rank > top_k and not case.is_read:
            yield (
                Stage("rerank", "lost", f"Its rank stays {place.rank}, and {top_k} are read."),
                f"Raise --top-k to {place.rank}, or ask more closely.",
            )
        return
    told = f"The reranker moves it from rank {earlier.rank} to {place.rank}: {_where(hit, place)}."
    if place.rank <= top_k or case.is_read:
        yield Stage("rerank", "passed" if place.rank <= top_k else "weak", told), ""
        return
    yield (
        Stage("rerank", "lost", told),
        f"After reranking the file is at rank {place.rank}, and only {top_k} are read: raise "
        "--top-k, or try without the reranker.",
    )


def _packed(case: _Case, material: Material) -> Told:
    ids = set(case.ids)
    numbers = [one.n for one in material.passages if one.document_id in ids]
    reasons = [
        material.left_out[hit.chunk_id]
        for hit in material.ranked
        if hit.document_id in ids and hit.chunk_id in material.left_out
    ]
    if numbers:
        told = f"It is passage {_listed([str(n) for n in numbers])} of {len(material.passages)}."
        yield Stage("pack", "passed", told), ""
        return
    why = reasons[0] if reasons else "no room"
    told = f"Its best passage was left out: {why}."
    if why.startswith("duplicate"):
        advice = "Another file says the same, and was taken in its place."
    elif why == DELETED:
        advice = "The file was deleted or changed while the question was answered: ask again."
    elif why == BELOW:
        advice = "Passages of other files were given the place, for variety: raise --top-k."
    else:
        advice = (
            "The chat model's context had no room left for the file: lower --top-k, raise "
            "OLLAMA_CONTEXT_LENGTH, or take a chat model with a longer context."
        )
    yield Stage("pack", "lost", told), advice


def _answered(case: _Case, answer: Answer) -> Told:
    ids = set(case.ids)
    trace = answer.trace
    assert trace is not None
    if answer.is_refused:
        told = f"The question was refused: {reason_text(trace.why, trace.confidence, trace.bar)}."
        yield (
            Stage("answer", "lost", told),
            "The passage was found, but it did not seem to answer the question: ask more "
            "closely, in words that stand in it.",
        )
        return
    why = reason_text(trace.why, trace.confidence, trace.bar)
    yield Stage("answer", "passed", f"The answer is {answer.mode}: {why}."), ""
    cited = [one.n for one in answer.citations if one.document_id in ids]
    if cited:
        told = f"The answer cites it as {_listed([f'[{n}]' for n in cited])}."
        yield Stage("cited", "passed", told), "The file was used: nothing was lost."
        return
    yield (
        Stage("cited", "lost", "The answer was given from other passages; no sentence cites it."),
        "The file was read, but other passages answered: ask for what only this file says, or "
        f"filter: file:{case.documents[0].paths[0] if case.documents[0].paths else 'NAME'}.",
    )


def _where(hit: Hit, place: Place) -> str:
    page = f", page {hit.page}" if hit.page else ""
    return f"characters {hit.start}-{hit.end}{page}, score {place.score:.3f}"


def _listed(names: Sequence[str], glue: str = ", ") -> str:
    shown = glue.join(names[:_MAX_NAMED])
    rest = len(names) - _MAX_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown
