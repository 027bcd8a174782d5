"""The machine in one line; reads /proc."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe() -> str:
    """Name processor, cores, memory and load."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    has = [one for one in ("avx2", "avx512f", "amx_tile") if one in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{name or platform.processor()}, {os.cpu_count()} cores ({' '.join(has)}), "
        f"{memory:.0f} GiB, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
