"""The parts of a split GGUF file in, one whole file out; reads and writes the disk.

Source: llama.cpp, tools/gguf-split (keys split.no, split.count, split.tensors.count).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import GgufError
from engine.library.gguf import Header, read_header

if TYPE_CHECKING:
    import gguf

_NAME = re.compile(r"(.*)-\d{5}-of-\d{5}(?:\.gguf)?")
_KEYS = frozenset({"split.no", "split.count", "split.tensors.count"})
_MAX_TOLD = 10  # missing parts; the count is a stranger's word and may be astronomic


@dataclass(frozen=True, slots=True)
class Source:
    """One uploaded GGUF file."""

    name: str  # as the client calls it
    digest: str
    path: Path
    header: Header


def n_parts(header: Header) -> int:
    """Tell of how many parts the file is one; a whole file is one of one."""
    return _whole(header, "split.count", 1)


def groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Put the parts of each split file together, in their order; a whole file stands alone.

    Raises:
        GgufError: a part is missing, stands twice or belongs to another file.
    """
    found: dict[str, list[Source]] = {}
    for source in sources:
        match = _NAME.fullmatch(source.name) if n_parts(source.header) > 1 else None
        key = f"parts of {match[1]}" if match else source.name
        if n_parts(source.header) > 1 and match is None:
            key = "parts"  # without telling names, all parts are taken for those of one file
        found.setdefault(key, []).append(source)
    return [_checked(group) for group in found.values()]


def merge(parts: Sequence[Source], target: Path) -> None:
    """Write the tensors of all parts behind the metadata of the first.

    Args:
        parts: as `groups` gives them.

    Raises:
        GgufError: a part cannot be read or a tensor stands twice.
    """
    import gguf

    try:
        readers = [gguf.GGUFReader(part.path) for part in parts]
        writer = gguf.GGUFWriter(target, arch=parts[0].header.architecture)
        _copy_metadata(readers[0], writer)
        for reader in readers:
            for tensor in reader.tensors:
                writer.add_tensor_info(
                    tensor.name,
                    tensor.data.shape,
                    tensor.data.dtype,
                    tensor.data.nbytes,
                    tensor.tensor_type,
                )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for reader in readers:
            for tensor in reader.tensors:
                writer.write_tensor_data(tensor.data)
        writer.close()
    except (ValueError, KeyError, IndexError) as error:
        raise GgufError(f"cannot merge the parts of {parts[0].name}: {error}") from error
    merged = read_header(target, max_items=0)
    if len(merged.tensors) != sum(len(part.header.tensors) for part in parts):
        raise GgufError(f"cannot merge the parts of {parts[0].name}: tensors were lost")


def _copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    import gguf

    for field in reader.fields.values():
        is_own = field.name.startswith("GGUF.") or field.name == "general.architecture"
        if is_own or field.name in _KEYS:
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)


def _checked(group: Sequence[Source]) -> list[Source]:
    first = group[0]
    count = n_parts(first.header)
    if count <= 1:  # 0 is what llama.cpp writes into a file that it has merged
        return list(group)
    by_place: dict[int, Source] = {}
    for part in group:
        place = _whole(part.header, "split.no", 0)
        if n_parts(part.header) != count or place in by_place or not 0 <= place < count:
            raise GgufError(f"{part.name} and {first.name} are not parts of one split model")
        by_place[place] = part
    if len(by_place) < count:
        absent = (str(place + 1) for place in range(count) if place not in by_place)
        missing = ", ".join(islice(absent, _MAX_TOLD))
        raise GgufError(f"{first.name} is one of {count} parts; missing: part {missing}")
    parts = [by_place[place] for place in range(count)]
    _check_tensors(parts)
    return parts


def _check_tensors(parts: Sequence[Source]) -> None:
    names = [tensor.name for part in parts for tensor in part.header.tensors]
    expected = _whole(parts[0].header, "split.tensors.count", len(names))
    if len(names) != expected or len(set(names)) != expected:
        raise GgufError(
            f"the parts of {parts[0].name} hold {len(names)} tensors ({len(set(names))} of them "
            f"different), {expected} are announced; are they parts of one model?"
        )


def _whole(header: Header, key: str, default: int) -> int:
    metadata: Mapping[str, object] = header.metadata
    value = metadata.get(key, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
