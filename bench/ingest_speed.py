"""Generated documents in, rows about ingestion's speed out: whole, loading, search meanwhile."""

from __future__ import annotations

import os
import statistics
import time
from contextlib import contextmanager
from dataclasses import replace

from bench import ingest_baseline as baseline
from bench import ingest_corpus as corpus
from bench.ingest_formats import every_format
from bench.starters import starter_engine

CHUNK_TOKENS = 240
MAX_TOKENS = 254  # of all-MiniLM without its two marks
WAIT_S = 3600
SEARCH_S = 40.0  # of full-speed ingest that is searched at
PAUSE_S = 0.1  # between two questions
N_IDLE = 100


@contextmanager
def warm_engine(folder):
    with starter_engine(folder / "models") as engine:
        engine.embed(baseline.MODEL, ["warm up"])
        yield engine


def starter_embedder(engine):
    from app.compose import embedder_of

    return embedder_of(engine, f"{baseline.MODEL}:latest")


@contextmanager
def library(home, embedder, **more):
    from ingest.knowledge_base import KnowledgeBase

    more = {
        "chunk_tokens": CHUNK_TOKENS,
        "max_file_bytes": 10**9,
        "n_workers": os.cpu_count() or 1,
    } | more
    with KnowledgeBase(home, embedder, **more) as kb:
        yield kb


def put(kb, files):
    """Ingest files; tell the seconds, and what could not be read."""
    began = time.perf_counter()
    job = kb.wait(kb.submit("bench", files), WAIT_S)
    assert job.state == "done", job
    return time.perf_counter() - began, job.errors


def whole(folder, scale, dev=None):
    """Ingest every format with the starter model; compare with the engine alone, same texts."""
    with warm_engine(folder) as engine:
        files = list(every_format(max(1, round(2 * scale))))
        yield _end_to_end(folder / "formats", engine, files, "all formats")
        if dev is not None:
            found = sorted(one for one in dev.rglob("*") if one.is_file())[:: round(1 / scale)]
            files = [(str(one.relative_to(dev)), one.read_bytes()) for one in found]
            yield _end_to_end(folder / "dev", engine, files, "the given folder")


def _end_to_end(folder, engine, files, what):
    tree = folder / "tree"
    for name, data in files:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    embedder, texts = starter_embedder(engine), []

    def recording(batch, is_query):
        texts.extend(batch)
        return embedder.embed(batch, is_query)

    ours, alone = [], []
    for run in range(2):  # in turn: what else the machine does meets both
        texts.clear()
        with library(folder / f"home-{run}", replace(embedder, embed=recording)) as kb:
            put(kb, [("warm.eml", dict(files).get("eml/report-0.eml", b"Subject: a\n\nwarm up"))])
            n_warm = len(texts)
            seconds, errors = put(kb, [(name, tree / name) for name, _ in files])
        ours.append((len(texts) - n_warm) / seconds)
        alone.append(_rate_alone(engine, texts[n_warm:]))
    n_texts, n_bytes = len(texts) - n_warm, sum(len(data) for _, data in files)
    best, rate = max(alone), max(ours)
    refused = f"; {len(errors)} refused, first: {errors[0].reason[:60]}" if errors else ""
    return (
        f"end to end, {what}: {len(files)} files, {n_bytes / 1e6:.2f} MB, {n_texts} passages",
        ">= 0.9 of the engine alone",
        f"{rate / best:.2f}: {rate:.1f} of {best:.1f} passages/s (runs "
        f"{', '.join(f'{a / b:.2f}' for a, b in zip(ours, alone, strict=True))}){refused}",
        _tutorial(folder, engine, tree, best),
    )


def _rate_alone(engine, texts):
    from engine.types import Priority

    began = time.perf_counter()
    for at in range(0, len(texts), baseline.BATCH):
        batch = texts[at : at + baseline.BATCH]
        engine.embed(baseline.MODEL, batch, priority=Priority.BACKGROUND)
    return len(texts) / (time.perf_counter() - began)


def _tutorial(folder, engine, tree, best):
    if not baseline.is_installed():
        return baseline.INSTALL
    paths = sorted(one for one in tree.rglob("*") if one.is_file())
    with baseline.embedding_server(engine) as embed:
        began = time.perf_counter()
        n_chunks, n_files = baseline.ingest(folder / "theirs", paths, baseline.embeddings_of(embed))
        rate = n_chunks / (time.perf_counter() - began)
    return f"{rate / best:.2f}: {rate:.1f} chunks/s of 1,000 characters, {n_files} files readable"


def load(folder, scale):
    """Load and chunk on one core, without embedding; the best of three."""
    from ingest.chunk import split
    from ingest.load.loaders import load as load_file

    count = corpus.CheapModel().embedder().count_tokens
    n_pages, n_mb = max(10, round(300 * scale)), max(0.2, 6 * scale)
    for name, data, amount, unit, bar in (
        ("text.pdf", corpus.pdf(n_pages), n_pages, "pages/s", ">= 300"),
        ("columns.pdf", corpus.columns(n_pages), n_pages, "pages/s", ">= 300"),
        ("page.html", corpus.html(n_mb * 1e6), n_mb, "MB/s", ">= 20"),
        ("tables.html", corpus.tables(n_mb * 1e6), n_mb, "MB/s", ">= 20"),
        ("notes.md", corpus.markdown(n_mb * 1e6), n_mb, "MB/s", ">= 10"),
    ):
        (folder / name).write_bytes(data)
        runs, used = [], []
        for _ in range(3):
            began, began_cpu = time.perf_counter(), time.process_time()
            loaded = load_file(data, name)
            between = time.perf_counter()
            split(loaded, count, target_tokens=CHUNK_TOKENS, max_tokens=MAX_TOKENS)
            ended = time.perf_counter()
            runs.append((ended - began, between - began, ended - between))
            used.append(time.process_time() - began_cpu)
        both_s, load_s, chunk_s = min(runs)
        began = time.perf_counter()
        baseline.split(baseline.loaded(folder / name))
        theirs_s = time.perf_counter() - began
        yield (
            f"load + chunk {name}, {amount:g} {unit.split('/', maxsplit=1)[0]}",
            f"{bar} {unit}",
            f"{amount / both_s:.1f} (load {amount / load_s:.1f}, chunk {amount / chunk_s:.1f}; "
            f"by processor time {amount / min(used):.1f})",
            f"{amount / theirs_s:.1f}",
        )


def search(folder, scale):
    """Search by question, first alone, then while documents come in at full speed."""
    n_first = max(5, round(30 * scale))
    with warm_engine(folder) as engine:
        embedder = starter_embedder(engine)
        with library(folder / "home", embedder) as kb:
            put(kb, [(f"first-{name}", data) for name, data in corpus.generated(n_first, seed=1)])
            for n in range(5):
                _ask(kb, embedder, n)
            idle = [_paced(kb, embedder, n) for n in range(max(20, round(N_IDLE * scale)))]
            # More than can be done in the time; the rest is cancelled.
            job = kb.submit("bench", list(corpus.generated(2000, seed=2)))
            until, busy = time.monotonic() + max(8.0, SEARCH_S * scale), []
            before = kb.collection("bench").n_chunks
            while time.monotonic() < until:
                assert kb.wait(job, 0).state in {"queued", "running"}, "it was over too soon"
                busy.append(_paced(kb, embedder, len(busy)))
            n_added = kb.collection("bench").n_chunks - before
            kb.cancel(job)
    parts = ", ".join(
        f"{name} {percentile(meanwhile, 95) * 1e3:.0f} / {percentile(alone, 95) * 1e3:.0f}"
        for name, meanwhile, alone in zip(
            ("embed", "dense", "lexical"),
            *(list(zip(*rows, strict=True)) for rows in (busy, idle)),
            strict=True,
        )
    )
    during, quiet = ([sum(one) for one in rows] for rows in (busy, idle))
    yield (
        f"search p95 during full-speed ingest, {len(busy)} searches, {n_added} passages came in",
        "<= 3 x idle",
        f"{percentile(during, 95) / percentile(quiet, 95):.1f} x: "
        f"{percentile(during, 95) * 1e3:.0f} ms, idle {percentile(quiet, 95) * 1e3:.0f} ms "
        f"(p50 {percentile(during, 50) * 1e3:.0f} and {percentile(quiet, 50) * 1e3:.0f}; p95 of "
        f"{parts})",
        "-",
    )


def _paced(kb, embedder, n):
    time.sleep(PAUSE_S)
    return _ask(kb, embedder, n)


def _ask(kb, embedder, n):
    """Do what a question does before the chat model; tell the seconds of each step."""
    question = f"How many tonnes of {corpus.THINGS['en'][n % 4]} were kept on day {n}?"
    times = [time.perf_counter()]
    vectors = embedder.embed([embedder.query_prefix + question], True)
    times.append(time.perf_counter())
    kb.dense("bench", vectors[0], 50)
    times.append(time.perf_counter())
    kb.lexical("bench", question, 50)
    times.append(time.perf_counter())
    return [after - before for before, after in zip(times, times[1:], strict=False)]


def percentile(values, share):
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]
