"""Makes exams, takes them one at a time in a thread of its own, keeps what came out.

What the library is asked comes in through `Hands`; the decisions lie in the other files here.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex

from app.exam.errors import (
    BadCaseError,
    ExamError,
    NoRerankerError,
    NothingToAskError,
    QueueFullError,
)
from app.exam.gold import forgotten, relocated
from app.exam.json_of import OwnQuestion
from app.exam.make import DEFAULT_CASES, chosen_documents, make, own_case
from app.exam.measure import bar_of
from app.exam.run import examine, judge_reranker
from app.exam.store import ExamStore
from app.exam.types import Case, Exam, Part, Result, Run, Source, Verdict
from app.query.answer import BAR
from app.query.beats import Beats
from app.query.errors import QueryError
from engine.errors import EngineError
from ingest.errors import CollectionNotFoundError, DocumentNotFoundError, IngestError
from ingest.language import language_of
from ingest.types import Chunk, Document

MAX_QUEUED = 8
MAX_EXAMS = 100
DEFAULT_ANSWERS = 20
SWEEP_S = 60.0  # between two looks at whether documents of cases have been deleted
STOP_S = 30.0
UNJUDGED_SHARE = 0.5  # of a reranker that no exam has judged yet

_INTERNAL = "internal error; the log says more"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """What examination needs of the library."""

    documents: Callable[[str], Sequence[Document]]  # of a collection; raises if it is unknown
    document: Callable[[str], Document]  # raises DocumentNotFoundError
    has: Callable[[str, str], bool]  # (collection, digest) → such a document is there
    chunks: Callable[[str], Sequence[Chunk]]
    settings: Callable[[str], Mapping[str, str]]  # of a collection, for people to compare


class Examiner:
    """The exams of one data directory."""

    def __init__(self, store: ExamStore, beats: Beats, hands: Hands) -> None:
        self._store, self._hands = store, hands
        self._beats = replace(beats, rerank_share=self.rerank_share, refusal_bar=self.refusal_bar)
        self._waiting: deque[str] = deque()
        self._cancelled: set[str] = set()
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        if store.exams():
            self._begin()  # what was deleted while nobody looked shall be forgotten

    @property
    def beats(self) -> Beats:
        """What answers here, with what the exams have decided."""
        return self._beats

    def close(self) -> None:
        """End the run that is under way, close the file; what waits fails at the next start."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_S)
        if self._thread is not None and not self._thread.is_alive():
            self._leave_nothing()
        self._store.close()

    def _leave_nothing(self) -> None:
        """Forget what was deleted since the last look: no server may come after this one."""
        try:
            self.sweep(is_idle=True)
        except (ExamError, IngestError) as error:
            _logger.warning("exams_not_swept error=%s", error)

    # What is decided per library

    def rerank_share(self, collection: str) -> float:
        """Tell how much the configured reranker may say about a collection."""
        verdict = self._store.verdict(collection)
        if verdict.share is None or verdict.reranker != self._reranker:
            return UNJUDGED_SHARE
        return verdict.share

    def refusal_bar(self, collection: str) -> float | None:
        """Tell below which confidence a collection refuses; None = where all do."""
        verdict = self._store.verdict(collection)
        if verdict.bar is None or verdict.embedding != self._embedding(collection):
            return None
        return verdict.bar

    def verdict(self, collection: str) -> Verdict:
        """Tell what the exams of a collection have decided."""
        return self._store.verdict(collection)

    def forget_verdict(self, collection: str) -> None:
        """Go back to what holds for all libraries."""
        self._store.drop_verdict(collection)

    # Exams

    def make(
        self, collection: str, n_cases: int = DEFAULT_CASES, own: Sequence[OwnQuestion] = ()
    ) -> Exam:
        """Make the exam of a collection; the user's own questions of earlier exams come along.

        Raises:
            CollectionNotFoundError: there is no such collection.
            NothingToAskError: nothing in it makes a question.
            BadCaseError: a question of the user's own cannot be taken in.
        """
        self._beats.check_collection(collection)
        documents = self._hands.documents(collection)
        self.sweep()
        cases = {case.id: case for case in self._own_before(collection)}
        cases |= {case.id: case for case in (self._own(one, documents) for one in own)}
        chosen = set(chosen_documents([one.digest for one in documents], n_cases))
        read = (self._source(one) for one in documents if one.digest in chosen)
        sources = [one for one in read if one is not None]
        exam = make(
            collection,
            sources,
            lambda word: bool(self._beats.lexical(collection, word, 1, None)),
            n_cases=n_cases,
            own=tuple(cases.values()),
            n_documents=len(documents),
        )
        if all(case.is_stale for case in exam.cases):
            raise NothingToAskError(collection)
        held = self._store.exams()
        if len(held) >= MAX_EXAMS and exam.id not in {one.id for one in held}:
            raise ExamError(f"{MAX_EXAMS} exams are kept already: delete one")
        exam = replace(exam, created_at=_now())
        if not self._store.add(exam):
            self._store.renew(exam)
        self._begin()
        return self._store.exam(exam.id)

    def add_case(self, exam_id: str, own: Sequence[OwnQuestion]) -> Exam:
        """Add questions of the user's own to an exam.

        Raises:
            ExamNotFoundError: there is no such exam.
            BadCaseError: a question cannot be taken in; then none is.
        """
        exam = self._store.exam(exam_id)
        documents = self._hands.documents(exam.collection)
        self._store.put_cases(exam_id, [self._own(one, documents) for one in own])
        return self._store.exam(exam_id)

    def exams(self) -> list[Exam]:
        """List all exams, newest first."""
        return self._store.exams()

    def exam(self, exam_id: str) -> Exam:
        """Look one exam up.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        return self._store.exam(exam_id)

    def delete(self, exam_id: str) -> None:
        """Delete an exam; a run of it that is under way ends.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        for run in self._store.runs(exam_id, limit=1_000):
            if run.state in ("queued", "running"):
                self.cancel(run.id)
        self._store.delete(exam_id)

    # Opinions

    @property
    def store(self) -> ExamStore:
        """The file of exams, for what else is kept in it."""
        return self._store

    def read(self, document_id: str, collection: str) -> Source | None:
        """Read a document of a collection; None if it is not there."""
        try:
            document = self._hands.document(document_id)
        except DocumentNotFoundError:
            return None
        return self._source(document) if document.collection == collection else None

    def look_after(self) -> None:
        """Look from now on whether documents of cases have been deleted."""
        self._begin()

    # Runs

    def start(
        self, exam_id: str, *, n_answers: int = DEFAULT_ANSWERS, is_judging: bool = False
    ) -> Run:
        """Queue a run.

        Raises:
            ExamNotFoundError: there is no such exam.
            CollectionNotFoundError: its collection is gone.
            NoRerankerError: the reranker is to be judged, and there is none.
            QueueFullError: too many wait.
        """
        exam = self._store.exam(exam_id)
        if is_judging and self._beats.rerank is None:
            raise NoRerankerError
        self._beats.check_collection(exam.collection)
        run = Run(
            id=token_hex(4),
            exam_id=exam_id,
            collection=exam.collection,
            created_at=_now(),
            state="queued",
            settings=self._hands.settings(exam.collection),
            n_answers=n_answers,
            is_judging=is_judging,
            n_cases=len(exam.cases),
        )
        with self._changed:
            if len(self._waiting) >= MAX_QUEUED:
                raise QueueFullError(MAX_QUEUED)
            self._store.add_run(run)
            self._waiting.append(run.id)
            self._begin()
            self._changed.notify_all()
        return run

    def cancel(self, run_id: str) -> Run:
        """End a run; what it has found so far stays.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        run = self._store.run(run_id)
        if run.state in ("queued", "running"):
            with self._changed:
                self._cancelled.add(run_id)
                if run_id in self._waiting:  # its place in the queue is free at once
                    self._waiting.remove(run_id)
                    self._cancelled.discard(run_id)
            self._store.update_run(run_id, "cancelled")
        return self._store.run(run_id)

    def runs(self, exam_id: str = "", limit: int = 50) -> list[Run]:
        """List the latest runs, newest first."""
        return self._store.runs(exam_id, limit)

    def run(self, run_id: str) -> tuple[Run, list[Result]]:
        """Look one run up, with what became of its cases so far.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        return self._store.run(run_id), self._store.results(run_id)

    def sweep(self, *, is_idle: bool = False) -> None:
        """Find cases again whose document has changed; forget what was deleted.

        Args:
            is_idle: nobody is about to ask, so the user's questions whose document is gone are not
                looked for in what has come since.
        """
        known: dict[tuple[str, str], bool] = {}
        for exam in self._store.exams():
            lost = []
            for case in exam.cases:
                key = exam.collection, case.digest
                if case.digest and key not in known:
                    known[key] = self._hands.has(*key)
                if case.digest and not known[key]:
                    lost.append(case)
            if not is_idle:
                lost += [case for case in exam.cases if case.is_stale and case.kind == "own"]
            changed = set(self._mended(exam.collection, lost)) - set(exam.cases) if lost else ()
            if changed:
                self._store.put_cases(exam.id, changed)

    def _mended(self, collection: str, lost: Sequence[Case]) -> Iterator[Case]:
        """Look for cases in the documents that lie now where theirs lay."""
        try:
            documents = self._hands.documents(collection)
        except CollectionNotFoundError:
            documents = ()
        by_path = {path: one for one in documents for path in one.paths}
        for case in lost:
            document = by_path.get(case.path)
            source = self._source(document) if document else None
            found = relocated(case, source.digest, source.text) if source else None
            yield found or forgotten(case)

    def _begin(self) -> None:
        with self._changed:
            if self._thread is None and not self._is_closing:
                self._thread = threading.Thread(target=self._work, name="exams", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """Take runs until closed; look after the cases while there is nothing to do."""
        patience_s = 0.0  # what was deleted by a server before this one is forgotten at once
        while True:
            with self._changed:
                if not self._waiting and not self._is_closing and patience_s:
                    self._changed.wait(patience_s)
                patience_s = SWEEP_S
                if self._is_closing:
                    return
                run_id = self._waiting.popleft() if self._waiting else ""
            try:
                if run_id:
                    self._take(run_id)
                else:
                    self.sweep(is_idle=True)
            except Exception:
                # This thread serves all later runs, so nothing may end it.
                _logger.exception("exam_failed run=%s", run_id)
                with suppress(ExamError):  # the file may be what is wrong
                    if run_id:
                        self._store.update_run(run_id, "failed", _INTERNAL)
            finally:
                with self._changed:
                    self._cancelled.discard(run_id)

    def _take(self, run_id: str) -> None:
        run = self._store.run(run_id)
        if run.state != "queued":
            return
        self._store.update_run(run_id, "running")
        try:
            self.sweep()
            cases = self._store.exam(run.exam_id).cases
            message = self._judged(run, cases) if run.is_judging else self._examined(run, cases)
        except (ExamError, QueryError, IngestError, EngineError) as error:
            self._store.update_run(run_id, "failed", str(error) or type(error).__name__)
            return
        if not self._is_ended(run_id):
            self._store.update_run(run_id, "done", message)

    def _examined(self, run: Run, cases: Sequence[Case]) -> str:
        results: list[Result] = []
        for at, result in enumerate(
            examine(
                self._beats, run.collection, cases, self._digest_of,
                n_answers=run.n_answers, should_stop=lambda: self._is_ended(run.id),
            )
        ):  # fmt: skip
            results.append(result)
            self._store.add_result(run.id, at, result)
        if self._is_ended(run.id):
            return ""
        self._store.set_settings(replace(run, settings={**run.settings, **_weights(results)}))
        bar = bar_of(results, BAR)
        if bar is not None:
            held = self._store.verdict(run.collection)
            embedding = self._embedding(run.collection)
            self._store.put_verdict(replace(held, bar=bar, embedding=embedding, measured_at=_now()))
        n_stale = sum(one.is_stale for one in results)
        return f"{n_stale} questions have lost their document" if n_stale else ""

    def _judged(self, run: Run, cases: Sequence[Case]) -> str:
        n_rounds = 4  # without the reranker, and with each of three shares
        share, reason = judge_reranker(
            self._beats,
            run.collection,
            cases,
            self._digest_of,
            should_stop=lambda: self._is_ended(run.id),
            tell=lambda n: self._store.set_progress(run.id, n // n_rounds),
        )
        if self._is_ended(run.id):
            return ""
        held = self._store.verdict(run.collection)
        self._store.put_verdict(
            replace(held, reranker=self._reranker, share=share, reason=reason, measured_at=_now())
        )
        self._store.set_progress(run.id, run.n_cases)
        return f"share {share:.1f}: {reason}"

    def _is_ended(self, run_id: str) -> bool:
        with self._changed:
            return self._is_closing or run_id in self._cancelled

    @property
    def _reranker(self) -> str:
        return self._beats.reranker

    def _embedding(self, collection: str) -> str:
        return self._beats.embedding_model(collection)

    def _digest_of(self, document: str) -> str:
        try:
            return self._hands.document(document).digest
        except DocumentNotFoundError:
            return ""

    def _source(self, document: Document) -> Source | None:
        """Read a document; None if it was deleted a moment ago."""
        try:
            text, chunks = self._beats.text(document.id), self._hands.chunks(document.id)
        except DocumentNotFoundError:
            return None
        parts = tuple(Part(one.start, one.end, one.headings) for one in chunks)
        path = document.paths[0] if document.paths else ""
        language = language_of(text, default="en")
        return Source(document.digest, path, document.title, text, parts, language)

    def _own(self, own: OwnQuestion, documents: Sequence[Document]) -> Case:
        """Find what a user's question is about.

        Raises:
            BadCaseError: no document of that name, or it does not hold the answer.
        """
        if not own.question.strip():
            raise BadCaseError("the question is missing")
        if own.file and not own.answer.strip():
            raise BadCaseError(f"the answer is missing: words that stand in {own.file!r}")
        if not own.file:
            return _taken(own_case(own.question, own.answer, None), own)
        named = [one for one in documents if _is_named(one, own.file)]
        if not named:
            raise BadCaseError(f"no document {own.file!r}: `quire search` tells how they are named")
        for document in named:
            source = self._source(document)
            case = own_case(own.question, own.answer, source) if source else None
            if case is not None:
                return case
        return _taken(None, own)

    def _own_before(self, collection: str) -> list[Case]:
        return [
            case
            for exam in reversed(self._store.exams())
            if exam.collection == collection
            for case in exam.cases
            if case.is_own
        ]


def _taken(case: Case | None, own: OwnQuestion) -> Case:
    if case is None:
        raise BadCaseError(
            f"{own.file!r} does not hold {own.answer[:80]!r}, the answer to {own.question[:80]!r}: "
            "write it as it stands in the document"
        )
    return case


def _is_named(document: Document, file: str) -> bool:
    """Whether a path of the document is the file's, or ends with it."""
    wanted = file.replace("\\", "/").strip("/")
    paths = [path.replace("\\", "/").strip("/") for path in document.paths]
    return any(path == wanted or path.endswith(f"/{wanted}") for path in paths)


def _weights(results: Sequence[Result]) -> dict[str, str]:
    """Tell how much the dense leg counted, by language."""
    found: dict[str, list[float]] = {}
    for one in results:
        if not one.error and not one.is_stale:
            found.setdefault(one.language, []).append(one.dense_weight)
    return {
        f"dense share, {language}": f"{sum(held) / len(held):.2f}"
        for language, held in sorted(found.items())
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
