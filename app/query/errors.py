"""What can go wrong in asking.

QueryError
├── EmptyQuestionError       nothing was asked
├── QuestionTooLongError     longer than any model here can read
└── RerankerError            the configured reranker does not load
"""

from __future__ import annotations


class QueryError(Exception):
    """Anything that the query pipeline refuses or fails to do."""


class EmptyQuestionError(QueryError):
    """Nothing was asked."""

    def __init__(self) -> None:
        super().__init__("the question is empty: send some text in it")


class QuestionTooLongError(QueryError):
    """The question is longer than the limit."""

    def __init__(self, n_characters: int, limit: int) -> None:
        super().__init__(
            f"the question has {n_characters:,} characters, the limit is {limit:,}: "
            "shorten it, or put the long text into a document and ask about that"
        )


class RerankerError(QueryError):
    """The configured reranker does not load."""
