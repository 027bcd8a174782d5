"""The starter models, maybe llama-server in; a table of the engine's speed out, medians of runs.

python -m bench.engine [--peer-binary PATH | --peer URL[,URL of embeddings]] [--only NAME ...]

Both sides are driven over /v1 by the same client, in turn, with prompts that no cache has seen.
Without a peer it prints our side alone. With GOMP_SPINCOUNT in the environment both sides have it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import engine_chat, engine_embed
from bench.engine_client import ask_all, client, cold, embed
from bench.engine_table import HEAD
from bench.machine import describe
from bench.peer import install, other_side, our_side, peer_side
from engine.config import calm_openmp

NAMES = (
    "decode", "aggregate", "first", "pauses", "reuse", "speculation",
    "embedding", "ingest", "overhead", "switch", "idle",
)  # fmt: skip
_STREAMS = {
    "decode": engine_chat.decode,
    "aggregate": engine_chat.aggregate,
    "first": engine_chat.first_tokens,
    "pauses": engine_chat.pauses,
    "reuse": engine_chat.reuse,
}
_WITH_FILES = {
    "embedding": engine_embed.embedding,
    "ingest": engine_embed.beside_ingest,
    "overhead": engine_embed.overhead,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a llama-server that runs, with as many slots as ours")
    parser.add_argument("--peer-binary", help="a llama-server to start, the same way as ours")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one run each: does it work?")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with us
    began_s = time.perf_counter()
    options.env = dict(os.environ)  # noqa: TID251 - the peer runs as it would without us
    calm_openmp(os.environ)  # noqa: TID251 - for the loops in this process
    print(f"{describe()}\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        files = install(Path(folder) / "models")
        for row in rows(options, files, Path(folder), running):
            print(row.line, flush=True)
        running.close()  # what comes now wants the cores for itself
        if "speculation" in options.only:
            print("\nSpeculation, on the same machine in the same run:\n", flush=True)
            speculation(files, 1 if options.quick else options.runs)
    print(f"{time.perf_counter() - began_s:.0f} s")


def speculation(files, runs):
    """Print tables of their own: by workload and by size of a step."""
    more = ["--models", files.models_dir, "--rounds", str(runs)]
    subprocess.run([sys.executable, "-m", "bench.speculation", *more], check=True)


def rows(options, files, folder, running):
    runs = 1 if options.quick else options.runs
    if "idle" in options.only:
        yield from _idle(files, folder)
    if "switch" in options.only:
        # As users start it: 16 slots have a cache of a gigabyte, which takes its time to clear.
        one = {
            "OLLAMA_MAX_LOADED_MODELS": "1",
            "OLLAMA_NUM_PARALLEL": "4",
            "OLLAMA_CONTEXT_LENGTH": "0",
        }
        with our_side(files, folder / "switch", env=one) as side:
            yield from engine_embed.switching(side, runs)
    served = [name for name in options.only if name in _STREAMS or name in _WITH_FILES]
    if served:
        sides = _open(options, files, folder, running)
        for name in served:
            if name in _STREAMS:
                yield from _STREAMS[name](sides, runs)
            else:
                yield from _WITH_FILES[name](sides, files, runs)


def _idle(files, folder):
    for what, more in (("engine alone", ("--engine-only",)), ("with documents", ("--no-ui",))):
        with our_side(files, folder / what.replace(" ", "-"), more=more) as side:
            yield from engine_embed.idle(side, what)


def _open(options, files, folder, running):
    """Start both sides and let each load its models."""
    import asyncio

    sides = [running.enter_context(our_side(files, folder / "home"))]
    if options.peer_binary:
        sides.append(running.enter_context(peer_side(options.peer_binary, files, options.env)))
    elif options.peer:
        sides.append(other_side(options.peer))
    with client() as http:
        for side in sides:
            asyncio.run(ask_all(side.chat_url, [cold(20), cold(20)], 4))
            if side.embed_url:
                embed(http, side, ["warm up"])
    return sides


if __name__ == "__main__":
    main()
