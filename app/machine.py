"""This machine's memory, cores, graphics memory; reads /proc, /sys, nvidia-smi."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3
_CGROUP_MEMORY = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
_NVIDIA_TIMEOUT_S = 5.0


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
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for name in _CGROUP_MEMORY if (limit := _limit(root / name))]
    vram = _vram_bytes() if has_gpu_build else 0
    return Machine(min([memory, *limits]), _n_cores(), vram)


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _limit(path: Path) -> int:
    """Read a control group's limit; 0 if there is none."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0  # "max" means no limit


def _vram_bytes() -> int:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    query = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=_NVIDIA_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    sizes = [int(line) for line in done.stdout.split() if line.isdecimal()]
    return max(sizes, default=0) * 1024**2
