"""The JSON shapes of /kb/feedback; pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from app.exam.types import Opinion, Right

_STRICT = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored
_MAX_PLACE = 2**53


class RightIn(BaseModel):
    """The span of a document that should have answered."""

    model_config = _STRICT

    document_id: str = Field(min_length=1, max_length=200)
    start: int = Field(ge=0, le=_MAX_PLACE)
    end: int = Field(ge=1, le=_MAX_PLACE)

    def right(self) -> Right:
        """Convert to the exam's noun."""
        from app.exam.types import Right

        return Right(self.document_id, self.start, self.end)


class FeedbackIn(BaseModel):
    """What `POST /kb/feedback` takes; it replaces what was said of the same answer before."""

    model_config = _STRICT

    conversation_id: str = Field(min_length=1, max_length=200)
    message: int = Field(ge=0, le=_MAX_PLACE)  # the answer's place in the conversation, from 0
    verdict: Literal["up", "down", "none"]  # none takes it back
    comment: str = Field(default="", max_length=2_000)
    is_missing: bool = False  # the documents do not hold what was asked
    right: RightIn | None = None

    def opinion(self, collection: str) -> Opinion:
        """Convert to the exam's noun."""
        from app.exam.types import Opinion

        return Opinion(
            self.conversation_id,
            self.message,
            collection,
            "" if self.verdict == "none" else self.verdict,
            self.comment.encode("utf-8", "replace").decode("utf-8"),
            self.is_missing,
            self.right.right() if self.right else None,
        )


class FeedbackOut(BaseModel):
    """What is thought of one answer."""

    conversation_id: str
    message: int
    verdict: str  # up, down; empty: nothing
    comment: str
    is_missing: bool
    created_at: str
    n_cases: int  # questions of the exam that it made
    exam_id: str  # that they are in; empty: there are none

    @classmethod
    def of(cls, opinion: Opinion) -> FeedbackOut:
        """Convert from the exam's noun."""
        from app.exam.feedback import exam_of

        return cls(
            conversation_id=opinion.conversation,
            message=opinion.message,
            verdict=opinion.verdict,
            comment=opinion.comment,
            is_missing=opinion.is_missing,
            created_at=opinion.created_at,
            n_cases=len(opinion.cases),
            exam_id=exam_of(opinion.collection) if opinion.cases else "",
        )


class FeedbackListOut(BaseModel):
    """What is thought of the answers of a conversation, in their order."""

    feedback: list[FeedbackOut]
