"""Exams, runs, results and verdicts on disk: one SQLite file, one connection, one lock."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from app.exam.errors import ExamError, ExamNotFoundError, ExamStoreError
from app.exam.json_of import loaded_result, loaded_settings, result_json, settings_json
from app.exam.schema import migrate
from app.exam.types import Case, Exam, Opinion, Result, Right, Run, RunState, Verdict

MAX_RUNS = 500  # kept; the oldest go first
MAX_FEEDBACK = 2_000  # questions of one collection that come from feedback
_BUSY_S = 10.0
_CASE = 'id, kind, language, question, answer, digest, path, start, "end", text, is_stale'
_RUN = (
    "id, exam_id, collection, created_at, state, settings, n_answers, is_judging, n_done, n_cases,"
    " message"
)
_OPINION = (
    "conversation, message, collection, verdict, comment, is_missing, document, start,"
    ' "end", created_at, cases'
)
_VERDICT = "collection, reranker, share, reason, bar, embedding, measured_at"


class ExamStore:
    """One file of exams."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; runs that a crash cut off are failed.

        Raises:
            ExamStoreError: not a file of exams, or one of a newer version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in ("journal_mode=WAL", "foreign_keys=ON", "secure_delete=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            migrate(self._db)
            self._db.execute(
                "UPDATE runs SET state = 'failed', message = 'the server stopped'"
                " WHERE state IN ('queued', 'running')"
            )
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ExamStoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # Exams

    def add(self, exam: Exam) -> bool:
        """Keep an exam; tell whether it is new."""
        with self._writing() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO exams VALUES (?,?,?,?)",
                (exam.id, exam.collection, exam.created_at, exam.n_documents),
            )
            if cursor.rowcount > 0:
                _insert_cases(db, exam.id, exam.cases)
            return cursor.rowcount > 0

    def renew(self, exam: Exam) -> None:
        """Take in what an exam holds that is made again; it is the newest of its collection.

        Its stale questions are there again; those of the user's that were added to it stay.
        """
        with self._writing() as db:
            _insert_cases(db, exam.id, exam.cases)
            db.execute("UPDATE exams SET n_documents = ? WHERE id = ?", (exam.n_documents, exam.id))
            db.execute(
                "UPDATE exams SET created_at = ? WHERE id = ? AND EXISTS (SELECT 1 FROM exams AS"
                " other WHERE other.collection = exams.collection AND other.id != exams.id"
                " AND other.created_at >= exams.created_at)",
                (exam.created_at, exam.id),
            )

    def exams(self) -> list[Exam]:
        """List all exams, newest first, with their cases."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT id, collection, created_at, n_documents FROM exams"
                # The newest is what is taken if none is named: that shall be one of the documents.
                " ORDER BY id LIKE 'feedback-%', created_at DESC, id"
            ).fetchall()
            return [_exam(db, row) for row in rows]

    def exam(self, exam_id: str) -> Exam:
        """Look one exam up.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        with self._reading() as db:
            row = db.execute(
                "SELECT id, collection, created_at, n_documents FROM exams WHERE id = ?",
                (exam_id,),
            ).fetchone()
            if row is None:
                raise ExamNotFoundError("exam", exam_id)
            return _exam(db, row)

    def put_cases(self, exam_id: str, cases: Iterable[Case]) -> None:
        """Add cases to an exam, or change those that it has.

        Raises:
            ExamNotFoundError: there is no such exam.
        """
        self.exam(exam_id)
        with self._writing() as db:
            _insert_cases(db, exam_id, cases)
        self._truncate()

    def delete(self, exam_id: str) -> None:
        """Delete an exam with its runs.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        with self._writing() as db:
            if not db.execute("DELETE FROM exams WHERE id = ?", (exam_id,)).rowcount:
                raise ExamNotFoundError("exam", exam_id)
        self._truncate()

    # Runs

    def add_run(self, run: Run) -> None:
        """Keep a run; the oldest of very many is let go."""
        with self._writing() as db:
            marks = ",".join("?" * 11)
            values = [*astuple(replace(run, settings={}))]
            values[5] = settings_json(run.settings)
            db.execute(f"INSERT INTO runs ({_RUN}) VALUES ({marks})", values)
            db.execute(
                "DELETE FROM runs WHERE number <= (SELECT max(number) FROM runs) - ?", (MAX_RUNS,)
            )

    def update_run(
        self, run_id: str, state: RunState, message: str = "", n_done: int | None = None
    ) -> None:
        """Note how a run stands; a run that was cancelled stays so."""
        with self._writing() as db:
            db.execute(
                "UPDATE runs SET state = ?, message = ?, n_done = coalesce(?, n_done)"
                " WHERE id = ? AND state != 'cancelled'",
                (state, message, n_done, run_id),
            )

    def set_settings(self, run: Run) -> None:
        """Note with which settings a run was made."""
        with self._writing() as db:
            db.execute(
                "UPDATE runs SET settings = ? WHERE id = ?", (settings_json(run.settings), run.id)
            )

    def set_progress(self, run_id: str, n_done: int) -> None:
        """Note how many cases a run has tried."""
        with self._writing() as db:
            db.execute("UPDATE runs SET n_done = ? WHERE id = ?", (n_done, run_id))

    def runs(self, exam_id: str = "", limit: int = 50) -> list[Run]:
        """List the latest runs, of one exam or of all, newest first."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_RUN} FROM runs WHERE ? IN ('', exam_id) ORDER BY number DESC LIMIT ?",
                (exam_id, limit),
            ).fetchall()
        return [_run(row) for row in rows]

    def run(self, run_id: str) -> Run:
        """Look one run up.

        Raises:
            ExamNotFoundError: there is none of that id.
        """
        with self._reading() as db:
            row = db.execute(f"SELECT {_RUN} FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise ExamNotFoundError("run", run_id)
        return _run(row)

    def add_result(self, run_id: str, position: int, result: Result) -> None:
        """Keep what became of one case."""
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO results VALUES (?,?,?,?)",
                (run_id, result.case_id, position, result_json(result)),
            )
            db.execute("UPDATE runs SET n_done = ? WHERE id = ?", (position + 1, run_id))

    def results(self, run_id: str) -> list[Result]:
        """List what became of the cases of one run, in order."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT result FROM results WHERE run_id = ? ORDER BY position", (run_id,)
            ).fetchall()
        return [loaded_result(row[0]) for row in rows]

    # Opinions

    def opinions(self, conversation: str) -> list[Opinion]:
        """List what is thought of the answers of a conversation, in their order."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_OPINION} FROM opinions WHERE conversation = ? ORDER BY message",
                (conversation,),
            ).fetchall()
        return [_opinion(row) for row in rows]

    def put_opinion(self, opinion: Opinion, exam: Exam) -> None:
        """Keep an opinion in place of what was thought before, and its cases in an exam.

        Cases that the opinion before made go, unless another one made them too; an exam without
        cases goes.

        Args:
            exam: with the cases that the opinion makes.
        Raises:
            ExamError: the exam would hold too many.
        """
        key = opinion.conversation, opinion.message
        with self._writing() as db:
            before = db.execute(
                "SELECT collection, cases FROM opinions WHERE conversation = ? AND message = ?", key
            ).fetchone()
            db.execute("DELETE FROM opinions WHERE conversation = ? AND message = ?", key)
            if before is not None:  # it may have named a document of another collection
                _drop_unneeded(db, before[0], json.loads(before[1]))
            if exam.cases:
                db.execute(
                    "INSERT OR IGNORE INTO exams VALUES (?,?,?,?)",
                    (exam.id, exam.collection, exam.created_at, exam.n_documents),
                )
                _insert_cases(db, exam.id, exam.cases)
                (n,) = db.execute(
                    "SELECT count(*) FROM cases WHERE exam_id = ?", (exam.id,)
                ).fetchone()
                if n > MAX_FEEDBACK:
                    raise ExamError(f"{MAX_FEEDBACK:,} questions are kept already: delete some")
            db.execute(
                "DELETE FROM exams WHERE id LIKE 'feedback-%' AND collection IN (?, ?)"
                " AND NOT EXISTS (SELECT 1 FROM cases WHERE exam_id = exams.id)",
                (exam.collection, before[0] if before else exam.collection),
            )
            if opinion.verdict:
                marks = ",".join("?" * 11)
                db.execute(f"INSERT INTO opinions ({_OPINION}) VALUES ({marks})", _row(opinion))
        self._truncate()

    def drop_opinions(self, conversation: str) -> None:
        """Forget what was thought of a conversation that is deleted; its questions stay."""
        with self._writing() as db:
            db.execute("DELETE FROM opinions WHERE conversation = ?", (conversation,))
        self._truncate()

    # Verdicts

    def verdict(self, collection: str) -> Verdict:
        """Tell what was decided for a collection; an empty verdict if nothing was."""
        with self._reading() as db:
            row = db.execute(
                f"SELECT {_VERDICT} FROM verdicts WHERE collection = ?", (collection,)
            ).fetchone()
        return Verdict(*row) if row else Verdict(collection)

    def put_verdict(self, verdict: Verdict) -> None:
        """Keep what was decided for a collection, in place of what was before."""
        with self._writing() as db:
            db.execute(
                f"INSERT OR REPLACE INTO verdicts ({_VERDICT}) VALUES (?,?,?,?,?,?,?)",
                astuple(verdict),
            )

    def drop_verdict(self, collection: str) -> None:
        """Forget what was decided for a collection."""
        with self._writing() as db:
            db.execute("DELETE FROM verdicts WHERE collection = ?", (collection,))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated():
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _truncate(self) -> None:
        """Empty the log, so that no deleted text lingers in it."""
        with self._lock, _translated():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _drop_unneeded(db: sqlite3.Connection, collection: str, cases: list[str]) -> None:
    """Delete cases from a collection's exams that no opinion stands for any more."""
    for case in cases:
        db.execute(
            "DELETE FROM cases WHERE id = ? AND exam_id IN"
            " (SELECT id FROM exams WHERE collection = ?) AND NOT EXISTS"
            " (SELECT 1 FROM opinions, json_each(opinions.cases) AS one"
            " WHERE opinions.collection = ? AND one.value = ?)",
            (case, collection, collection, case),
        )


def _row(opinion: Opinion) -> tuple[object, ...]:
    right = opinion.right
    span = (right.document_id, right.start, right.end) if right else (None, None, None)
    said = (opinion.verdict, opinion.comment, opinion.is_missing)
    key = (opinion.conversation, opinion.message, opinion.collection)
    return (*key, *said, *span, opinion.created_at, json.dumps(opinion.cases))


def _opinion(row: tuple[Any, ...]) -> Opinion:
    right = Right(*row[6:9]) if row[6] is not None else None
    values = [*row[:5], bool(row[5]), right, row[9], tuple(json.loads(row[10]))]
    return Opinion(*values)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ExamStoreError(f"the file of exams: {error}") from error


def _insert_cases(db: sqlite3.Connection, exam_id: str, cases: Iterable[Case]) -> None:
    (first,) = db.execute(
        "SELECT coalesce(max(position), -1) + 1 FROM cases WHERE exam_id = ?", (exam_id,)
    ).fetchone()
    db.executemany(
        f"INSERT INTO cases (exam_id, position, {_CASE}) VALUES ({','.join('?' * 13)})"
        " ON CONFLICT (exam_id, id) DO UPDATE SET question = excluded.question,"
        " answer = excluded.answer, digest = excluded.digest, start = excluded.start,"
        ' "end" = excluded."end", text = excluded.text, is_stale = excluded.is_stale,'
        " path = excluded.path",
        [(exam_id, first + at, *astuple(case)) for at, case in enumerate(cases)],
    )


def _cases(db: sqlite3.Connection, exam_id: str) -> tuple[Case, ...]:
    rows = db.execute(
        f"SELECT {_CASE} FROM cases WHERE exam_id = ? ORDER BY position", (exam_id,)
    ).fetchall()
    read = ([*row[:-1], bool(row[-1])] for row in rows)
    return tuple(Case(*values) for values in read)


def _exam(db: sqlite3.Connection, row: tuple[Any, ...]) -> Exam:
    values = [*row, _cases(db, row[0])]
    return Exam(*values)


def _run(row: tuple[Any, ...]) -> Run:
    values = list(row)
    values[5], values[7] = loaded_settings(values[5]), bool(values[7])
    return Run(*values)
