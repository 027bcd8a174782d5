from __future__ import annotations

import numpy as np

from app.langchain import QuireEmbeddings, QuireRetriever, document_of
from ingest.types import Hit

HIT = Hit(1, "d1", "a.md", "A", 3, ("Part",), 5, 9, "text", 0.5)


def test_the_retriever_asks_our_search_and_keeps_the_place():
    asked = []

    def find(ask):
        asked.append(ask)
        return [HIT]

    found = QuireRetriever(find=find, collection="notes", top_k=3).invoke("Where?")

    assert [(ask.question, ask.collection, ask.top_k) for ask in asked] == [("Where?", "notes", 3)]
    assert found == [document_of(HIT)]
    assert found[0].metadata["start"] == 5
    assert found[0].metadata["source"] == "a.md"


def test_embeddings_tell_queries_from_documents():
    def embed(texts, is_query):
        return np.full((len(texts), 2), float(is_query), dtype=np.float32)

    embeddings = QuireEmbeddings(embed)

    assert embeddings.embed_documents(["a", "b"]) == [[0.0, 0.0], [0.0, 0.0]]
    assert embeddings.embed_query("a") == [1.0, 1.0]
