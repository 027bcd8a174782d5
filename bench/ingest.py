"""Generated documents → loading, chunking, embedding and storing speed; prints a table.

python -m bench.ingest [--files 60]
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from bench.machine import describe
from engine.config import EngineSettings, calm_openmp
from engine.types import Priority

SENTENCES = {
    "en": "The committee met in {place} on day {n} to keep {count} tonnes of {thing}.",
    "zh": "委员会第{n}天在{place}开会，同意保留{count}吨{thing}。",
}
PLACES = {"en": ["Leeds", "Suzhou", "Nairobi", "Oslo"], "zh": ["苏州", "利兹", "奥斯陆", "内罗毕"]}
THINGS = {"en": ["copper", "salt", "glass", "amber"], "zh": ["铜", "盐", "玻璃", "琥珀"]}
PARAGRAPHS, SENTENCES_EACH = 12, 6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=60)
    options = parser.parse_args()
    calm_openmp(os.environ)  # noqa: TID251
    from engine.engine import Engine
    from engine.library.starters import install_starters
    from engine.library.store import Library

    files = list(generated(options.files))
    print(describe())
    print(f"{len(files)} files, {sum(len(data) for _, data in files) / 1e6:.2f} MB of text")
    with tempfile.TemporaryDirectory() as folder:
        for _ in install_starters(Library(Path(folder) / "models")):
            pass
        with Engine(EngineSettings(Path(folder) / "models", keep_alive_s=-1)) as engine:
            engine.embed("all-minilm", ["warm up"])
            print("| measure | value |\n|---|---|")
            for name, value in measure(engine, Path(folder) / "home", files):
                print(f"| {name} | {value} |")


def measure(engine, home, files):
    from app.compose import embedder_of
    from ingest.chunk import split
    from ingest.knowledge_base import KnowledgeBase
    from ingest.load.loaders import load

    began = time.perf_counter()
    loaded = [load(data, name) for name, data in files]
    load_s = time.perf_counter() - began
    embedder = embedder_of(engine, "all-minilm:latest")
    began = time.perf_counter()
    chunks = [
        chunk
        for one in loaded
        for chunk in split(one, embedder.count_tokens, target_tokens=240, max_tokens=254)
    ]
    chunk_s = time.perf_counter() - began
    n_bytes = sum(len(data) for _, data in files)
    yield "load", f"{n_bytes / 1e6 / load_s:.1f} MB/s"
    yield "chunk, tokens counted by the model", f"{n_bytes / 1e6 / chunk_s:.2f} MB/s"

    texts = [chunk.text for chunk in chunks]
    began = time.perf_counter()
    for at in range(0, len(texts), 32):
        engine.embed("all-minilm", texts[at : at + 32], priority=Priority.BACKGROUND)
    bare = len(texts) / (time.perf_counter() - began)
    yield f"embed alone, {len(texts)} chunks", f"{bare:.1f} chunks/s"

    home.mkdir()
    kb = KnowledgeBase(home, embedder, chunk_tokens=240, max_file_bytes=10**9)
    try:
        began = time.perf_counter()
        kb.wait(kb.submit("bench", files), timeout_s=3600)
        whole = len(texts) / (time.perf_counter() - began)
        yield "whole ingest", f"{whole:.1f} chunks/s, {whole / bare:.2f} of embedding alone"
        began = time.perf_counter()
        kb.wait(kb.submit("bench", files), timeout_s=3600)
        yield "the same files again", f"{time.perf_counter() - began:.2f} s"
    finally:
        kb.close()


def generated(n_files):
    draw = random.Random(7)
    for n in range(n_files):
        language = "zh" if n % 3 == 2 else "en"
        paragraphs = [
            " ".join(
                SENTENCES[language].format(
                    place=draw.choice(PLACES[language]),
                    thing=draw.choice(THINGS[language]),
                    n=draw.randrange(10**4),
                    count=draw.randrange(10**5),
                )
                for _ in range(SENTENCES_EACH)
            )
            for _ in range(PARAGRAPHS)
        ]
        yield f"report-{n}.md", ("# Report\n\n" + "\n\n".join(paragraphs)).encode()


if __name__ == "__main__":
    main()
