"""Files in, a Chroma collection out, as LangChain's tutorials do it: the pipeline to compare with.

One loader a file, RecursiveCharacterTextSplitter 1000/200, one embedding call a batch over HTTP to
our own /api/embed, Chroma through langchain-chroma.
"""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from contextlib import contextmanager

BATCH = 32
MODEL = "all-minilm"
INSTALL = (
    "not run: `pip install --no-deps --target DIR langchain-chroma==1.1.0`, "
    "then add `--packages DIR`"
)


def is_installed():
    return importlib.util.find_spec("langchain_chroma") is not None


def split(documents):
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    return splitter.split_documents(documents)


def loaded(path):
    """Load one file with the loader that the tutorials take for it; None if there is none."""
    from langchain_community import document_loaders as loaders

    kinds = {
        ".pdf": lambda: loaders.PyPDFLoader(str(path)),
        ".html": lambda: loaders.BSHTMLLoader(str(path), bs_kwargs={"features": "lxml"}),
        ".csv": lambda: loaders.CSVLoader(str(path), encoding="utf-8"),
        **dict.fromkeys(
            (".txt", ".md", ".json", ".jsonl", ".yaml", ".py", ".srt", ".eml", ".mbox"),
            lambda: loaders.TextLoader(str(path), encoding="utf-8"),
        ),
    }
    return kinds[path.suffix]().load() if path.suffix in kinds else None


def ingest(folder, paths, embeddings):
    """Store files in a new collection; return how many chunks there are, and how many files."""
    from langchain_chroma import Chroma

    store = Chroma(
        "tutorial",
        embedding_function=embeddings,
        persist_directory=str(folder),
        collection_metadata={"hnsw:space": "cosine"},
    )
    n_chunks = n_files = 0
    for path in paths:
        documents = loaded(path)
        if documents is None:
            continue
        chunks = split(documents)
        for at in range(0, len(chunks), BATCH):
            store.add_documents(chunks[at : at + BATCH])
        n_chunks, n_files = n_chunks + len(chunks), n_files + 1
    return n_chunks, n_files


def embeddings_of(embed):
    """Dress a function from texts to vectors as LangChain wants it."""
    from langchain_core.embeddings import Embeddings

    class Remote(Embeddings):
        def embed_documents(self, texts):
            return embed(texts)

        def embed_query(self, text):
            return embed([text])[0]

    return Remote()


@contextmanager
def embedding_server(engine):
    """Serve the engine over HTTP; give the function that asks it."""
    import httpx
    import uvicorn
    from fastapi import FastAPI

    from engine.api.router import engine_router

    api = FastAPI()
    api.include_router(engine_router(engine))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(api, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:

            def embed(texts):
                answer = client.post("/api/embed", json={"model": MODEL, "input": texts})
                return answer.raise_for_status().json()["embeddings"]

            yield embed
    finally:
        server.should_exit = True
        thread.join(10)
