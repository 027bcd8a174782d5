"""Collections as models: `kb/<collection>` chats, and its answers come from the documents.

The last message of the user is the question, what was said before it is the history. Messages of
the system are left out: what the pipeline tells the chat model is what makes its answers checkable.
Of the options, `num_predict` bounds what the chat model may write, and `kb_sources: false` leaves
the sources out of the text; how tokens are chosen cannot be set, so that the same question gets the
same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from app.access.caller import caller, facts
from app.kb_answers import Answering, conversation_of, wishes_of
from app.kb_chores import chore
from app.query.beats import Beats
from app.query.types import Ask
from engine.errors import ModelNotFoundError
from engine.types import ChatRequest, Event, Final, ModelDetails, Piece
from engine.virtual import VirtualEntry, untagged
from ingest.errors import CollectionNotFoundError

if TYPE_CHECKING:
    from engine.virtual import Verb
    from ingest.knowledge_base import KnowledgeBase
    from ingest.types import Collection

PREFIX = "kb/"
FAMILY = "knowledge-base"
N_NAMED = 5  # collections named where one is not found


class KbModels:
    """Every collection of a knowledge base as a model."""

    def __init__(self, kb: KnowledgeBase, beats: Beats, *, url: str = "") -> None:
        """Prepare.

        Args:
            url: where the server answers; citations link to it.
        """
        self._kb, self._beats, self._url = kb, beats, url
        self._began = datetime.now(UTC)
        self._changes: dict[str, tuple[tuple[int, int], datetime]] = {}  # by collection

    def owns(self, name: str) -> bool:
        """Tell whether a name is a collection's, also if there is no such collection."""
        # Without case, as stored models are found: one stored as KB/x would stand before kb/x.
        return name[: len(PREFIX)].casefold() == PREFIX

    def entries(self) -> list[VirtualEntry]:
        """List a model for every collection."""
        return [self._entry(one) for one in self._seen()]

    def find(self, name: str) -> KbModel:
        """Look up the model of a collection.

        Raises:
            ModelNotFoundError: there is no such collection.
        """
        try:
            found = self._kb.collection(collection_of(name))
        except CollectionNotFoundError as error:
            raise self._missing(name) from error
        facts().collections.add(found.name)
        if not caller().sees(found.name):
            raise self._missing(name)  # in the words of one that is not there
        return KbModel(self._entry(found), found.name, self._beats, self._url)

    def instead(self, name: str, verb: Verb) -> str:
        """Say what to do instead of what only a model on disk can do."""
        collection = collection_of(name)
        told = {
            "delete": f"DELETE /kb/collections/{collection} deletes it with all its documents",
            "push": "collections stay on this machine",
            "copy": "to answer from the same documents under another name, index them into "
            "another collection: `quire ingest --collection NAME PATH`",
            "pull": "such names are those of collections: `quire ingest --collection "
            f"{collection} PATH` makes one",
            "create": "such names are those of collections: take another name for the model, or "
            "turn collections as models off with QUIRE_KB_MODELS=0",
            "use": "it can only chat; /kb/search searches it, and the embedding models are among "
            "the other names in /api/tags",
        }
        what = "" if verb in ("pull", "create") else " answers from a collection and is no file;"
        return f'"{name}"{what or ":"} {told[verb]}'

    def _entry(self, collection: Collection) -> VirtualEntry:
        chat = self._beats.chat_model if self._beats.chat is not None else ""
        by = f"written by {chat}, or in the documents' own words" if chat else "in their own words"
        return VirtualEntry(
            name=PREFIX + collection.name,
            modified_at=self._changed(collection),
            details=ModelDetails(FAMILY, "", "", (FAMILY,), "collection", chat),
            digest=sha256(f"{PREFIX}{collection.name}".encode()).hexdigest(),
            description=(
                f"Answers from the documents of the collection “{collection.name}” "
                f"({collection.n_documents:,}), with sources; {by}."
            ),
            info={
                "general.architecture": FAMILY,
                "general.name": collection.name,
                f"{FAMILY}.documents": collection.n_documents,
                f"{FAMILY}.chunks": collection.n_chunks,
                f"{FAMILY}.embedding_model": collection.model,
                f"{FAMILY}.chat_model": chat,
            },
        )

    def _seen(self) -> list[Collection]:
        """List the collections that whoever asks may use."""
        who = caller()
        return [one for one in self._kb.collections() if who.sees(one.name)]

    def _changed(self, collection: Collection) -> datetime:
        """Tell when the newest document came; an empty collection is as old as this process.

        Looked up again when the collection's counts differ: it reads all of its documents' rows.
        """
        if not collection.n_documents:
            return self._began
        counts = (collection.n_documents, collection.n_chunks)
        known = self._changes.get(collection.name)
        if known is not None and known[0] == counts:
            return known[1]
        newest, _ = self._kb.documents(collection.name, limit=1)
        moment = datetime.fromisoformat(newest[0].added_at) if newest else self._began
        self._changes[collection.name] = (counts, moment)
        return moment

    def _missing(self, name: str) -> ModelNotFoundError:
        names = [PREFIX + one.name for one in self._seen()]
        more = "" if len(names) <= N_NAMED else f" and {len(names) - N_NAMED} more"
        there = f"there are {', '.join(names[:N_NAMED])}{more}" if names else "there is none yet"
        told = f"model '{name}' not found: no collection is called so; {there}"
        return ModelNotFoundError(name, told)


@dataclass(frozen=True, slots=True)
class KbModel:
    """One collection that chats."""

    entry: VirtualEntry
    collection: str
    beats: Beats
    url: str = ""

    def chat(self, request: ChatRequest) -> Iterator[Event]:
        """Answer the last message from the documents; may be closed from any thread.

        Raises:
            RequestError: nothing is asked, too much is, or an option is wrong.
            ModelNotFoundError: the collection is gone.
        """
        wishes = wishes_of(request.options or {})
        question, history = conversation_of(request.messages)
        done = chore(question)
        if done is not None:
            return iter((Piece(done), Final("stop", notes={"citations": [], "mode": "chore"})))
        ask = Ask(question, self.collection, history=history)
        return Answering(self.beats, ask, model=self.entry.name, wishes=wishes, url=self.url)


def collection_of(name: str) -> str:
    """Give the collection that a model's name means."""
    return untagged(name)[len(PREFIX) :]
