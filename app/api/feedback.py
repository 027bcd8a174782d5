"""/kb/feedback: what people think of answers; what they name becomes questions of an exam."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.access.caller import check_collection
from app.api.feedback_wire import FeedbackIn, FeedbackListOut, FeedbackOut
from app.conversations.store import Conversations
from app.exam.feedback import question_of
from app.exam.opinions import Opinions
from engine.api.body import read_body
from engine.api.bridge import Bridge
from engine.api.describe import takes


def feedback_router(opinions: Opinions, conversations: Conversations, bridge: Bridge) -> APIRouter:
    """Build the routes of feedback."""
    router = APIRouter(prefix="/kb/feedback", tags=["asking"])

    @router.get("", response_model=FeedbackListOut)
    def given(conversation_id: str) -> FeedbackListOut:
        """List what is thought of the answers of a conversation."""
        conversations.summary(conversation_id)  # raises if it is not there for who asks
        held = opinions.of(conversation_id)
        return FeedbackListOut(feedback=[FeedbackOut.of(one) for one in held])

    @router.post("", response_model=FeedbackOut, openapi_extra=takes(FeedbackIn))
    async def give(request: Request) -> FeedbackOut:
        """Say what is thought of an answer, in place of what was said before.

        A right answer's citations, or the passage that should have answered, become questions of
        the collection's exam of feedback; so does a question that the documents do not answer.
        """
        body = await read_body(request, FeedbackIn)

        def work() -> FeedbackOut:
            conversation = conversations.get(body.conversation_id)
            question = question_of(conversation.messages, body.message)
            answer = conversation.messages[body.message]
            right = body.right.right() if body.right else None
            collection = opinions.collection_of(answer, right, conversation.collection)
            check_collection(collection)
            opinion = body.opinion(collection)
            return FeedbackOut.of(opinions.keep(opinion, question, answer))

        return await bridge.call(request, work)

    return router
