"""A library of made chunks → what a search in it costs, stage by stage; prints one table.

python -m bench.search --home FOLDER [--chunks N] [--questions N] [--rounds N]

The folder is a data directory of its own, made when it is not there and used again when it is. The
search is the program's, without a reranker, the question's embedding by the starter model included.
Times mean something on an idle machine only; processor seconds mean nearly the same on a busy one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import search_corpus as corpus
from bench.machine import describe

COLLECTION = "default"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="made if it is not there")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=120, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    calm()
    print(describe())
    spoken = corpus.languages()
    built_s = build(options.home, spoken, options.chunks)
    began = time.perf_counter()
    with opened(options.home) as parts:
        print(f"opened in {time.perf_counter() - began:.1f} s, the index filled if it was not")
        if built_s:
            print(f"written in {built_s:.0f} s")
        n_chunks = parts.kb.collection(COLLECTION).n_chunks
        asked = [*corpus.questions(spoken, options.questions)]
        print(f"{n_chunks:,} chunks, {sizes(options.home)}")
        report(*measured(parts, asked, options.rounds))


def calm():
    """Let llama.cpp's threads sleep, as the program does."""
    from engine.config import calm_openmp

    calm_openmp(os.environ)  # noqa: TID251


@contextmanager
def opened(home):
    """Open the program on a data directory, without a chat model."""
    from app.compose import compose
    from app.config import settings_from

    flags = {"QUIRE_HOME": str(home), "QUIRE_OFFLINE": "1", "QUIRE_WORKERS": "1"}
    with compose(settings_from({}, flags), lambda line: None, is_chat_needed=False) as parts:
        yield parts


def build(home, spoken, n_chunks):
    """Write what is missing; tell the seconds that it took."""
    import numpy as np

    with opened(home) as parts:
        if parts.kb.collection(COLLECTION).n_chunks >= n_chunks:
            return 0
        centres = np.array(parts.embedder.embed(corpus.topic_texts(spoken), False))
    began = time.perf_counter()
    corpus.fill(
        home / "kb.sqlite3", spoken, centres, n_chunks, lambda line: print(line, flush=True)
    )
    return time.perf_counter() - began


def sizes(home):
    """Tell what the catalogue and the vector index take on disk."""
    catalogue = (home / "kb.sqlite3").stat().st_size
    index = sum(one.stat().st_size for one in home.rglob("chroma*/**/*") if one.is_file())
    return f"catalogue {catalogue / 1e6:,.0f} MB, vector index {index / 1e6:,.0f} MB"


@dataclass(frozen=True, slots=True)
class Row:
    """One search."""

    round: int
    kind: str
    load: float
    spent: Mapping[str, tuple[float, float]]  # stage, or empty for all → (seconds, processor's)


class Stages:
    """Seconds and processor seconds in each stage, without those of the stages inside it."""

    def __init__(self):
        self.spent = {}
        self._inner = []

    def timed(self, name, function):
        """Give a function that does the same and is measured."""

        def call(*arguments, **options):
            began = now()
            self._inner.append((0.0, 0.0))
            try:
                return function(*arguments, **options)
            finally:
                took = minus(now(), began)
                self.spent[name] = plus(self.spent.get(name), minus(took, self._inner.pop()))
                if self._inner:
                    self._inner[-1] = plus(self._inner[-1], took)

        return call

    def taken(self):
        """Give what has come together, and begin anew."""
        spent, self.spent = self.spent, {}
        return spent


def now():
    """Tell (seconds, processor seconds of all threads)."""
    return time.perf_counter(), time.process_time()


def plus(one, other):
    return other if one is None else (one[0] + other[0], one[1] + other[1])


def minus(one, other):
    return one[0] - other[0], one[1] - other[1]


@contextmanager
def watched(parts):
    """Measure the stages of each search."""
    from engine.engine import Engine
    from ingest import search_store
    from ingest.search_store import Searches
    from ingest.store import Store
    from ingest.vectors import VectorIndex

    stages = Stages()
    with ExitStack() as patched:
        for owner, name, stage in (
            (Engine, "embed", "embedding"),
            (VectorIndex, "query", "vector index"),
            (Searches, "lexical", "words (FTS5)"),
            (Searches, "hits", "rows"),
            (search_store, "_hits", "rows"),
            (Store, "collection", "collection"),
        ):
            was = getattr(owner, name)
            setattr(owner, name, stages.timed(stage, was))
            patched.callback(setattr, owner, name, was)
        yield stages


def measured(parts, asked, n_rounds):
    """Ask every question in each round; give the cold search's seconds, and one row for each."""
    from app.query.answer import search
    from app.query.types import Ask

    rows = []
    with watched(parts) as stages:
        run = stages.timed(
            "fusion and the rest", lambda text: search(parts.beats, Ask(text, COLLECTION))
        )
        cold = once(run, stages, corpus.ASKING["en"][0] + " report about")
        for number in range(n_rounds):
            load = os.getloadavg()[0]
            for language, kind, text in asked:
                rows.append(Row(number, f"{language}, {kind} words", load, once(run, stages, text)))
    return cold, rows


def once(run, stages, text):
    """Ask one question: seconds, processor seconds, and both by stage."""
    stages.taken()
    began = now()
    run(text)
    return {"": minus(now(), began), **stages.taken()}


def report(cold, rows):
    """Print each round with its load, then every question's medians over the rounds."""
    print(f"\ncold first search (loads the model): {told(cold)}\n")
    print("| round | load | p50 ms | p95 ms | most | processor ms p50 | p95 | most |")
    print("|---|---|---|---|---|---|---|---|")
    for number in sorted({row.round for row in rows}):
        part = [row for row in rows if row.round == number]
        print(f"| {number + 1} | {part[0].load:.1f} | {figures([row.spent[''] for row in part])} |")
    # What else the machine did meanwhile is left out.
    typical = medians(rows)
    print("\n| questions | n | p50 ms | p95 ms | most | processor ms p50 | p95 | most |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in sorted({row.kind for row in typical}):
        part = [row.spent[""] for row in typical if row.kind == kind]
        print(f"| {kind} | {len(part)} | {figures(part)} |")
    print(f"| all | {len(typical)} | {figures([row.spent[''] for row in typical])} |")
    print("\n| stage | p50 ms | p95 ms | most | processor ms p50 | p95 | most |")
    print("|---|---|---|---|---|---|---|")
    for name in sorted(set(typical[0].spent) - {""}):
        print(f"| {name} | {figures([row.spent[name] for row in typical])} |")


def medians(rows):
    """Give one row for each question."""
    n_asked = sum(row.round == 0 for row in rows)
    return [
        replace(
            rows[at],
            spent={
                name: tuple(statistics.median(row.spent[name][n] for row in same) for n in (0, 1))
                for name in rows[at].spent
                for same in [rows[at::n_asked]]
            },
        )
        for at in range(n_asked)
    ]


def figures(spent):
    """Tell p50, p95 and the most, of seconds and of processor seconds, in milliseconds."""
    import numpy as np

    found = np.percentile(1e3 * np.array(spent), (50, 95, 100), axis=0)
    return " | ".join(f"{one:.1f}" for one in found.T.ravel())


def told(spent):
    """Say what one search took, and in which stages."""
    parts = sorted(spent.items(), key=lambda one: -one[1][0])
    return ", ".join(f"{name or 'in all'} {1e3 * seconds:.0f} ms" for name, (seconds, _) in parts)


if __name__ == "__main__":
    main()
