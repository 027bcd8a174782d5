"""What llama.cpp says in, its last words and the sizes of its buffers out; starts the library."""

from __future__ import annotations

import ctypes
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import llama_cpp as native

BufferKind = Literal["weights", "cache", "compute"]
_LEVEL_WARNING, _LEVEL_ERROR = 3, 4  # ggml_log_level
_SIZE = re.compile(r":\s+(\S+)\s+((?:\S+ )*)buffer size\s*=\s*([\d.]+) MiB")
_KINDS: dict[str, BufferKind] = {
    "model": "weights",
    "LoRA": "weights",
    "KV": "cache",
    "RS": "cache",
}
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Buffer:
    """One buffer that llama.cpp reserved."""

    device: str  # CPU, CPU_Mapped, CUDA0, CUDA_Host
    kind: BufferKind
    size_bytes: int


class NativeLog:
    """The last lines that llama.cpp said, kept so that a failed load can quote them."""

    def __init__(self, n_lines: int = 40) -> None:
        self._lines: deque[str] = deque(maxlen=n_lines)
        self._sizes: dict[int, list[Buffer]] = {}  # by thread, where one measures
        self._callback = native.llama_log_callback(self._take)  # must outlive the library

    def install(self) -> None:
        """Send llama.cpp's words here instead of to stderr."""
        native.llama_log_set(self._callback, ctypes.c_void_p(0))

    def install_media(self) -> None:
        """Send libmtmd's words here too."""
        from llama_cpp import mtmd_cpp  # another library, which most models do not need

        mtmd_cpp.mtmd_log_set(self._callback, ctypes.c_void_p(0))
        mtmd_cpp.mtmd_helper_log_set(self._callback, ctypes.c_void_p(0))

    @contextmanager
    def measured(self) -> Iterator[list[Buffer]]:
        """Collect every buffer that llama.cpp says this thread reserves."""
        thread = threading.get_ident()
        outer = self._sizes.get(thread)
        found: list[Buffer] = []
        self._sizes[thread] = found
        try:
            yield found
        finally:
            if outer is None:
                del self._sizes[thread]
            else:
                self._sizes[thread] = outer

    def _take(self, level: int, text: bytes, _: object) -> None:
        sizes = self._sizes.get(threading.get_ident())
        if sizes is not None and (said := _SIZE.search(text.decode("utf-8", "replace"))):
            words = said[2].split()
            known: Iterator[BufferKind] = (_KINDS[one] for one in words if one in _KINDS)
            kind: BufferKind = next(known, "compute")
            sizes.append(Buffer(said[1], kind, int(float(said[3]) * _MIB)))
        if level in (_LEVEL_WARNING, _LEVEL_ERROR):
            self._lines.append(" ".join(text.decode("utf-8", "replace").split()))

    def tail(self) -> str:
        """Quote the last words, oldest first, and forget them."""
        said = "; ".join(line for line in list(self._lines)[-4:] if line)
        self._lines.clear()
        return said


LOG = NativeLog()
_START = threading.Lock()
_is_started = threading.Event()


def start_backend() -> None:
    """Initialise llama.cpp once per process."""
    with _START:
        if not _is_started.is_set():
            LOG.install()
            native.llama_backend_init()
            _is_started.set()
