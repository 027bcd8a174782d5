"""What can go wrong in asking.

QueryError
├── EmptyQuestionError       nothing was asked
├── QuestionTooLongError     longer than any model here can read
├── FilterError              a date or a type in a filter cannot be read
├── NoRoomError              the chat model can read no passage beside the question
└── RerankerError            the configured reranker does not load
"""

from __future__ import annotations


class QueryError(Exception):
    """Anything that the query pipeline refuses or fails to do."""


class EmptyQuestionError(QueryError):
    """Nothing was asked, or nothing but filters was typed."""

    def __init__(self, filters: str = "") -> None:
        super().__init__(
            f"the question holds nothing but filters ({filters}): write what is asked beside them"
            if filters
            else "the question is empty: send some text in it"
        )


class QuestionTooLongError(QueryError):
    """The question is longer than the limit."""

    def __init__(self, n_characters: int, limit: int) -> None:
        super().__init__(
            f"the question has {n_characters:,} characters, the limit is {limit:,}: "
            "shorten it, or put the long text into a document and ask about that"
        )


class FilterError(QueryError):
    """A filter's value cannot be read."""

    def __init__(self, name: str, value: str, allowed: str) -> None:
        super().__init__(
            f"the filter {name}:{value} cannot be read: allowed is {allowed}; if it is no filter "
            f'but part of the question, put it in quotation marks: "{name}:{value}"'
        )


class NoRoomError(QueryError):
    """The chat model's context holds no passage beside the question and the answer."""

    def __init__(self, model: str, n_context: int) -> None:
        super().__init__(
            f"the context of {model} has {n_context:,} tokens, too few for a passage beside the "
            "question and the answer: ask more shortly, raise OLLAMA_CONTEXT_LENGTH, or take "
            "another chat model"
        )


class RerankerError(QueryError):
    """The configured reranker does not load."""
