"""A GGUF file and the name of a type in, a quantized file out; computes in a child process.

llama.cpp ends the whole process on some files, which must not be the server's.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import EngineError, GgufError
from engine.library.gguf import Header
from engine.library.gguf_types import FILE_TYPES
from engine.types import Progress

log = logging.getLogger(__name__)

_ALIASES = {
    "Q3_K": "Q3_K_M",
    "Q4_K": "Q4_K_M",
    "Q5_K": "Q5_K_M",
    "MXFP4": "MXFP4_MOE",
}
_NOT_MADE = frozenset({"NVFP4"})  # read by llama.cpp, but not written by llama_model_quantize
_NUMBERS = {name: number for number, name in FILE_TYPES.items() if name not in _NOT_MADE}
_SOURCES = ("F16", "BF16", "F32")
_CHILD = (sys.executable, "-m", "engine.runtime.quantize_native")
NO_DIGEST = "0" * 19  # what Ollama's lines about work without a blob carry


def quantization(text: str) -> str:
    """Read the name of a type, in any case and with the usual short forms.

    Raises:
        EngineError: llama.cpp makes no such type; the text is Ollama's, the list ours.
    """
    name = text.strip().upper()
    name = _ALIASES.get(name, name)
    if name not in _NUMBERS:
        raise EngineError(
            f"unsupported quantization type {text.strip().upper()} - supported types are "
            f"{', '.join(_NUMBERS)}"
        )
    return name


def needs_quantizing(header: Header, name: str) -> bool:
    """Say whether a file has to be quantized to become of that type.

    Raises:
        EngineError: the file is quantized already; doing it twice would cost quality.
    """
    if header.file_type_name not in _SOURCES:
        raise EngineError("quantization is only supported for F16, BF16 and F32 models")
    return header.file_type_name != name


def quantize(
    source: Path, target: Path, header: Header, name: str, *, child: Sequence[str] = _CHILD
) -> Iterator[Progress]:
    """Write `source` as `target` with the matrices in another type; yields how far it is.

    Args:
        header: of the source.
        name: as `quantization` gives it.
        child: the program that does it; it is given source, target and the type's number.

    Raises:
        GgufError: llama.cpp refuses the file or dies of it; its own words are quoted.
    """
    status = f"quantizing {header.file_type_name} model to {name}"
    n_bytes = source.stat().st_size
    command = [*child, str(source), str(target), str(_NUMBERS[name])]
    root = Path(__file__).resolve().parents[3]
    yield Progress(status, NO_DIGEST, n_bytes)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, cwd=root) as process,
    ):
        try:
            for line in process.stdout or ():
                done, _, total = line.decode().strip().partition(" ")
                yield Progress(status, NO_DIGEST, n_bytes, n_bytes * int(done) // int(total))
            code = process.wait()
        finally:
            process.kill()  # if the caller left; an ended child does not mind
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip().splitlines()
    if code != 0:
        reason = words[-1] if words and code == 3 else _ended(code)
        log.warning("quantization_failed type=%s status=%s said=%s", name, code, words[-3:])
        raise GgufError(f"cannot quantize to {name}: {reason}")


def _ended(code: int) -> str:
    return f"llama.cpp was ended by signal {-code}" if code < 0 else f"it ended with status {code}"
