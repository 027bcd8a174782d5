"""Generated documents in, rows about what following, memory and disk cost out."""

from __future__ import annotations

import subprocess
import sys
import time

from bench import follow
from bench import ingest_baseline as baseline
from bench import ingest_corpus as corpus
from bench.ingest_speed import library, percentile, put, starter_embedder, warm_engine
from bench.resident import resident_mb, watched_peak


def rescan(folder, scale):
    """Look through a folder in which nothing changed."""
    n_files = max(100, round(10_000 * scale))
    model, tree = corpus.CheapModel(64), written(folder / "tree", n_files)
    with library(folder / "home", model.embedder()) as kb:
        follow.timed(kb, tree)
        follow.timed(kb, tree)
        n_before = model.n_embedded
        seconds, n_written = follow.looked_through(kb, tree)
        asked_s, _ = follow.timed(kb, tree)
    yield (
        f"rescan of {n_files:,} unchanged files, warm",
        "< 5 s, 0 embeddings, 0 writes",
        f"{seconds:.2f} s, {model.n_embedded - n_before} embeddings, {n_written} rows written "
        f"(as a job that was asked for {asked_s:.2f} s)",
        "embeds all again",
    )


def rename(folder, scale):
    """Rename a folder that holds everything."""
    n_files = max(100, round(1_000 * scale))
    model, tree = corpus.CheapModel(64), written(folder / "tree", n_files)
    with library(folder / "home", model.embedder()) as kb:
        follow.timed(kb, tree)
        n_before = model.n_embedded
        (tree / "0").rename(tree / "renamed")
        seconds, job = follow.timed(kb, tree)
        assert job.n_done == n_files, job
    yield (
        f"rename of a folder of {n_files:,} files",
        "< 5 s, 0 embeddings",
        f"{seconds:.2f} s, {model.n_embedded - n_before} embeddings",
        "embeds all again",
    )


def saved(folder, scale):
    """Save small files into a watched folder; wait until the vectors find each."""
    with warm_engine(folder) as engine:
        embedder = starter_embedder(engine)
        tree = written(folder / "tree", 20)
        with library(folder / "home", embedder) as kb:
            follow.timed(kb, tree)
            stable_s, waits = follow.saved(kb, tree, embedder, max(3, round(20 * scale)))
    yield (
        f"saved file to answerable, {len(waits)} saves",
        "p95 < 3 s beyond the stability wait",
        f"p95 {percentile(waits, 95) - stable_s:.2f} s, p50 {percentile(waits, 50) - stable_s:.2f} "
        f"s beyond {stable_s:g} s",
        "does not follow",
    )


def written(tree, n_files):
    """Write a tree of small files, a thousand to a folder."""
    for number in range(n_files):
        follow.write(tree / f"{number // 1_000}" / f"{number}.md", f"file {number}")
    return tree


def memory(folder, scale):
    """Ingest one very large file in a process of its own."""
    n_pages, n_mb = max(10, round(1_600 * scale)), max(1, round(200 * scale))
    (folder / "long.pdf").write_bytes(corpus.pdf(n_pages))
    (folder / "long.txt").write_bytes(corpus.english(n_mb * 1e6))
    for name, what in (("long.pdf", f"PDF of {n_pages:,} pages"), ("long.txt", f"{n_mb} MB text")):
        done = subprocess.run(
            [sys.executable, "-m", "bench.ingest", "--memory-of", str(folder / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            told = f"not measured: rc {done.returncode}: {last[:200]}"
        else:
            idle, peak, seconds = map(float, done.stdout.split()[-3:])
            told = f"{peak - idle:.0f} MB above {idle:.0f} MB idle, {seconds:.0f} s"
        yield f"memory for a {what}, 384 dimensions", "< 600 MB above idle", told, "-"


def memory_child(path):
    """Print resident MB of this process and its children, idle and at the peak, and seconds."""
    with library(path.with_suffix(".home"), corpus.CheapModel(384).embedder()) as kb:
        put(kb, [("small.html", b"<p>warm up"), ("small.md", b"# warm up")])
        idle = resident_mb()
        with watched_peak() as peak:
            seconds, errors = put(kb, [(path.name, path)])
        assert not errors, errors
    print(idle, peak.megabytes, seconds)


def disk(folder, scale):
    """Measure all stores after English text was stored with 768 dimensions."""
    model = corpus.CheapModel()
    n_mb = max(1, round(8 * scale))
    files = [(f"{n}.txt", corpus.english(1e6, seed=n)) for n in range(n_mb)]
    with library(folder / "home", model.embedder()) as kb:
        put(kb, files)
        n_chunks = sum(one.n_chunks for one in kb.documents("bench", limit=n_mb)[0])
        settled(kb, folder / "home")
    sizes = {one.name: size_of(one) / 1e6 / n_mb for one in (folder / "home").iterdir()}
    parts = ", ".join(f"{name} {size:.2f}" for name, size in sizes.items() if size > 0.005)
    yield (
        f"disk per MB of text, {n_mb} MB, 768 dimensions, {n_chunks / n_mb:.0f} chunks per MB",
        "<= 8 MB",
        f"{sum(sizes.values()):.2f} MB ({parts})",
        _their_disk(folder, files, model, n_mb),
    )


def settled(kb, home, limit_s=120.0):
    """Wait until what runs when the queue is empty has ended: sizes change no more."""
    until, before = time.monotonic() + limit_s, -1
    while time.monotonic() < until:
        size = size_of(home)
        if size == before and kb.status().get("jobs") == {"queued": 0, "running": 0}:
            return
        before = size
        time.sleep(2.0)


def _their_disk(folder, files, model, n_mb):
    if not baseline.is_installed():
        return baseline.INSTALL
    paths = []
    for name, data in files:
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    embeddings = baseline.embeddings_of(lambda texts: model.embed(texts, False).tolist())
    baseline.ingest(folder / "theirs", paths, embeddings)
    return f"{size_of(folder / 'theirs') / 1e6 / n_mb:.2f} MB"


def size_of(path):
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)
