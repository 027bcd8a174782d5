"""A plan, a vocabulary and tensors in, a GGUF file out; writes disk, one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import LibraryError
from engine.library.convert.parts import Value
from engine.library.convert.storage import FileType, gguf_type, n_bytes, stored
from engine.library.convert.tensors import Floats
from engine.library.convert.vocabulary import Vocabulary

if TYPE_CHECKING:
    import gguf

_ID_KEYS = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unk": "unknown_token_id",
    "sep": "seperator_token_id",  # so spelled in the specification
    "pad": "padding_token_id",
    "mask": "mask_token_id",
}


@dataclass(frozen=True, slots=True)
class Out:
    """One tensor to write; `blocks`, called when its turn comes, gives some rows at a time."""

    name: str
    shape: tuple[int, ...]
    kind: FileType
    blocks: Callable[[], Iterable[Floats]]


def write_values(writer: gguf.GGUFWriter, values: Mapping[str, Value]) -> None:
    """Add metadata; the type of a value decides GGUF's."""
    for key, value in values.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, list(value))


def write_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Add the tokens and what belongs to them."""
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list([token.text for token in vocabulary.tokens])
    writer.add_token_types([int(token.kind) for token in vocabulary.tokens])
    if vocabulary.has_scores:
        writer.add_token_scores([token.score for token in vocabulary.tokens])
    if vocabulary.model == "gpt2":
        writer.add_token_merges(list(vocabulary.merges))
    if vocabulary.charsmap:
        writer.add_precompiled_charsmap(vocabulary.charsmap)
    ids = {_ID_KEYS[role]: number for role, number in vocabulary.ids.items() if role in _ID_KEYS}
    entries: dict[str, Value] = {**ids, **vocabulary.flags}
    write_values(writer, {f"tokenizer.ggml.{key}": value for key, value in entries.items()})


def write_tensors(writer: gguf.GGUFWriter, target: Path, tensors: Iterable[Out]) -> None:
    """Write the file: what was added so far, then the tensors.

    Raises:
        LibraryError: the file cannot be written.
    """
    tensors = list(tensors)
    for one in tensors:
        size, number = n_bytes(one.shape, one.kind), gguf_type(one.kind)
        # The numpy type is not looked at where GGUF's is given.
        writer.add_tensor_info(one.name, one.shape, np.dtype(np.float32), size, raw_dtype=number)
    try:
        writer.write_header_to_file(target)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        (file,) = writer.fout
        for one in tensors:
            writer.write_padding(file, file.tell())
            for block in one.blocks():
                stored(block, one.kind, one.name).tofile(file)
            writer.write_padding(file, n_bytes(one.shape, one.kind))
    except OSError as error:
        raise LibraryError(f"cannot write {target}: {error.strerror or error}") from error
