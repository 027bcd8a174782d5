"""What the page of asking wants of the server, as typed calls."""

from __future__ import annotations

from ui.ask_shapes import (
    GivenOpinion,
    Opinion,
    Record,
    Said,
    chat_models,
    opinion_from,
    opinions_from,
    record_from,
    said_from,
)
from ui.client import Client
from ui.errors import RefusedError
from ui.shapes import Job, Json, Passage, job_from, objects, passages_from


class AskClient(Client):
    """A connection to one server; use it as a context manager.

    Raises:
        ServerGoneError: from any call, if nobody answers.
        RefusedError: from any call, if the server answers with an error.
    """

    def __enter__(self) -> AskClient:
        return self

    def chat_models(self) -> list[str]:
        """List the installed models that can chat."""
        return chat_models(self._json("GET", "/api/tags"))

    def listed(self, query: str, limit: int) -> tuple[list[Said], bool]:
        """List conversations, last used first; tell whether there are more."""
        answer = self.conversations(query, limit=limit)
        found = [said_from(one) for one in objects(answer, "conversations")]
        return found, bool(answer.get("next"))

    def record(self, conversation_id: str) -> Record:
        """Fetch all that was said."""
        return record_from(self.conversation(conversation_id))

    def job(self, job_id: str) -> Job:
        """Ask how an ingestion stands."""
        return job_from(self._json("GET", f"/kb/jobs/{job_id}"))

    def nearest(self, question: str, collection: str) -> Passage | None:
        """Find the passage of a collection that is nearest to a question; None if there is none."""
        body: Json = {"query": question, "collection": collection, "top_k": 1}
        hits = objects(self._json("POST", "/kb/search", body=body), "hits")
        found = passages_from({"passages": hits})
        return found[0] if found else None

    def suggestions(self, collection: str) -> list[str]:
        """Fetch questions that the documents answer; none if the server makes none."""
        found = self._if_there("/kb/suggestions", collection=collection).get("questions")
        return [str(one) for one in found] if isinstance(found, list) else []

    def opinions(self, conversation_id: str) -> dict[int, Opinion]:
        """Fetch what is thought of the answers of a conversation, by their places."""
        return opinions_from(self._if_there("/kb/feedback", conversation_id=conversation_id))

    def give_opinion(self, conversation_id: str, place: int, given: GivenOpinion) -> Opinion:
        """Say what is thought of an answer, in place of what was said before."""
        body: dict[str, object] = {
            "conversation_id": conversation_id,
            "message": place,
            "verdict": given.verdict or "none",
            "comment": given.comment,
            "is_missing": given.is_missing,
        }
        if given.right is not None:
            span = {"start": given.right.start, "end": given.right.end}
            body["right"] = {"document_id": given.right.document_id, **span}
        return opinion_from(self._json("POST", "/kb/feedback", body=body))

    def _if_there(self, path: str, **asked: str) -> Json:
        """Fetch what an older server may not have; then nothing."""
        try:
            return self._json("GET", path, params=asked)
        except RefusedError as error:
            if error.status not in (404, 405):
                raise
            return {}
