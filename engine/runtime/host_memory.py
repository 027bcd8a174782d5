"""Nothing in, this machine's memory as the process may use it out; reads /proc and cgroups."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_VM_STAT = "/usr/bin/vm_stat"
_VM_STAT_TIMEOUT_S = 5.0
_PAGE = re.compile(r"page size of (\d+) bytes")
_PAGES = re.compile(r"Pages (?:free|inactive|speculative|purgeable):\s+(\d+)")
_CGROUPS = (  # limit, use and statistics: version 2, then 1
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Main memory."""

    free_bytes: int  # what can be taken without swapping; cached files count, for they give way
    total_bytes: int  # of the machine, or of the container if that is less


def host_memory(root: Path = Path("/")) -> HostMemory:
    """Measure main memory, within the limits of a container (cgroup version 1 or 2)."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    known = _meminfo(root / "proc" / "meminfo")
    free = known.get("MemAvailable", 0)
    if not known:
        free = _mac_free() if sys.platform == "darwin" else total
    total = min(total, known.get("MemTotal", total))
    for limit, left in _limits(root):
        total, free = min(total, limit), min(free, left)
    return HostMemory(free, total)


def _meminfo(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines]
    return {part[0].rstrip(":"): int(part[1]) * 1024 for part in parts if part[1:2]}


def _limits(root: Path) -> list[tuple[int, int]]:
    """Give (limit, what is left of it) of every control group that limits this process."""
    found = []
    for names in _CGROUPS:
        for folder in _folders(root, names[0]):
            limit, used = _number(folder / names[0]), _number(folder / names[1])
            if limit:
                # Cached files give way when memory is short, those that were read twice too (as
                # every model file is, by its trial and its load). MemAvailable counts both.
                statistics = folder / names[2]
                cached = sum(_statistic(statistics, f"{one}active_file") for one in ("", "in"))
                found.append((limit, max(0, limit - max(0, used - cached))))
    return found


def _folders(root: Path, limit: str) -> list[Path]:
    """Name the folders of this process's group and of the root as a container sees it."""
    base = root / "sys" / "fs" / "cgroup"
    folders = [base]
    if "/" not in limit:
        try:
            said = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8")
        except OSError:
            said = ""
        for line in said.splitlines():
            if line.startswith("0::/") and len(line) > len("0::/"):
                own = base / line.removeprefix("0::/")
                folders += [own, *[one for one in own.parents if base in one.parents]]
    return folders


def _number(file: Path) -> int:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return 0
    number = int(text) if text.isdecimal() else 0  # "max" means no limit
    return number if number < 1 << 60 else 0  # version 1 says so with a huge number


def _statistic(file: Path, name: str) -> int:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)


def _mac_free() -> int:
    try:
        said = subprocess.run(
            [_VM_STAT], capture_output=True, text=True, timeout=_VM_STAT_TIMEOUT_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    page = _PAGE.search(said)
    return int(page[1]) * sum(map(int, _PAGES.findall(said))) if page else 0


def give_back_memory() -> None:
    """Ask the allocator to let go of what is free, which it otherwise keeps for this process."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc's
        trim(0)
