"""Our search and embedding as a langchain_core Retriever and Embeddings; a thin adapter.

Nothing else of the program imports this file, so langchain is loaded only by those who use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever

from app.query.answer import search
from app.query.beats import Beats
from app.query.types import Ask
from ingest.types import Hit, Vectors

Embed = Callable[[Sequence[str], bool], Vectors]  # (texts, is_query) → rows; prefixes are its own


class QuireEmbeddings(Embeddings):
    """The embedding model as LangChain calls it; prefixes for queries and documents included."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts to be found."""
        return [[float(value) for value in row] for row in self._embed(texts, False)]

    def embed_query(self, text: str) -> list[float]:
        """Embed a question."""
        return [float(value) for value in self._embed([text], True)[0]]


class QuireRetriever(BaseRetriever):
    """A collection as LangChain searches it: both legs, fused, reranked where configured."""

    find: Callable[[Ask], Sequence[Hit]]
    collection: str = "default"
    top_k: int = 5

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        hits = self.find(Ask(query, self.collection, self.top_k))
        return [document_of(hit) for hit in hits]


def retriever(beats: Beats, collection: str = "default", *, top_k: int = 5) -> QuireRetriever:
    """Make a retriever of the open parts."""
    return QuireRetriever(
        find=lambda ask: search(beats, ask)[1], collection=collection, top_k=top_k
    )


def document_of(hit: Hit) -> Document:
    """Turn a hit into a LangChain document that still knows its place."""
    place = {
        "document_id": hit.document_id,
        "source": hit.path,
        "title": hit.title,
        "page": hit.page,
        "headings": list(hit.headings),
        "start": hit.start,
        "end": hit.end,
        "score": hit.score,
    }
    return Document(page_content=hit.text, metadata=place)
