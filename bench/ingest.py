"""Generated documents → what ingestion costs in time, memory and disk; prints one table.

python -m bench.ingest [--quick] [--only NAME ...] [--dev FOLDER] [--packages DIR]

The tutorial pipeline of LangChain runs beside it, over the same files on the same engine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench import ingest_cost as cost
from bench import ingest_speed as speed
from bench.machine import describe

MEASURES = {
    "whole": speed.whole,
    "load": speed.load,
    "rescan": cost.rescan,
    "rename": cost.rename,
    "saved": cost.saved,
    "search": speed.search,
    "disk": cost.disk,
    "memory": cost.memory,  # the longest last
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=" ".join(MEASURES))
    parser.add_argument("--dev", type=Path, help="a folder whose files are ingested, too")
    parser.add_argument("--packages", type=Path, help="where langchain-chroma was installed")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        cost.memory_child(options.memory_of)
        return
    unknown = [one for one in options.only or () if one not in MEASURES]
    if unknown:
        parser.error(f"unknown measure {unknown[0]!r}; there are {', '.join(MEASURES)}")
    if options.packages:
        sys.path.append(str(options.packages))
    calm()
    print(describe())
    print("\n| measure | bar | Quire | baseline |\n|---|---|---|---|", flush=True)
    began = time.monotonic()
    for name in options.only or MEASURES:
        for row in rows_of(name, 0.1 if options.quick else 1.0, options.dev):
            print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s in all, {describe()}")


def rows_of(name, scale, dev):
    """Yield the rows of one measure; one that fails says why."""
    with tempfile.TemporaryDirectory(prefix="quire-bench-") as folder:
        try:
            yield from MEASURES[name](Path(folder), scale, *([dev] if name == "whole" else []))
        except Exception as error:  # noqa: BLE001 - the other rows go on
            traceback.print_exc()
            yield name, "", f"not measured: {type(error).__name__}: {error}".replace("|", "/"), ""


def calm():
    """Let llama.cpp's threads sleep, as the program does."""
    from engine.config import calm_openmp

    calm_openmp(os.environ)  # noqa: TID251


if __name__ == "__main__":
    main()
