"""This machine's memory, cores, graphics memory; reads /proc and /sys, asks llama.cpp."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.runtime.host_memory import host_memory

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Machine:
    """What a model can have here."""

    memory_bytes: int  # of the machine, or of the container if that is less
    n_cores: int  # that this process may use
    vram_bytes: int = 0  # of the largest GPU that can be used; 0 = none


def measure(*, has_gpu_build: bool, root: Path = Path("/")) -> Machine:
    """Measure the machine as this process sees it.

    Args:
        has_gpu_build: whether the engine's native layer can use a GPU at all.
    """
    vram = _vram_bytes() if has_gpu_build else 0
    return Machine(host_memory(root).total_bytes, _n_cores(), vram)


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _vram_bytes() -> int:
    from engine.runtime.devices_native import gpus  # loads llama.cpp

    return max((one.total_bytes for one in gpus()), default=0)
