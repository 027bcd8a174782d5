"""A process id in, the memory of it and of all below it out, now or at its peak; reads /proc."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PERIOD_S = 0.05


@dataclass(slots=True)
class Peak:
    """The most memory seen so far."""

    megabytes: float = 0.0


def resident_mb(pid=0):
    """Sum the resident memory of a process, by default this one, and of all below it."""
    parents, sizes = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # ended just now
        parents[int(folder.name)] = int(fields[1])
        sizes[int(folder.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    family = {pid or os.getpid()}
    while below := {one for one, parent in parents.items() if parent in family} - family:
        family |= below
    return sum(sizes.get(one, 0.0) for one in family)


@contextmanager
def watched_peak():
    """Sample the memory of this process and all below it while a block runs."""
    peak, is_over = Peak(resident_mb()), threading.Event()

    def watch():
        while not is_over.wait(PERIOD_S):
            peak.megabytes = max(peak.megabytes, resident_mb())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        is_over.set()
        watching.join()
