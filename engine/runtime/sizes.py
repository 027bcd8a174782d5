"""A model's weights and a wish in, the bytes of each of its parts out; pure."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config import CacheType
from engine.runtime.weights import Weights

HOST = "CPU"  # the name of main memory beside those of devices
MIB, GIB = 1 << 20, 1 << 30
CTX_UNIT = 256  # llama.cpp rounds the cells of a sequence up to so many
_MICRO_BATCH = 512  # tokens that are computed at once
_BITS = {"f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}  # a value; the blocks' scales counted in
_FIXED_COMPUTE_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; the settings that bear on it are in here too."""

    n_ctx: int = 0  # tokens per request; 0 = nobody said
    n_slots: int = 1
    n_gpu_layers: int = -1  # -1 = as many as fit
    main_gpu: int = 0  # above 0: this one alone
    n_batch: int = 512
    is_pooling: bool = False  # embeds or scores: one cache for all texts of a step
    is_spread: bool = False  # over all GPUs, also if one would do
    gpu_overhead_bytes: int = 0  # of every GPU, left alone
    cache_type: CacheType = "f16"
    flash_attention: bool | None = None  # None = llama.cpp chooses
    uses_mmap: bool = True
    projector_bytes: int = 0
    draft_bytes: int = 0  # weights and cache of a draft model; it goes where the model goes
    most_gpu_layers: int = 1 << 30  # what a load that failed leaves


@dataclass(frozen=True, slots=True)
class Share:
    """What one device holds."""

    device: str
    weights_bytes: int = 0
    cache_bytes: int = 0
    compute_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Add it up."""
        return self.weights_bytes + self.cache_bytes + self.compute_bytes


def human(n_bytes: int) -> str:
    """Write a size: 457 MiB, 22.1 GiB."""
    return f"{n_bytes / GIB:.1f} GiB" if n_bytes >= GIB else f"{n_bytes / MIB:.0f} MiB"


class Sizer:
    """What the parts of a model take with one context and number of slots."""

    def __init__(self, weights: Weights, wish: Wish) -> None:
        self.weights, self.wish = weights, wish
        n_ctx = -(-max(wish.n_ctx, 1) // CTX_UNIT) * CTX_UNIT
        self.n_cells = n_ctx * (1 if wish.is_pooling else wish.n_slots)
        byte = _BITS[wish.cache_type] / 8
        self.layer_cache = [
            int((one.n_key + one.n_value) * byte * self.n_cells) + one.state_bytes * wish.n_slots
            for one in weights.memories
        ]
        self.compute_bytes = self._compute()

    def _compute(self) -> int:
        """Estimate the buffers of one step: scores, activations, the mask or all the weights."""
        weights, wish = self.weights, self.wish
        n_rows = max(_MICRO_BATCH, wish.n_ctx)
        if not wish.is_pooling:
            n_rows = min(_MICRO_BATCH, max(32, wish.n_batch))
        scores = 0 if wish.is_pooling else n_rows * weights.n_vocab * 4
        activations = n_rows * (4 * weights.n_embd + weights.n_ff) * 4
        has_cache = any(one.n_key for one in weights.memories)
        n_seen = self.n_cells if has_cache else n_rows
        heads = weights.n_head if wish.flash_attention is False else 1
        attention = n_rows * n_seen * (4 * heads if heads > 1 else 2)
        if wish.flash_attention is False and not wish.is_pooling:
            attention //= max(1, wish.n_slots)  # each slot looks at its own cells
        outputs = (1 if wish.is_pooling else wish.n_slots) * weights.n_vocab * 4
        return max(scores, activations + attention) + outputs + _FIXED_COMPUTE_BYTES

    def costs(self) -> list[int]:
        """Give weights and cache of each layer, the head last."""
        layers = zip(self.weights.layer_bytes, self.layer_cache, strict=True)
        return [*map(sum, layers), self.weights.output_bytes]

    def on_host(self, n_gpu_layers: int = 0, *, has_projector: bool = True) -> Share:
        """Tell what main memory holds if the last layers are on GPUs."""
        n_here = max(0, self.weights.n_layers + 1 - n_gpu_layers)
        here = self.weights.input_bytes + sum(self.weights.layer_bytes[:n_here])
        if not n_gpu_layers and not self.weights.is_tied:
            here += self.weights.output_bytes
        if has_projector:
            here += self.wish.projector_bytes
        here += self.wish.draft_bytes * (not n_gpu_layers)
        compute = self.compute_bytes if n_here else self.compute_bytes // 8
        return Share(HOST, here, sum(self.layer_cache[:n_here]), compute)

    def on_gpu(self, device: str, begin: int, end: int, *, beside: int = 0) -> Share:
        """Tell what a GPU holds of the layers from `begin` up to `end`, the head being the last."""
        held = [*self.weights.layer_bytes, self.weights.output_bytes][begin:end]
        return Share(
            device, sum(held) + beside, sum(self.layer_cache[begin:end]), self.compute_bytes
        )
