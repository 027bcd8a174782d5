"""A folder with a LoRA adapter's safetensors in, a GGUF adapter out; reads and writes disk."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.errors import RequestError
from engine.library.convert.decoder import DECODERS, LAYER_NAMES, row_changes
from engine.library.convert.folder import read_object
from engine.library.convert.parts import Change
from engine.library.convert.settings import Settings
from engine.library.convert.tensors import Floats, Stored, open_tensors
from engine.library.convert.write import Out, write_tensors, write_values
from engine.library.gguf import Header, read_header

_NAME = re.compile(
    r"(?:base_model\.model\.)?(?P<base>.+)\.lora_(?P<embedding>embedding_)?(?P<half>[AB])"
    r"(?:\.default)?(?:\.weight)?"
)
_LAYER = re.compile(r"(?:.*\.)?layers\.(?P<number>\d{1,4})\.(?P<name>.+)")
_EMBEDDINGS, _OUTPUT = "token_embd.weight", "output.weight"


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two factors of what is added to one matrix."""

    base: str  # name of the matrix in the source
    target: str  # name of the matrix in the GGUF model
    a: Stored
    b: Stored
    shape: tuple[int, int]  # of the matrix: rows, columns

    @property
    def rank(self) -> int:
        """Give the width of the bottleneck."""
        return self.a.shape[0]


def convert_adapter(folder: Path, base_gguf: Path, target: Path) -> None:
    """Convert a LoRA adapter in the form of PEFT to GGUF.

    Args:
        folder: holds adapter_config.json and adapter_model.safetensors.
        base_gguf: the model that the adapter belongs to; it says how rows are ordered.

    Raises:
        RequestError: the adapter is of a kind that llama.cpp cannot add, does not fit the model, or
            is damaged.
        GgufError: the model's file cannot be read.
        LibraryError: the target cannot be written.
    """
    import gguf

    config = Settings(read_object(folder / "adapter_config.json"), "adapter_config.json")
    _check_kind(config)
    header = read_header(base_gguf, max_items=0)
    changes = _changes(header)
    pairs = list(_pairs(open_tensors(folder, "adapter_model"), header))
    alpha = config.number("lora_alpha", 8)
    writer = gguf.GGUFWriter(None, header.architecture)
    try:
        write_values(
            writer,
            {"general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": alpha},
        )
        write_tensors(writer, target, _outputs(pairs, config, alpha, changes))
    finally:
        writer.close()


def _check_kind(config: Settings) -> None:
    """Refuse what is more than two factors per matrix."""
    config.one_of("peft_type", ("LORA",), "LORA")
    config.one_of("bias", ("none",), "none")
    for key in ("use_dora", "fan_in_fan_out", "alora_invocation_tokens", "trainable_token_indices"):
        if config.values.get(key):
            raise RequestError(f"adapter_config.json: adapters with {key} cannot be converted")
    saved = config.values.get("modules_to_save")
    if saved:
        raise RequestError(
            f"adapter_config.json: modules_to_save {saved!r}: whole matrices cannot be converted, "
            "only added ones; merge the adapter into its model and convert that"
        )


def _changes(header: Header) -> Mapping[str, Change]:
    families = {family.architecture: family for family in DECODERS.values()}
    name = header.architecture
    if name not in families:
        raise RequestError(
            f"adapters for models of the architecture {name!r} cannot be converted; supported: "
            f"{', '.join(sorted(families))}"
        )
    if not families[name].swaps_rotation:
        return {}
    sizes = Settings(header.metadata, "the model")
    n_heads = sizes.whole(f"{name}.attention.head_count")
    n_kv = sizes.whole(f"{name}.attention.head_count_kv", n_heads)
    return row_changes(families[name], n_heads, n_kv)


def _pairs(tensors: Mapping[str, Stored], header: Header) -> Iterator[_Pair]:
    halves: dict[str, dict[str, Stored]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise RequestError(f"the adapter's tensor {name} is no factor of a LoRA")
        halves.setdefault(match["base"], {})[match["half"]] = tensor
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    for base, both in sorted(halves.items()):
        target = _target(base)
        shape = shapes.get(target, ())
        if len(shape) != 2:
            raise RequestError(f"the adapter changes {base}, which the model does not have")
        if len(both) != 2:
            raise RequestError(f"the adapter has only one of the two factors of {base}")
        pair = _Pair(base, target, both["A"], both["B"], (shape[1], shape[0]))
        _check_shapes(pair)
        yield pair
    if not halves:
        raise RequestError("the adapter has no tensors")


def _target(base: str) -> str:
    if base.endswith("embed_tokens"):
        return _EMBEDDINGS
    if base.endswith("lm_head"):
        return _OUTPUT
    match = _LAYER.fullmatch(base)
    if match is None or match["name"] not in LAYER_NAMES:
        raise RequestError(
            f"the adapter changes {base}; supported: {', '.join(LAYER_NAMES)}, embed_tokens, "
            "lm_head"
        )
    return f"blk.{int(match['number'])}.{LAYER_NAMES[match['name']]}.weight"


def _check_shapes(pair: _Pair) -> None:
    rows, columns = pair.shape
    # For embeddings the matrix is looked up by row, so PEFT counts it the other way round.
    wanted = (columns, rows) if pair.target == _EMBEDDINGS else (rows, columns)
    a, b = pair.a.shape, pair.b.shape
    if len(a) != 2 or len(b) != 2 or a[0] != b[1] or (b[0], a[1]) != wanted or not a[0]:
        raise RequestError(
            f"the adapter's factors of {pair.base} have the shapes {list(a)} and {list(b)}; the "
            f"model's matrix has {rows:,} rows and {columns:,} columns: another model's adapter?"
        )


def _outputs(
    pairs: list[_Pair], config: Settings, alpha: float, changes: Mapping[str, Change]
) -> Iterator[Out]:
    for pair in pairs:
        # llama.cpp multiplies by alpha / rank everywhere; what differs goes into the factor B.
        factor = _scale(pair, config) * pair.rank / alpha
        change = changes.get(pair.target.split(".")[-2])
        is_embedding = pair.target == _EMBEDDINGS
        a_shape = pair.a.shape[::-1] if is_embedding else pair.a.shape
        read_a = partial(_first, pair.a, is_embedding)
        read_b = partial(_second, pair.b, factor, change)
        yield Out(f"{pair.target}.lora_a", a_shape, "f32", read_a)
        yield Out(f"{pair.target}.lora_b", pair.b.shape, "f32", read_b)


def _first(tensor: Stored, is_embedding: bool) -> Iterator[Floats]:
    values = tensor.read()
    yield values.T if is_embedding else values


def _second(tensor: Stored, factor: float, change: Change | None) -> Iterator[Floats]:
    values = tensor.read()
    values = values if change is None else change(values)
    yield values if factor == 1 else values * np.float32(factor)


def _scale(pair: _Pair, config: Settings) -> float:
    """Compute what PEFT multiplies the product by.

    Source: `LoraLayer.update_layer` in huggingface/peft (tuners/lora/layer.py).
    """
    alpha = config.number("lora_alpha", 8)
    patterns = config.section("alpha_pattern")
    for key in patterns.values:
        if pair.base == key or pair.base.endswith(f".{key}"):
            alpha = patterns.number(key)
    return alpha / (math.sqrt(pair.rank) if config.values.get("use_rslora") else pair.rank)
