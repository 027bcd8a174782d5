"""Beats + cases → results: each question is searched for, some are answered; stops when told to.

What it judges is decided in `gold` and `measure`; here the pipeline is asked, nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache

from app.exam.errors import NoRerankerError
from app.exam.gold import covers, covers_all, holds, says
from app.exam.measure import LEVEL, compared
from app.exam.types import Case, Place, Result
from app.query.answer import answer, search
from app.query.beats import Beats, Rerank
from app.query.errors import QueryError, RerankerError
from app.query.retrieve import retrieve
from app.query.rewrite import rewrite
from app.query.types import Answer, Ask, Done
from engine.errors import EngineError
from ingest.errors import CollectionNotFoundError, DocumentNotFoundError, IngestError
from ingest.types import Hit

DEPTH = 10  # hits that are looked at
N_SPAN = 5
N_FOUND = 3  # places that are kept of a miss
SHARES = (0.3, 0.5, 0.7)  # of the reranker that are tried
MIN_CASES = 30  # answerable ones, below which no reranker is trusted
DECIDING = "mrr@10"

Digests = Callable[[str], str]  # document id → digest of its bytes; empty if it is gone


def examine(
    beats: Beats,
    collection: str,
    cases: Sequence[Case],
    digest_of: Digests,
    *,
    n_answers: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Try one case after another; ends early when told to stop.

    Raises:
        CollectionNotFoundError: the collection is gone; nothing else is raised for a single case.
        RerankerError: the configured reranker does not load.
    """
    answered = _sample(cases, n_answers)
    digest_of = lru_cache(maxsize=4096)(digest_of)
    for case in cases:
        if should_stop():
            return
        is_answered = case.id in answered
        result = _tried(beats, collection, case, digest_of, should_stop if is_answered else None)
        if result is None:
            return
        yield result


def judge_reranker(
    beats: Beats,
    collection: str,
    cases: Sequence[Case],
    digest_of: Digests,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[int], None] = lambda _: None,
) -> tuple[float, str]:
    """Decide how much the reranker may say: 0 unless it is shown to help.

    Three shares are tried, so each must convince on a level that allows for three tries.

    Args:
        tell: told how many cases have been tried, of four times as many.
    Returns:
        The share, and the reason in words.
    Raises:
        NoRerankerError: none is configured.
        RerankerError: it does not load, or gives no scores.
    """
    if beats.rerank is None:
        raise NoRerankerError
    asked = [case for case in cases if case.is_answerable and not case.is_stale]
    if len(asked) < MIN_CASES:
        return 0.0, f"{len(asked)} questions are too few to judge by: at least {MIN_CASES}"
    memory = _Memory(beats.rerank)
    once = replace(beats, rerank=memory.scores)
    taken: dict[float, list[Result]] = {}
    for at, share in enumerate((0.0, *SHARES)):
        given = _with_share(once, share) if share else replace(beats, rerank=None)
        taken[share] = []
        for result in examine(given, collection, asked, digest_of, should_stop=should_stop):
            taken[share].append(result)
            if memory.error is not None:
                raise memory.error  # the pipeline goes on without; that would prove nothing
            tell(at * len(asked) + len(taken[share]))
        if should_stop():
            return 0.0, "cancelled"
    share, reason = decided(taken)
    return share, f"{reason}; it reads for {1_000 * memory.seconds / len(asked):,.0f} ms a question"


def decided(taken: Mapping[float, Sequence[Result]]) -> tuple[float, str]:
    """Choose the share from the results of each; 0 stands for the search without reranker."""
    level = 1 - (1 - LEVEL) / len(SHARES)
    moved = {
        share: compared(taken[0.0], results, level).get(DECIDING)
        for share, results in taken.items()
        if share > 0
    }
    known = {share: one for share, one in moved.items() if one is not None}
    if not known:
        return 0.0, "no question could be tried"
    share, best = max(known.items(), key=lambda one: one[1].value)
    told = f"MRR {best.value:+.3f} ({best.low:+.3f} to {best.high:+.3f}) on {best.n} questions"
    if best.low > 0:
        return share, f"it helps: {told}, share {share:.1f}"
    return 0.0, f"no gain is shown: {told} at best"


def _with_share(beats: Beats, share: float) -> Beats:
    return replace(beats, rerank_share=lambda _: share)


def _tried(
    beats: Beats,
    collection: str,
    case: Case,
    digest_of: Digests,
    stop_answer: Callable[[], bool] | None,
) -> Result | None:
    """Try one case; None if it was told to stop.

    Args:
        stop_answer: asked while the case is answered; None: it is only searched for.
    """
    plain = Result(case.id, case.is_answerable, case.kind, case.language)
    if case.is_stale:
        return replace(plain, is_stale=True)
    try:
        result = _searched(beats, collection, case, plain, digest_of)
        if stop_answer is None:
            return result
        told = _whole(answer(beats, Ask(case.question, collection)), stop_answer)
        if told is None and stop_answer():
            return None
        return _judged(beats, case, result, told, digest_of)
    except (CollectionNotFoundError, RerankerError):
        raise
    except (QueryError, IngestError, EngineError) as error:
        return replace(plain, error=str(error) or type(error).__name__)


def _searched(
    beats: Beats, collection: str, case: Case, plain: Result, digest_of: Digests
) -> Result:
    ask = Ask(case.question, collection, DEPTH)
    started = time.perf_counter()
    _, hits = search(beats, ask)
    seconds = time.perf_counter() - started
    retrieved = retrieve(beats, ask, rewrite(case.question, ()))
    own = [
        (hit.start, hit.end) for hit in hits[:N_SPAN] if digest_of(hit.document_id) == case.digest
    ]
    is_copied = any(says(case, hit.text) for hit in hits[:N_SPAN])
    return replace(
        plain,
        rank=_rank(case, hits, digest_of),
        is_span_found=case.is_answerable and (covers_all(case, own) or is_copied),
        confidence=retrieved.confidence,
        dense_weight=retrieved.dense_weight,
        seconds=seconds,
        found=tuple(Place(hit.path, hit.start, hit.end, hit.page) for hit in hits[:N_FOUND]),
    )


def _rank(case: Case, hits: Sequence[Hit], digest_of: Digests) -> int:
    if not case.is_answerable:
        return 0
    for rank, hit in enumerate(hits, 1):
        is_own = digest_of(hit.document_id) == case.digest
        if (is_own and covers(case, hit.start, hit.end)) or says(case, hit.text):
            return rank
    return 0


def _judged(
    beats: Beats, case: Case, result: Result, told: Answer | None, digest_of: Digests
) -> Result:
    if told is None:
        return replace(result, error="the answer ended before it was finished")
    n_resolved = n_holding = 0
    for cited in told.citations:
        try:
            n_resolved += beats.text(cited.document_id)[cited.start : cited.end] == cited.text
        except DocumentNotFoundError:
            continue
        is_own = digest_of(cited.document_id) == case.digest
        overlaps = cited.start < case.end and case.start < cited.end
        n_holding += holds(case.answer, cited.text) or (is_own and overlaps)
    return replace(
        result,
        is_refused=told.is_refused,
        n_citations=len(told.citations),
        n_resolved=n_resolved,
        n_holding=n_holding,
    )


def _whole(events: Generator[object, None, None], should_stop: Callable[[], bool]) -> Answer | None:
    """Wait for an answer as long as nobody wants to stop: a large model writes for minutes."""
    with closing(events):  # or the chat model would go on
        for event in events:
            if isinstance(event, Done):
                return event.answer
            if should_stop():
                return None
    return None


def _sample(cases: Sequence[Case], n: int) -> frozenset[str]:
    """Choose the cases to answer, evenly from both sorts and from all over the exam."""
    held = [case for case in cases if not case.is_stale]
    good = [case.id for case in held if case.is_answerable]
    bad = [case.id for case in held if not case.is_answerable]
    n_bad = min(len(bad), max(n // 2, n - len(good)))
    return frozenset([*_evenly(good, n - n_bad), *_evenly(bad, n_bad)])


def _evenly(ids: Sequence[str], n: int) -> list[str]:
    n = min(n, len(ids))
    return [ids[at * len(ids) // n] for at in range(n)]


class _Memory:
    """Asks the model once for each question and text, however many shares are tried."""

    def __init__(self, rerank: Rerank) -> None:
        self._rerank = rerank
        self._known: dict[tuple[str, str], float] = {}
        self.seconds = 0.0
        self.error: RerankerError | None = None

    def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        new = [text for text in dict.fromkeys(texts) if (question, text) not in self._known]
        if new:
            started = time.perf_counter()
            try:
                given = self._rerank(question, new)
            except RerankerError as error:
                self.error = error
                raise
            self.seconds += time.perf_counter() - started
            if len(given) != len(new):
                self.error = RerankerError(f"{len(given)} scores for {len(new)} texts")
                raise self.error
            self._known.update(zip(((question, text) for text in new), given, strict=True))
        return [self._known[question, text] for text in texts]
