"""What can go wrong with exams.

ExamError
├── ExamNotFoundError    no exam, run or case of that id
├── NothingToAskError    the collection holds nothing that a question could be made of
├── BadCaseError         a question of the user's own cannot be taken in
├── NoRerankerError      a reranker was to be judged, and none is configured
├── QueueFullError       too many runs wait already
└── ExamStoreError       the file of exams cannot be read
"""

from __future__ import annotations


class ExamError(Exception):
    """Anything that examination refuses or fails to do."""


class ExamNotFoundError(ExamError):
    """There is none of that id."""

    def __init__(self, what: str, id_: str) -> None:
        super().__init__(f"no {what} {id_!r}; `quire eval list` shows what there is")


class NothingToAskError(ExamError):
    """No question can be made."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"nothing in {collection!r} makes a question: add documents with sentences, tables or "
            "headings, or bring questions of your own with `quire eval make --cases FILE`"
        )


class BadCaseError(ExamError):
    """A question of the user's own cannot be taken in; the message says why."""


class NoRerankerError(ExamError):
    """There is nothing to judge."""

    def __init__(self) -> None:
        super().__init__("no reranker is configured: set QUIRE_RERANKER, then judge it")


class QueueFullError(ExamError):
    """Too many runs wait."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} runs wait already: let one finish, or cancel one")


class ExamStoreError(ExamError):
    """The file of exams cannot be read or written."""
