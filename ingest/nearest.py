"""A question in, the chunks nearest to it in meaning out; asks the models and the vector index."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ingest.documents_store import Documents
from ingest.embedders import Embedders
from ingest.errors import ModelMissingError
from ingest.search_store import Searches
from ingest.spaces_store import SpacesStore
from ingest.types import Hit, Space, Vectors
from ingest.vectors import VectorIndex
from ingest.weave import weave

log = logging.getLogger(__name__)


class Nearest:
    """The dense leg: one space, or two while a collection moves to another model."""

    def __init__(
        self,
        spaces: SpacesStore,
        embedders: Embedders,
        index: VectorIndex,
        searches: Searches,
        documents: Documents,
    ) -> None:
        self._spaces = spaces
        self._embedders = embedders
        self._index = index
        self._searches = searches
        self._documents = documents
        self.n_orphans = 0  # ids that the index held and the catalogue did not

    def to_text(
        self, collection: str, query: str, k: int, document_ids: Sequence[str] | None
    ) -> list[Hit]:
        """Find what is nearest to a question, by each model that the collection has.

        A score is the cosine by the current model; see `weave` for the order. Nothing is found by
        a model that is not installed.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        spaces = self._spaces.of(collection)
        current, following = spaces["current"], spaces.get("next")
        vector = self._vector(current, query)
        if following is None or not self._embedders.has(following):
            if vector is None:
                return []
            return self._asked(collection, current, vector, k, document_ids)
        other = self._vector_if_any(following, query)
        new = [] if other is None else self._asked(collection, following, other, k, document_ids)
        if vector is None:
            return self._placed(collection, current, new)
        old = self._asked(collection, current, vector, k, document_ids)
        if not new:
            return old
        return self._fused(collection, (current, following), vector, (old, new))[:k]

    def to_vector(
        self, collection: str, vector: Vectors, k: int, document_ids: Sequence[str] | None
    ) -> list[Hit]:
        """Find what is nearest to a vector of the current model; score is the cosine.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        space = self._spaces.of(collection)["current"]
        return self._asked(collection, space, vector, k, document_ids)

    def _vector(self, space: Space, query: str) -> Vectors | None:
        try:
            embedder = self._embedders.of(space)
        except ModelMissingError:
            return None
        return embedder.embed([embedder.query_prefix + query], True)

    def _vector_if_any(self, space: Space, query: str) -> Vectors | None:
        """Ask a model that collections only move to: if it fails, the old one answers alone."""
        try:
            return self._vector(space, query)
        except Exception as error:  # the edge: models may raise anything
            log.warning("next_model_fails model=%s", space.model, exc_info=error)
            return None

    def _asked(
        self,
        collection: str,
        space: Space,
        vector: Vectors,
        k: int,
        document_ids: Sequence[str] | None,
    ) -> list[Hit]:
        try:
            found = self._index.query(space.id, vector, k, document_ids)
        except Exception:
            # Chroma fails in many ways while its collection is being dropped.
            self._spaces.of(collection)  # raises that it is not found, if it went just now
            raise
        hits, orphans = self._searches.hits(collection, dict(found))
        if orphans:
            # Deleted a moment ago, or never taken out: counted, and looked for once more.
            self.n_orphans += len(orphans)
            log.warning("search_orphans collection=%s n=%d", collection, len(orphans))
            # They are not deleted here: a search must not wait for the index's writer.
            self._index.is_behind = True
            found = self._index.query(space.id, vector, k + len(orphans), document_ids)
            hits = self._searches.hits(collection, dict(found))[0][:k]
        return hits

    def _placed(self, collection: str, current: Space, new: Sequence[Hit]) -> list[Hit]:
        """Show hits of the next space as chunks of the current one, where it holds them."""
        there = self._searches.counterparts(current.id, [hit.chunk_id for hit in new])
        scores: dict[int, float] = {}
        for hit in new:
            scores.setdefault(there.get(hit.chunk_id, hit.chunk_id), hit.score)
        return self._searches.hits(collection, scores)[0]

    def _fused(
        self,
        collection: str,
        spaces: tuple[Space, Space],
        vector: Vectors,
        found: tuple[Sequence[Hit], Sequence[Hit]],
    ) -> list[Hit]:
        (current, following), (old, new) = spaces, found
        there = self._searches.counterparts(current.id, [hit.chunk_id for hit in new])
        ranked = list(dict.fromkeys(there[one.chunk_id] for one in new if one.chunk_id in there))
        held = self._spaces.held(following, {hit.document_id for hit in old})
        done = {hit.chunk_id for hit in old if hit.document_id in held}
        woven = weave([(hit.chunk_id, hit.score) for hit in old], done, ranked)
        unscored = [one for one, score in woven if score is None]
        ids, vectors, _ = self._documents.vectors_of(unscored)
        own = dict(zip(ids, (vectors @ vector.reshape(-1)).tolist(), strict=True)) if ids else {}
        last = min((hit.score for hit in old), default=1.0)
        scores = {
            one: min(last, own.get(one, last)) if score is None else score for one, score in woven
        }
        order = {one: place for place, one in enumerate(scores)}
        hits, _ = self._searches.hits(collection, scores)
        return sorted(hits, key=lambda hit: (-hit.score, order[hit.chunk_id]))
