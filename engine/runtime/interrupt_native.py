"""Another thread's wish in, a step of llama.cpp that ends early out; touches a running context."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import llama_cpp as native

from engine.runtime.llama import Context


class Interrupt:
    """Ends one step between two of its operations; any thread may ask for that at any time.

    llama.cpp asks before every operation. A function of Python's would need the interpreter's lock
    each time, so the answer is the length of a text that `set` writes: none, or one letter.
    """

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Let the step end, without a result."""
        self._text[0] = b"x"

    @property
    def is_set(self) -> bool:
        """Whether it is to end."""
        return self._text.value != b""

    @contextmanager
    def watched(self, context: Context) -> Iterator[None]:
        """Let the steps of a context that run inside end when `set` is called."""
        length = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).strlen
        answer = native.ggml_abort_callback(ctypes.cast(length, ctypes.c_void_p).value or 0)
        native.llama_set_abort_callback(context.pointer, answer, ctypes.addressof(self._text))
        try:
            yield
        finally:
            nobody = native.ggml_abort_callback(0)
            native.llama_set_abort_callback(context.pointer, nobody, None)
