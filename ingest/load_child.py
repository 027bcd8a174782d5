"""Files on a socket in, their texts on the same socket out, in a process that may die.

Runs as a program of its own, started by load_pool.py. The answer is JSON beside plain UTF-8, never
a pickle: a parser that a hostile file has taken over must not be able to take over its reader.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from importlib import import_module
from typing import Any

from ingest import errors
from ingest.errors import FileRefusedError, TooLargeError
from ingest.types import Block, Loaded

HEAD = struct.Struct("<cQQ")  # kind, then the bytes of its first and of its second part
MAX_ANSWER_BYTES = 1024**3
IDLE_S = 60.0  # a child that nobody asks for so long gives its memory back
LOADED, REFUSED, OUT_OF_MEMORY, FAILED, READY = b"L", b"R", b"M", b"E", b"+"

_ORPHAN_S = 2.0
_CPU_FACTOR = 4  # seconds of computing in a second of waiting: several threads at most


def pack(loaded: Loaded) -> tuple[bytes, bytes]:
    """Write a loaded text as bytes: its structure, and the text itself."""
    about = {one.name: getattr(loaded, one.name) for one in fields(Loaded) if one.name != "text"}
    about["metadata"] = dict(loaded.metadata)
    names = [one.name for one in fields(Block)]
    about["blocks"] = [[getattr(block, name) for name in names] for block in loaded.blocks]
    return json.dumps(about).encode(), loaded.text.encode("utf-8", "surrogatepass")


def unpack(about: bytes, text: bytes) -> Loaded:
    """Read what `pack` wrote.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        read: dict[str, Any] = json.loads(about)
        rows: list[list[Any]] = [_without_lists(one) for one in read.pop("blocks")]
        blocks = tuple(Block(*row) for row in rows)
        rest: dict[str, Any] = dict(zip(read, _without_lists(read.values()), strict=True))
        return Loaded(text=text.decode("utf-8", "surrogatepass"), blocks=blocks, **rest)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a loaded text: {error}") from error


def refusal(about: bytes, text: bytes) -> FileRefusedError:
    """Read the refusal that a child sent; an unknown kind becomes the general one."""
    kind = getattr(errors, about.decode("utf-8", "replace"), FileRefusedError)
    if not (isinstance(kind, type) and issubclass(kind, FileRefusedError)):
        kind = FileRefusedError
    return kind(text.decode("utf-8", "replace"))


def _without_lists(values: Iterable[object]) -> list[object]:
    return [tuple(one) if isinstance(one, list) else one for one in values]


def receive(
    peer: socket.socket, deadline: float | None = None, max_bytes: int = MAX_ANSWER_BYTES
) -> tuple[bytes, bytes, bytes]:
    """Read one message: kind, first part, second part.

    Raises:
        EOFError: the other side is gone.
        TimeoutError: it took longer than until the deadline.
        TooLargeError: it announces more bytes than allowed.
    """
    kind, n_first, n_second = HEAD.unpack(_exactly(peer, HEAD.size, deadline))
    if n_first + n_second > max_bytes:
        raise TooLargeError(f"its text has over {max_bytes:,} bytes: split the file")
    return kind, _exactly(peer, n_first, deadline), _exactly(peer, n_second, deadline)


def send(peer: socket.socket, kind: bytes, first: bytes, second: bytes) -> None:
    """Write one message."""
    peer.sendall(HEAD.pack(kind, len(first), len(second)) + first)
    peer.sendall(second)


def _exactly(peer: socket.socket, n_bytes: int, deadline: float | None) -> bytes:
    data = bytearray(n_bytes)
    view, at = memoryview(data), 0
    while at < n_bytes:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            peer.settimeout(left)
        n_read = peer.recv_into(view[at:])
        if not n_read:
            raise EOFError
        at += n_read
    return bytes(data)


def serve(peer: socket.socket, load: Callable[[bytes, str], Loaded], max_cpu_s: float) -> None:
    """Load what is asked for until the other side is gone or stays silent."""
    send(peer, READY, b"", b"")
    peer.settimeout(IDLE_S)
    while True:
        try:
            _, name, data = receive(peer)
        except (EOFError, OSError):
            return
        _allow_cpu(max_cpu_s)
        send(peer, *_answer(load, data, name.decode("utf-8", "surrogateescape")))


def _answer(
    load: Callable[[bytes, str], Loaded], data: bytes, name: str
) -> tuple[bytes, bytes, bytes]:
    try:
        about, text = pack(load(data, name))
    except FileRefusedError as error:
        return REFUSED, type(error).__name__.encode(), str(error).encode(errors="replace")
    except MemoryError:
        return OUT_OF_MEMORY, b"", b""
    except Exception as error:  # noqa: BLE001 - the edge: parsers may raise anything
        return FAILED, b"", f"{type(error).__name__}: {error}".encode(errors="replace")[:2000]
    if len(about) + len(text) > MAX_ANSWER_BYTES:
        refused = f"its text has over {MAX_ANSWER_BYTES:,} bytes: split the file".encode()
        return REFUSED, b"TooLargeError", refused
    return LOADED, about, text


def _allow_cpu(max_cpu_s: float) -> None:
    """Let the kernel end what nobody can end any more: the parent may be gone already."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + max_cpu_s * _CPU_FACTOR) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def _limit_memory(max_bytes: int) -> None:
    # DATA and not AS: what is reserved but cannot be written, as pandoc's terabyte, is no memory.
    for limit, value in ((resource.RLIMIT_DATA, max_bytes), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError) as error:  # pragma: no cover - systems without it
            sys.stderr.write(f"no limit {limit}: {error}\n")


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHAN_S)
    os._exit(0)


def main(fd: int, target: str, max_bytes: int, max_cpu_s: float) -> None:
    """Serve on an inherited socket; what a parser prints goes nowhere.

    Args:
        target: the loading function, as `module:name`.
    """
    parent = os.getppid()
    _limit_memory(max_bytes)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    module, _, name = target.partition(":")
    load = getattr(import_module(module), name)
    with socket.socket(fileno=fd) as peer:
        serve(peer, load, max_cpu_s)
    sys.stdout.flush()
    os._exit(0)
