"""Files on a socket in, their texts on the same socket out, in a process that may die.

Runs as a program of its own, started by load_pool.py. The answer is JSON and numbers beside plain
UTF-8, never a pickle: a parser that a hostile file has taken over must not be able to take over its
reader.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import struct
import sys
import threading
import time
from array import array
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from typing import Any, BinaryIO

from ingest import errors
from ingest.errors import FileRefusedError, TooLargeError
from ingest.types import Block, Loaded

HEAD = struct.Struct("<cQQ")  # kind, then the bytes of its first and of its second part
MAX_ANSWER_BYTES = 1024**3
IDLE_S = 60.0  # a child that nobody asks for so long gives its memory back
LOADED, REFUSED, OUT_OF_MEMORY, FAILED, READY = b"L", b"R", b"M", b"E", b"+"

_TOLD = ("title", "media_type", "warnings")
_LENGTH = struct.Struct("<Q")
_N_COLUMNS = 7
_PIECE = 1024**2  # bytes or characters that are sent or received at once
_ORPHAN_S = 2.0
_CPU_FACTOR = 4  # seconds of computing in a second of waiting: several threads at most


def pack(loaded: Loaded) -> bytes:
    """Write the structure of a loaded text as bytes: JSON, then its blocks as columns of numbers.

    Source: columns instead of rows, as in Apache Arrow; a row of JSON for each block cost more time
    than all the reading of a long plain text.
    """
    about: dict[str, object] = {name: getattr(loaded, name) for name in _TOLD}
    headings: dict[tuple[str, ...], int] = {}
    kinds: dict[str, int] = {}
    blocks = loaded.blocks
    columns = (
        (block.start for block in blocks),
        (block.end for block in blocks),
        (kinds.setdefault(block.kind, len(kinds)) for block in blocks),
        (headings.setdefault(block.headings, len(headings)) for block in blocks),
        (0 if block.page is None else block.page + 1 for block in blocks),
        (0 if block.header is None else block.header[0] + 1 for block in blocks),
        (0 if block.header is None else block.header[1] + 1 for block in blocks),
    )
    numbers = [array("Q", one) for one in columns]
    about |= {"metadata": dict(loaded.metadata), "headings": list(headings), "kinds": list(kinds)}
    told = json.dumps(about).encode()
    return b"".join([_LENGTH.pack(len(told)), told, *numbers])


def unpack(about: bytes, text: str) -> Loaded:
    """Read what `pack` wrote.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        (n_told,) = _LENGTH.unpack_from(about)
        told: dict[str, Any] = json.loads(about[_LENGTH.size : _LENGTH.size + n_told])
        blocks = _blocks(array("Q", about[_LENGTH.size + n_told :]), told)
        rest: dict[str, Any] = {name: told[name] for name in (*_TOLD, "metadata")}
        rest["warnings"] = tuple(rest["warnings"])
        return Loaded(text=text, blocks=blocks, **rest)
    except (TypeError, KeyError, IndexError, AttributeError, struct.error) as error:
        raise ValueError(f"not a loaded text: {error}") from error


def _blocks(numbers: array[int], told: dict[str, Any]) -> tuple[Block, ...]:
    n_blocks, rest = divmod(len(numbers), _N_COLUMNS)
    if rest:
        raise ValueError(f"not a loaded text: {len(numbers)} numbers in {_N_COLUMNS} columns")
    starts, ends, kinds, headings, pages, firsts, lasts = (
        numbers[at * n_blocks : (at + 1) * n_blocks] for at in range(_N_COLUMNS)
    )
    paths = [tuple(one) for one in told["headings"]]  # one object for all blocks below it
    headers = (
        (first - 1, last - 1) if first else None for first, last in zip(firsts, lasts, strict=True)
    )
    return tuple(
        map(
            Block,
            starts,
            ends,
            map(told["kinds"].__getitem__, kinds),
            map(paths.__getitem__, headings),
            (page - 1 if page else None for page in pages),
            headers,
        )
    )


def refusal(about: bytes, text: str) -> FileRefusedError:
    """Read the refusal that a child sent; an unknown kind becomes the general one."""
    kind = getattr(errors, about.decode("utf-8", "replace"), FileRefusedError)
    if not (isinstance(kind, type) and issubclass(kind, FileRefusedError)):
        kind = FileRefusedError
    return kind(text)


def receive(
    peer: socket.socket, deadline: float | None = None, max_bytes: int = MAX_ANSWER_BYTES
) -> tuple[bytes, bytes, bytes]:
    """Read one message: kind, first part, second part.

    Raises:
        EOFError: the other side is gone.
        TimeoutError: it took longer than until the deadline.
        TooLargeError: it announces more bytes than allowed.
    """
    kind, n_first, n_second = receive_head(peer, deadline, max_bytes)
    return kind, receive_bytes(peer, n_first, deadline), receive_bytes(peer, n_second, deadline)


def receive_head(
    peer: socket.socket, deadline: float | None = None, max_bytes: int = MAX_ANSWER_BYTES
) -> tuple[bytes, int, int]:
    """Read what one message is: kind, bytes of its first and of its second part.

    Raises:
        as `receive`.
    """
    kind, n_first, n_second = HEAD.unpack(receive_bytes(peer, HEAD.size, deadline))
    if n_first + n_second > max_bytes:
        raise TooLargeError(_too_large(max_bytes))
    return kind, n_first, n_second


def receive_bytes(peer: socket.socket, n_bytes: int, deadline: float | None = None) -> bytes:
    """Read so many bytes; a long part is held once and not twice."""
    data = BytesIO()
    for piece in _pieces(peer, n_bytes, deadline):
        data.write(piece)
    return data.getvalue()


def receive_text(peer: socket.socket, n_bytes: int, deadline: float | None = None) -> str:
    """Read so many bytes of UTF-8; a long text is held once and not twice.

    Raises:
        ValueError: they are not UTF-8.
    """
    decoder = getincrementaldecoder("utf-8")("surrogatepass")
    text = ""
    for piece in _pieces(peer, n_bytes, deadline):
        text += decoder.decode(piece)  # grows in place, as nobody else holds it
    return text + decoder.decode(b"", final=True)


def send(peer: socket.socket, kind: bytes, first: bytes, second: bytes | str | BinaryIO) -> None:
    """Write one message; a text as UTF-8, never as a whole, a file from its first byte on."""
    peer.sendall(HEAD.pack(kind, len(first), size_of(second)) + first)
    if isinstance(second, bytes):
        peer.sendall(second)
    elif not isinstance(second, str):
        peer.sendfile(second, 0)
    else:
        for piece in _encoded(second):
            peer.sendall(piece)


def size_of(part: bytes | str | BinaryIO) -> int:
    """Count the bytes of what is sent."""
    if isinstance(part, bytes):
        return len(part)
    return _n_encoded(part) if isinstance(part, str) else os.fstat(part.fileno()).st_size


def _encoded(text: str) -> Iterator[bytes]:
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE].encode("utf-8", "surrogatepass")


def _too_large(max_bytes: int) -> str:
    return f"its text has over {max_bytes:,} bytes: split the file"


def _n_encoded(text: str) -> int:
    return len(text) if text.isascii() else sum(map(len, _encoded(text)))


def _pieces(peer: socket.socket, n_bytes: int, deadline: float | None) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(n_bytes, _PIECE)))
    left = n_bytes
    while left:
        if deadline is not None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            peer.settimeout(left_s)
        n_read = peer.recv_into(buffer[:left])
        if not n_read:
            raise EOFError
        left -= n_read
        yield buffer[:n_read]


def serve(peer: socket.socket, load: Callable[[bytes, str], Loaded], max_cpu_s: float) -> None:
    """Load what is asked for until the other side is gone or stays silent."""
    send(peer, READY, b"", b"")
    peer.settimeout(IDLE_S)
    while True:
        try:
            _, name, *data = receive(peer)
        except (EOFError, OSError):
            return
        _allow_cpu(max_cpu_s)
        send(peer, *_answer(load, data, name.decode("utf-8", "surrogateescape")))


def _answer(
    load: Callable[[bytes, str], Loaded], data: list[bytes], name: str
) -> tuple[bytes, bytes, bytes | str]:
    try:
        loaded = load(data.pop(), name)  # so that its bytes are gone when its text is sent
        about, text = pack(loaded), loaded.text
    except FileRefusedError as error:
        return REFUSED, type(error).__name__.encode(), str(error)
    except MemoryError:
        return OUT_OF_MEMORY, b"", b""
    except Exception as error:  # noqa: BLE001 - the edge: parsers may raise anything
        return FAILED, b"", f"{type(error).__name__}: {error}"[:2000]
    if len(about) + _n_encoded(text) > MAX_ANSWER_BYTES:
        return REFUSED, b"TooLargeError", _too_large(MAX_ANSWER_BYTES)
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


def _die_with(lifeline: int) -> None:
    """Have the kernel end this process and all it started when the other end of a pipe closes.

    A thread that looks whether the parent is there does not suffice: a parser stuck in C holds the
    interpreter, and no thread runs. The default action of SIGIO is to end the process.
    """
    try:
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_NONBLOCK | getattr(os, "O_ASYNC", 0))
        os.read(lifeline, 1)
    except BlockingIOError:
        return  # the parent is there
    except OSError as error:  # pragma: no cover - systems that cannot do it; the thread can
        sys.stderr.write(f"no lifeline: {error}\n")
        return
    os._exit(0)


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHAN_S)
    os._exit(0)


def main(fds: tuple[int, int], target: str, max_bytes: int, max_cpu_s: float) -> None:
    """Serve on an inherited socket; what a parser prints goes nowhere.

    Args:
        fds: the socket, and the end of a pipe that nothing is written to while the parent lives.
        target: the loading function, as `module:name`.
    """
    parent = os.getppid()
    _limit_memory(max_bytes)
    _die_with(fds[1])
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    module, _, name = target.partition(":")
    load = getattr(import_module(module), name)
    with socket.socket(fileno=fds[0]) as peer:
        serve(peer, load, max_cpu_s)
    sys.stdout.flush()
    os._exit(0)
