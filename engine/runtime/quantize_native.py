"""A GGUF file and a type in, a quantized file out: one native call, made in a process of its own.

llama.cpp ends the process on some files, so nothing here runs inside the server. Progress goes to
standard output as lines of "done total"; what went wrong goes to standard error, with status 3.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from engine.errors import GgufError
from engine.library.gguf import TensorInfo, read_header

_STEP = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")
_LEVEL_WARNING = 3  # ggml_log_level
# Types of so few bits that llama.cpp asks which weights matter (llama-quant.cpp,
# tensor_requires_imatrix).
_NEEDS_IMPORTANCE = frozenset({19, 20, 21, 22, 23, 24, 28, 29, 31})


class _Listener:
    """Turns llama.cpp's words into progress, and keeps its last complaint."""

    def __init__(self) -> None:
        self.complaint = ""
        self.callback = native.llama_log_callback(self._take)  # must outlive the call

    def _take(self, level: int, text: bytes, _: object) -> None:
        words = text.decode("utf-8", "replace")
        if step := _STEP.match(words):
            try:
                sys.stdout.write(f"{step[1]} {step[2]}\n")
                sys.stdout.flush()
            except OSError:
                # Whoever wanted it is dead. An exception would not get through llama.cpp, which
                # would go on for an hour.
                os._exit(3)
        elif level >= _LEVEL_WARNING and words.strip():
            self.complaint = words.strip().rpartition(": ")[2]


class _Importance:
    """Equal importance of all weights, for types that insist on being told."""

    def __init__(self, tensors: Sequence[TensorInfo]) -> None:
        matrices = [tensor for tensor in tensors if len(tensor.shape) > 1]
        self._values: list[NDArray[np.float32]] = [
            np.ones(tensor.shape[0] * (tensor.shape[2] if len(tensor.shape) > 2 else 1), np.float32)
            for tensor in matrices
        ]
        entry = native.llama_model_imatrix_data
        # A nameless entry ends the list.
        self.entries = (entry * (len(matrices) + 1))()
        pointer = ctypes.POINTER(ctypes.c_float)
        for at, (tensor, values) in enumerate(zip(matrices, self._values, strict=True)):
            self.entries[at] = entry(
                tensor.name.encode(), values.ctypes.data_as(pointer), values.size
            )


def main(source: str, target: str, file_type: str) -> int:
    """Quantize one file; give the exit status."""
    listener = _Listener()
    native.llama_log_set(listener.callback, ctypes.c_void_p(0))
    params = native.llama_model_quantize_default_params()
    params.ftype = int(file_type)
    if params.ftype in _NEEDS_IMPORTANCE:
        try:
            importance = _Importance(read_header(Path(source), max_items=0).tensors)
        except GgufError as error:
            sys.stderr.write(f"{error}\n")
            return 3
        params.imatrix = importance.entries
    status = native.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params))
    if status != 0:
        sys.stderr.write(f"{listener.complaint or 'no reason given'}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
