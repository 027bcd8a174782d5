"""A trial's words in, how its child process ended out; starts one process and ends it in time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["works", "refuses", "crashes", "hangs", "is late", "is cut short"]

REFUSED = 3  # the child's exit status for "no, and this is why"
# Of the processor. A small model needs two seconds here; a GiB of 4-bit weights computes 130 GFLOP
# in a trial, and a small board's core without vector instructions does two or three a second.
BASE_CPU_S = 60
CPU_S_PER_GIB = 60.0
PATIENCE = 2.5  # wall-clock time for each second of the processor: others compute too
_LOOK_S = 0.1
_CRASHES = frozenset(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT", "SIGFPE", "SIGTRAP", "SIGSYS")
    if hasattr(signal, name)
)
_NO_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory")
_LEAST_NATIVE = 256  # Windows tells of a crash by statuses such as 0xC0000005


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    status: int  # negative: the signal
    said: str = ""  # its last words
    is_late: bool = False  # ended by us: no answer in time
    is_stopped: bool = False  # ended by us: the server closes

    @property
    def outcome(self) -> Outcome:
        """Tell what that says of the model; what only says something of this moment is cut short.

        A crash for want of memory does: it would be another with more of it.
        """
        if self.is_stopped:
            return "is cut short"
        if self.is_late:
            return "is late"
        if self.status == 0:
            return "works"
        if self.status == REFUSED:
            return "refuses"
        if self.status == -getattr(signal, "SIGXCPU", 24):
            return "hangs"
        is_crash = -self.status in _CRASHES or self.status >= _LEAST_NATIVE
        is_for_memory = any(word in self.said for word in _NO_MEMORY)
        return "crashes" if is_crash and not is_for_memory else "is cut short"


def cpu_limit_s(size_bytes: int) -> int:
    """Choose how much of the processor a trial may take."""
    return BASE_CPU_S + int(CPU_S_PER_GIB * size_bytes / (1 << 30))


class TrialProcess:
    """One child at a time; closing ends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._is_closed = False

    def run(self, arguments: str, cpu_s: int) -> Ended:
        """Run the trial; it ends by itself once it took `cpu_s` of the processor."""
        command = [sys.executable, "-m", "engine.runtime.probe_child", arguments]
        with self._lock:
            if self._is_closed:
                return Ended(-int(signal.SIGTERM), "the engine closes", is_stopped=True)
            # The child's input says nothing; it ends when we do, and the child with it. A session
            # of its own keeps Ctrl-C, which is meant for us, from looking like a crash.
            child = self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                cwd=Path(__file__).resolve().parents[2],
                start_new_session=True,
            )
        try:
            return self._follow(child, PATIENCE * cpu_s)
        finally:
            with self._lock:
                self._child = None
            for pipe in (child.stdin, child.stderr):
                if pipe is not None:
                    pipe.close()

    def _follow(self, child: subprocess.Popen[str], patience_s: float) -> Ended:
        words: list[str] = []
        reading = threading.Thread(target=_read, args=(child, words), daemon=True)
        reading.start()
        end_s = time.monotonic() + patience_s
        is_late = False
        while child.poll() is None:
            if time.monotonic() > end_s:
                is_late = True
                child.kill()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_S)
        reading.join(_LOOK_S * 10)
        said = "".join(words).strip().splitlines()
        return Ended(child.returncode, said[-1] if said else "", is_late, self._is_closed)

    def close(self) -> None:
        """End the trial that runs and begin none any more."""
        with self._lock:
            self._is_closed = True
            if self._child is not None:
                self._child.kill()


def _read(child: subprocess.Popen[str], words: list[str]) -> None:
    """Keep the last words only: a child that chatters shall not fill our memory."""
    assert child.stderr is not None
    with suppress(ValueError, OSError):
        while text := child.stderr.read(4096):
            words[:] = [*words, text][-4:]
