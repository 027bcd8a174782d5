"""Bytes and a name in, a loaded text out, by child processes that a bad file may kill.

A parser that crashes, hangs or swallows memory ends its own process and its own file's try; the
file is tried once more in a fresh process and then refused with the reason.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ingest.errors import FileRefusedError, IngestError
from ingest.load_child import (
    FAILED,
    IDLE_S,
    LOADED,
    OUT_OF_MEMORY,
    READY,
    REFUSED,
    receive,
    receive_bytes,
    receive_head,
    receive_text,
    refusal,
    send,
    size_of,
    unpack,
)
from ingest.types import Loaded

log = logging.getLogger(__name__)

TARGET = "ingest.load.loaders:load"
IN_PROCESS_BYTES = 64 * 1024
# Read by pure Python of ours in time linear in their few bytes: a process would only add its start
# (measured below a second) to the wait for a note that was just saved.
IN_PROCESS_SUFFIXES = frozenset({".txt", ".md", ".csv", ".tsv", ".srt", ".vtt", ".log", ".py"})

_MIB = 1024**2
# Held by this process and by the child, larger files would be in memory twice beside their text.
_LARGE_BYTES = 16 * _MIB


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What one file may cost its process."""

    max_bytes: int = 2048 * _MIB  # of memory that the process can write to
    time_limit_s: float = 180.0
    time_per_mib_s: float = 30.0  # a scanned page is a second or more of reading
    start_limit_s: float = 60.0
    files_per_child: int = 200  # then a fresh one: parsers leak
    n_tries: int = 2  # of a file that ends its process

    def time_for(self, n_bytes: int) -> float:
        """Tell how long a file of a size may take."""
        return self.time_limit_s + self.time_per_mib_s * n_bytes / _MIB


class ParserDiedError(FileRefusedError):
    """A file ended its process, twice; another try later may go better."""


class LoadPool:
    """Some processes that load files; thread-safe; processes start when they are needed."""

    def __init__(
        self,
        n_children: int,
        limits: PoolLimits | None = None,
        *,
        target: str = TARGET,
        in_process: Callable[[bytes, str], Loaded] | None = None,
    ) -> None:
        """Prepare the pool.

        Args:
            target: the loading function, as `module:name`, imported by the children.
            in_process: loads small plain texts here, without a process.
        """
        self.n_children = max(1, n_children)
        self._limits = limits or PoolLimits()
        self._target = target
        self._in_process = in_process
        self._free = threading.Semaphore(self.n_children)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._is_closed = False

    def load(self, data: bytes, name: str) -> Loaded:
        """Load one file; waits while all processes are busy.

        Raises:
            FileRefusedError: the file cannot be read, or reading it ended two processes.
        """
        if self._in_process is not None and is_light(len(data), name):
            return self._in_process(data, name)
        with self._free, ExitStack() as opened:
            source = _aside(data, opened)
            del data
            reason = ""
            for _ in range(self._limits.n_tries):
                child = self._take()
                try:
                    return child.load(source, name)
                except _DiedError as error:
                    child.end()
                    reason = str(error)
                    log.warning("parser_died name=%s %s", name, reason)
                finally:
                    self._give(child)
            n_tries = self._limits.n_tries
            tried = f"; tried {n_tries} times" if n_tries > 1 else ""
            raise ParserDiedError(f"{PurePosixPath(name).name}: {reason}{tried}")

    def close(self) -> None:
        """End all processes, also those at work."""
        with self._lock:
            self._is_closed = True
            children = [*self._idle, *self._busy]
            self._idle = []
        for child in children:
            child.end()

    def _take(self) -> _Child:
        with self._lock:
            if self._is_closed:
                raise IngestError("the library is being closed")
            while self._idle:
                child = self._idle.pop()
                if child.is_fit():
                    break
                child.end()
            else:
                child = _Child(self._target, self._limits)
            self._busy.add(child)
            return child

    def _give(self, child: _Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if not self._is_closed and child.is_fit():
                self._idle.append(child)
                return
        child.end()


class _DiedError(Exception):
    """The process is of no use any more; the message says why."""


class _Child:
    """One process, used by one thread at a time."""

    def __init__(self, target: str, limits: PoolLimits) -> None:
        self._limits = limits
        self._n_files = 0
        self._is_ready = False
        self._is_answering = False  # what it has not said yet would be taken for the next answer
        self._used_at = time.monotonic()
        ours, theirs = socket.socketpair()
        self._peer = ours
        root = str(Path(__file__).resolve().parents[1])
        program = "import sys; sys.path.insert(0, sys.argv[1]); "
        program += "from ingest.load_child import main; "
        program += "socket, pipe, target, most, cpu = sys.argv[2:]; "
        program += "main((int(socket), int(pipe)), target, int(most), float(cpu))"
        lifeline, self._lifeline = os.pipe()
        fds = (theirs.fileno(), lifeline)
        words = (*fds, target, limits.max_bytes, limits.time_limit_s)
        with theirs, os.fdopen(lifeline, "rb", 0):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", program, root, *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=fds,
                start_new_session=True,  # so that a converter, its own child, ends with it
            )

    def is_fit(self) -> bool:
        """Tell whether it can be given another file; one that is idle for long ends itself."""
        is_awake = time.monotonic() - self._used_at < IDLE_S / 2
        is_young = self._n_files < self._limits.files_per_child
        is_whole = not self._is_answering and self._process.poll() is None
        return is_awake and is_young and is_whole

    def load(self, data: bytes | BinaryIO, name: str) -> Loaded:
        n_bytes = size_of(data)
        # One that read a large file keeps memory of it for good.
        self._n_files += self._limits.files_per_child if n_bytes > _LARGE_BYTES else 1
        limit_s = self._limits.time_for(n_bytes)
        try:
            if not self._is_ready:
                limit_s = self._limits.start_limit_s
                self._is_ready = receive(self._peer, time.monotonic() + limit_s)[0] == READY
                limit_s = self._limits.time_for(n_bytes)
            deadline = time.monotonic() + limit_s
            self._peer.settimeout(limit_s)
            self._is_answering = True
            send(self._peer, b"?", name.encode("utf-8", "surrogateescape"), data)
            kind, n_about, n_text = receive_head(self._peer, deadline)
            about = receive_bytes(self._peer, n_about, deadline)
            text = receive_text(self._peer, n_text, deadline)
        except TimeoutError as error:
            raise _DiedError(f"the parser took longer than {limit_s:,.1f} s") from error
        except (EOFError, OSError) as error:
            raise _DiedError(self._cause_of_death()) from error
        except UnicodeDecodeError as error:
            raise _DiedError(f"the parser sent what is no text: {error}") from error
        self._is_answering = False
        self._used_at = time.monotonic()
        return self._read(kind, about, text)

    def _read(self, kind: bytes, about: bytes, text: str) -> Loaded:
        if kind == LOADED:
            try:
                return unpack(about, text)
            except ValueError as error:
                raise _DiedError(f"the parser sent {error}") from error
        if kind == REFUSED:
            raise refusal(about, text)
        if kind == OUT_OF_MEMORY:
            mib = self._limits.max_bytes // _MIB
            raise _DiedError(f"the parser used more than {mib:,} MB of memory")
        raise IngestError(text if kind == FAILED else f"answer of unknown kind {kind!r}")

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "the parser closed its connection"
        if code >= 0:
            return f"the parser ended by itself with code {code}"
        named = {one.value: one.name for one in signal.Signals}.get(-code, "unknown")
        if -code == signal.SIGXCPU:
            return "the parser computed for too long"
        return f"the parser ended by signal {-code} ({named})"

    def end(self) -> None:
        """Kill the process with all that it started."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()
        self._process.wait(10)
        self._peer.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


def _aside(data: bytes, opened: ExitStack) -> bytes | BinaryIO:
    """Put the bytes of a large file on the disk, in a file without a name, while it is loaded."""
    if len(data) <= _LARGE_BYTES:
        return data
    try:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - `opened` closes it
        opened.callback(file.close)
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
    except OSError:  # no room: memory it is
        return data
    return file


def is_light(n_bytes: int, name: str) -> bool:
    """Tell whether a file is a plain text so small that no process is worth its start."""
    return n_bytes <= IN_PROCESS_BYTES and PurePosixPath(name).suffix.lower() in IN_PROCESS_SUFFIXES
