"""Keeps what people think of answers, and makes questions of the exam of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from app.conversations.types import Message
from app.exam.examiner import Examiner
from app.exam.feedback import cases_of, exam_of
from app.exam.types import Exam, Opinion, Right
from ingest.errors import DocumentNotFoundError
from ingest.types import Document


class Opinions:
    """The opinions of one data directory; they lie in the file of exams."""

    def __init__(self, examiner: Examiner, document: Callable[[str], Document]) -> None:
        """Take the parts.

        Args:
            document: looks a document up by its id; raises DocumentNotFoundError.
        """
        self._examiner, self._store, self._document = examiner, examiner.store, document

    def of(self, conversation: str) -> list[Opinion]:
        """List what is thought of the answers of a conversation."""
        return self._store.opinions(conversation)

    def collection_of(self, answer: Message, right: Right | None, otherwise: str) -> str:
        """Tell in which collection an answer was looked for: that of the documents it names.

        Args:
            otherwise: where it names none, or none that is still there.
        """
        named = [right.document_id] if right else [one.document_id for one in answer.citations]
        for document_id in named:
            with suppress(DocumentNotFoundError):
                return self._document(document_id).collection
        return otherwise

    def keep(self, opinion: Opinion, question: str, answer: Message) -> Opinion:
        """Keep what is thought of an answer; what it names becomes questions of an exam.

        Args:
            question: that the answer answers, worded so that it can be asked alone.
        Returns:
            The opinion with the ids of its questions.
        Raises:
            BadCaseError: the passage named is in no document of the collection.
            ExamError: the exam of feedback is full.
        """
        collection = opinion.collection
        cases = cases_of(
            question, answer, opinion, lambda one: self._examiner.read(one, collection)
        )
        kept = replace(opinion, created_at=_now(), cases=tuple(case.id for case in cases))
        exam = Exam(exam_of(collection), collection, kept.created_at, 0, tuple(cases))
        self._store.put_opinion(kept, exam)
        self._examiner.look_after()
        return kept


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
