"""The starter models → tokens and texts per second of the engine; prints a table, medians of runs.

python -m bench.engine [--runs 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.machine import describe
from engine.config import EngineSettings, calm_openmp
from engine.types import ChatRequest, Final, Message

TEXT = "the river carried cold water past the old mill and the town kept its records there"
WORDS = TEXT.split()
N_PREDICT = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    calm_openmp(os.environ)  # noqa: TID251
    from engine.engine import Engine
    from engine.library.starters import install_starters
    from engine.library.store import Library

    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        for _ in install_starters(Library(Path(folder))):
            pass
        settings = EngineSettings(Path(folder), keep_alive_s=-1, n_ctx=1024, n_parallel=8)
        with Engine(settings) as engine:
            chat(engine, "warm up", 8)
            engine.embed("all-minilm", ["warm up"])
            rows = [measure_streams(engine, n, options.runs) for n in (1, 4, 8)]
            rows.append(measure_reuse(engine, options.runs))
            rows.append(measure_embedding(engine, options.runs))
    for name, value in rows:
        print(f"| {name} | {value} |")


def prompt(seed, n_words=110):
    return f"Question {seed}. " + " ".join(WORDS[(at * seed) % len(WORDS)] for at in range(n_words))


def chat(engine, text, n_predict):
    request = ChatRequest(
        "smollm2:135m",
        (Message("user", text),),
        options={"temperature": 0.8, "seed": 1, "num_predict": n_predict},
    )
    return next(event for event in engine.chat(request) if isinstance(event, Final))


def measure_streams(engine, n_streams, runs):
    speeds = []
    for run in range(runs):
        began = time.perf_counter()
        with ThreadPoolExecutor(n_streams) as threads:
            seeds = [run * 100 + n + 3 for n in range(n_streams)]
            finals = list(threads.map(lambda seed: chat(engine, prompt(seed), N_PREDICT), seeds))
        spent = time.perf_counter() - began
        speeds.append(sum(final.n_generated for final in finals) / spent)
    return (
        f"{n_streams} streams, cold prompts of about 130 tokens, {N_PREDICT} each",
        f"{statistics.median(speeds):.0f} tokens/s in all",
    )


def measure_reuse(engine, runs):
    cold, warm = [], []
    for run in range(runs):
        long_text = prompt(run + 1000, 600)
        cold.append(chat(engine, long_text + " First?", 4).prompt_ns / 1e6)
        warm.append(chat(engine, long_text + " Second question?", 4).prompt_ns / 1e6)
    return (
        "time to first token, 600-word prompt, cold / second question over it",
        f"{statistics.median(cold):.0f} ms / {statistics.median(warm):.0f} ms",
    )


def measure_embedding(engine, runs):
    speeds = []
    for run in range(runs):
        texts = [prompt(run * 100 + n, 180) for n in range(64)]
        began = time.perf_counter()
        found = engine.embed("all-minilm", texts)
        spent = time.perf_counter() - began
        speeds.append((len(texts) / spent, found.n_tokens / spent))
    texts_s, tokens_s = (statistics.median(column) for column in zip(*speeds, strict=True))
    return "embedding, 64 texts of 180 words", f"{texts_s:.0f} texts/s, {tokens_s:.0f} tokens/s"


if __name__ == "__main__":
    main()
