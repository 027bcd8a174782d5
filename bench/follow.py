"""A watched folder → how fast saves, a renamed folder and a rescan are followed; prints a table.

python -m bench.follow [--files 1000] [--saves 30]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

from bench.engine_table import p95
from bench.machine import describe
from bench.starters import starter_engine
from engine.config import calm_openmp

COLLECTION = "bench"
WORDS = ["copper", "salt", "glass", "amber", "ledger", "harbour", "orchard", "lantern", "velvet"]
N_RENAMED = 1_000
LOOK_S = 0.02  # between two questions whether a saved file is found
PATIENCE_S = 60.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--saves", type=int, default=30)
    options = parser.parse_args()
    calm_openmp(os.environ)  # noqa: TID251
    print(describe())
    with (
        tempfile.TemporaryDirectory() as folder,
        starter_engine(Path(folder) / "models") as engine,
    ):
        engine.embed("all-minilm", ["warm up"])
        print("| measure | value |\n|---|---|")
        for name, value in measure(engine, Path(folder), options):
            print(f"| {name} | {value} |", flush=True)


def measure(engine, home, options):
    from dataclasses import replace

    from app.compose import embedder_of
    from ingest.knowledge_base import KnowledgeBase

    model = embedder_of(engine, "all-minilm:latest")
    embedded = []

    def embed(texts, is_query):
        embedded.extend(texts)
        return model.embed(texts, is_query)

    root = home / "docs"
    for number in range(options.files):
        write(root / f"{number // N_RENAMED}" / f"{number}.md", f"file {number}")
    counting = replace(model, embed=embed)
    with KnowledgeBase(home / "kb", counting, chunk_tokens=240, max_file_bytes=10**9) as kb:
        seconds, job = timed(kb, root)
        assert job.n_stored == options.files, job
        yield f"first ingest of {options.files:,} files", f"{seconds:.1f} s"
        timed(kb, root)

        n_embedded = len(embedded)
        seconds, n_changes = looked_through(kb, root)
        yield (
            f"rescan of {options.files:,} unchanged files, warm",
            f"{seconds:.2f} s, {len(embedded) - n_embedded} embeddings, {n_changes} rows written",
        )
        n_renamed = len(list((root / "0").iterdir()))
        (root / "0").rename(root / "renamed")
        seconds, job = timed(kb, root)
        assert job.n_done == n_renamed, job
        yield (
            f"rename of a folder of {n_renamed:,} files",
            f"{seconds:.2f} s, {len(embedded) - n_embedded} embeddings",
        )
        stable_s, waits = saved(kb, root, model, options.saves)
        waits.sort()
        yield (
            f"saved file → found by its vector, {len(waits)} saves, beyond the stability wait",
            f"p50 {statistics.median(waits) - stable_s:.2f} s, p95 {p95(waits) - stable_s:.2f} s",
        )
        for path in (root / "renamed").iterdir():
            path.unlink()
        seconds, job = timed(kb, root, is_confirmed=True)
        yield f"deletion of {n_renamed:,} files", f"{seconds:.2f} s"


def timed(kb, root, **flags):
    began = time.perf_counter()
    job = kb.wait(kb.sync(root, COLLECTION, **flags), timeout_s=36_000)
    assert (job.state, job.errors) == ("done", ()), job
    return time.perf_counter() - began, job


def looked_through(kb, root):
    """Do what a watch does from time to time; tell how long it took and what it wrote."""
    from ingest.roots import Root, look_at
    from ingest.watch import Pace

    writer = kb._store._writer
    one = Root(root, COLLECTION, kb._root_hands(), Pace())
    n_before, n_jobs = writer.total_changes, len(kb.jobs())
    began = time.perf_counter()
    assert one.follow(look_at(root, kb._is_wanted))
    seconds = time.perf_counter() - began
    assert len(kb.jobs()) == n_jobs
    return seconds, writer.total_changes - n_before


def saved(kb, root, model, n_saves):
    from ingest.watch import Pace

    pace = Pace()
    kb.watch(root, COLLECTION, pace)
    while kb.watched()[0].state != "watching":
        time.sleep(LOOK_S)
    time.sleep(2 * pace.look_s)
    waits = []
    for number in range(n_saves):
        path = root / "saved" / f"note-{number}.md"
        text = text_of(f"note {number}")
        vector = model.embed([model.document_prefix + text], True)[0]
        write(path, f"note {number}")
        began = time.perf_counter()
        while not any(hit.path.endswith(path.name) for hit in kb.dense(COLLECTION, vector, k=3)):
            assert time.perf_counter() - began < PATIENCE_S, path
            time.sleep(LOOK_S)
        waits.append(time.perf_counter() - began)
    return pace.stable_s, waits


def write(path, name):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(name), encoding="utf-8")


def text_of(name):
    draw = random.Random(name)
    return f"# {name}\n\nThe {name} is about {' and '.join(draw.choices(WORDS, k=12))}.\n"


if __name__ == "__main__":
    main()
