"""A GGUF header in, bytes of weights by layer and of cache by token out; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.library.gguf import Header, TensorInfo
from engine.library.gguf_types import TENSOR_TYPES

_LAYER = re.compile(r"(?:enc\.|dec\.)?blk\.(\d+)\.")
_BLOCKS = {name: (n_items, n_bytes) for name, n_items, n_bytes in TENSOR_TYPES.values()}
_F32_BYTES = 4
MAX_ITEMS = 4096  # of arrays that are read: one value a layer, but no vocabulary


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """What one layer remembers of a conversation."""

    n_key: int = 0  # values a token; 0 in layers without attention
    n_value: int = 0  # 0 also where the value is a part of the key (MLA)
    state_bytes: int = 0  # of a recurrent layer, once a sequence, whatever its length


@dataclass(frozen=True, slots=True)
class Weights:
    """What of a model takes memory."""

    architecture: str
    input_bytes: int  # embeddings; llama.cpp keeps them in main memory
    layer_bytes: tuple[int, ...]
    output_bytes: int  # the head; where it shares the embeddings it is copied to a GPU
    is_tied: bool  # the head shares the embeddings: in main memory it takes nothing more
    memories: tuple[LayerMemory, ...]  # as many as layers
    n_vocab: int
    n_embd: int
    n_ff: int
    n_head: int
    head_sizes: tuple[int, int]  # of key and value; quantized caches need multiples of 32
    n_ctx_train: int  # 0 = unknown

    @property
    def n_layers(self) -> int:
        """Count the layers, without the head."""
        return len(self.layer_bytes)

    @property
    def size_bytes(self) -> int:
        """Add up what the file holds."""
        head = 0 if self.is_tied else self.output_bytes
        return self.input_bytes + sum(self.layer_bytes) + head


def weights_of(header: Header) -> Weights:
    """Read what a model takes out of its header (read with `max_items=MAX_ITEMS`).

    Exact for full attention with any number of key and value heads (by layer, if the file says
    so) and for MLA, whose cache holds one compressed key and no value. Recurrent states follow
    llama.cpp's formulas for Mamba, RWKV and short convolutions; of other linear attentions only
    the convolution and state sizes that the file names count. Layers with a sliding window count
    in full, for llama.cpp gives them as many cells as the others unless told otherwise.

    Source: llama.cpp, src/llama-hparams.cpp, src/llama-kv-cache.cpp, src/llama-model.cpp.
    """
    facts = _Facts(header.architecture, header.metadata)
    n_layers = facts.whole("block_count")
    by_layer, output, inputs = [0] * n_layers, 0, 0
    embedding_bytes = 0
    for tensor in header.tensors:
        size = tensor_bytes(tensor)
        found = _LAYER.match(tensor.name)
        if found and int(found[1]) < n_layers:
            by_layer[int(found[1])] += size
        elif tensor.name.startswith(("output", "cls")):
            output += size
        else:
            inputs += size
        if tensor.name == "token_embd.weight":
            embedding_bytes = size
    names = {tensor.name for tensor in header.tensors}
    is_tied = "output.weight" not in names and not facts.is_encoder
    return Weights(
        architecture=header.architecture,
        input_bytes=inputs,
        layer_bytes=tuple(by_layer),
        output_bytes=output + embedding_bytes * is_tied,
        is_tied=is_tied,
        memories=tuple(facts.memory(layer) for layer in range(n_layers)),
        n_vocab=_n_vocab(header.tensors),
        n_embd=facts.whole("embedding_length"),
        n_ff=max(facts.each("feed_forward_length", n_layers), default=0),
        n_head=max(facts.each("attention.head_count", n_layers), default=0),
        head_sizes=(facts.key_size, facts.value_size),
        n_ctx_train=facts.whole("context_length"),
    )


def tensor_bytes(tensor: TensorInfo) -> int:
    """Tell what a tensor takes."""
    n_items, n_bytes = _BLOCKS[tensor.type_name]
    return tensor.n_elements // n_items * n_bytes


class _Facts:
    """The entries of one architecture."""

    def __init__(self, architecture: str, metadata: Mapping[str, object]) -> None:
        self._name, self._metadata = architecture, metadata
        n_head = max(1, self.first("attention.head_count"))
        usual = self.whole("embedding_length") // n_head
        self.key_size = self.whole("attention.key_length") or usual
        self.value_size = self.whole("attention.value_length") or usual
        self.is_mla = bool(self.whole("attention.key_length_mla"))
        self.is_encoder = metadata.get(f"{architecture}.attention.causal") is False

    def whole(self, key: str) -> int:
        value = self._metadata.get(f"{self._name}.{key}")
        return value if isinstance(value, int) else 0

    def each(self, key: str, n_layers: int) -> list[int]:
        """Give a number by layer; one that holds for all is repeated."""
        value = self._metadata.get(f"{self._name}.{key}")
        if isinstance(value, list):
            listed = [one if isinstance(one, int) else 0 for one in value[:n_layers]]
            return listed + [0] * (n_layers - len(listed))
        return [self.whole(key)] * n_layers

    def first(self, key: str) -> int:
        return max(self.each(key, self.whole("block_count")), default=0)

    def memory(self, layer: int) -> LayerMemory:
        if self.is_encoder:  # sees the whole text at once and remembers nothing
            return LayerMemory()
        if self._is_recurrent(layer):
            return LayerMemory(state_bytes=self._state_bytes())
        n_layers = self.whole("block_count")
        key = "attention.head_count_kv"
        is_said = f"{self._name}.{key}" in self._metadata
        n_kv = self.each(key if is_said else "attention.head_count", n_layers)[layer]
        n_value = 0 if self.is_mla else n_kv * self.value_size
        return LayerMemory(n_kv * self.key_size, n_value)

    def _is_recurrent(self, layer: int) -> bool:
        if not self._state_bytes():
            return False
        interval = self.whole("full_attention_interval")
        if interval:
            return (layer + 1) % interval != 0
        heads = self._metadata.get(f"{self._name}.attention.head_count_kv")
        if isinstance(heads, list):  # hybrids list no heads where there is no attention
            return layer >= len(heads) or not heads[layer]
        return True

    def _state_bytes(self) -> int:
        n_embd = self.whole("embedding_length")
        if wkv := self.whole("wkv.head_size"):
            return (n_embd * max(1, self.whole("token_shift_count")) + n_embd * wkv) * _F32_BYTES
        if n_steps := self.whole("shortconv.l_cache"):
            return n_embd * (n_steps - 1) * _F32_BYTES
        n_inner, n_state = self.whole("ssm.inner_size"), self.whole("ssm.state_size")
        n_wide = n_inner + 2 * self.whole("ssm.group_count") * n_state
        n_conv = max(0, self.whole("ssm.conv_kernel") - 1) * n_wide
        return (n_conv + n_inner * n_state) * _F32_BYTES


def _n_vocab(tensors: Sequence[TensorInfo]) -> int:
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    shape = shapes.get("token_embd.weight", ())
    return shape[1] if len(shape) > 1 else 0
