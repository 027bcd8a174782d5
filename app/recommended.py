"""Well-known models, a machine in, how each of them would fit out; pure.

The figures are those of the publishers' own files at the usual quantization; a registry may have
a newer file of a somewhat other size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.errors import OutOfMemoryError
from engine.runtime.devices import Machine
from engine.runtime.placement import place
from engine.runtime.sizes import Wish
from engine.runtime.weights import LayerMemory, Weights

Role = Literal["chat", "embedding", "reranker"]
Fit = Literal["gpu", "split", "memory", "none"]

MB = 1_000_000
_EMBED_CTX = 2048
_BITS = 5.0  # a value of the word list in the usual mixtures of four and six bits
_HALF = 16.0  # the same where the file is not quantized


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides what it takes of memory."""

    n_layers: int
    n_embd: int
    n_ff: int
    n_head: int
    n_kv: int  # values of the keys a token and layer, and as many of the values; 0 = no cache
    n_vocab: int


@dataclass(frozen=True, slots=True)
class Known:
    """One model that can be pulled."""

    name: str
    role: Role
    parameters: str
    size_bytes: int  # to download, about
    n_ctx: int  # tokens that it was trained for
    languages: str  # en; multi; zh+en ...
    licence: str
    is_free: bool  # the licence sets no conditions of use
    shape: Shape
    can_see: bool = False
    can_use_tools: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a model would fit on a machine."""

    fit: Fit
    need_bytes: int = 0  # with the context below
    n_ctx: int = 0
    reason: str = ""  # why it does not


def _chat(  # noqa: PLR0913 - one row of a table
    name: str,
    parameters: str,
    megabytes: int,
    n_ctx: int,
    languages: str,
    licence: str,
    shape: Shape,
    *,
    can_see: bool = False,
    can_use_tools: bool = False,
) -> Known:
    is_free = licence in ("Apache-2.0", "MIT")
    size = megabytes * MB
    return Known(
        name=name,
        role="chat",
        parameters=parameters,
        size_bytes=size,
        n_ctx=n_ctx,
        languages=languages,
        licence=licence,
        is_free=is_free,
        shape=shape,
        can_see=can_see,
        can_use_tools=can_use_tools,
    )


def _embedding(  # noqa: PLR0913 - one row of a table
    name: str,
    parameters: str,
    megabytes: int,
    n_ctx: int,
    languages: str,
    licence: str,
    shape: Shape,
) -> Known:
    return Known(
        name, "embedding", parameters, megabytes * MB, n_ctx, languages, licence, True, shape
    )


_QWEN, _QWEN_LARGE, _LLAMA, _BERT, _XLM = 151_936, 152_064, 128_256, 30_522, 250_002
# Sorted by what they take. Licences: those that the publishers' model cards name.
KNOWN: tuple[Known, ...] = (
    _chat(
        "qwen2.5:0.5b",
        "494M",
        398,
        32_768,
        "multi",
        "Apache-2.0",
        Shape(24, 896, 4864, 14, 128, _QWEN),
        can_use_tools=True,
    ),
    _chat(
        "qwen2.5:1.5b",
        "1.5B",
        986,
        32_768,
        "multi",
        "Apache-2.0",
        Shape(28, 1536, 8960, 12, 256, _QWEN),
        can_use_tools=True,
    ),
    _chat(
        "llama3.2:3b",
        "3.2B",
        2020,
        131_072,
        "multi",
        "Llama 3.2 Community",
        Shape(28, 3072, 8192, 24, 1024, _LLAMA),
        can_use_tools=True,
    ),
    _chat(
        "phi4-mini:3.8b",
        "3.8B",
        2490,
        131_072,
        "multi",
        "MIT",
        Shape(32, 3072, 8192, 24, 1024, 200_064),
        can_use_tools=True,
    ),
    _chat(
        "gemma3:4b",
        "4.3B",
        3340,
        131_072,
        "multi",
        "Gemma",
        Shape(34, 2560, 10_240, 8, 1024, 262_208),
        can_see=True,
    ),
    _chat(
        "mistral:7b",
        "7.2B",
        4370,
        32_768,
        "en",
        "Apache-2.0",
        Shape(32, 4096, 14_336, 32, 1024, 32_768),
        can_use_tools=True,
    ),
    _chat(
        "qwen2.5:7b",
        "7.6B",
        4680,
        32_768,
        "multi",
        "Apache-2.0",
        Shape(28, 3584, 18_944, 28, 512, _QWEN_LARGE),
        can_use_tools=True,
    ),
    _chat(
        "llama3.1:8b",
        "8.0B",
        4920,
        131_072,
        "multi",
        "Llama 3.1 Community",
        Shape(32, 4096, 14_336, 32, 1024, _LLAMA),
        can_use_tools=True,
    ),
    _chat(
        "qwen3:8b",
        "8.2B",
        5230,
        40_960,
        "multi",
        "Apache-2.0",
        Shape(36, 4096, 12_288, 32, 1024, _QWEN),
        can_use_tools=True,
    ),
    _chat(
        "qwen2.5:14b",
        "14.8B",
        8990,
        32_768,
        "multi",
        "Apache-2.0",
        Shape(48, 5120, 13_824, 40, 1024, _QWEN_LARGE),
        can_use_tools=True,
    ),
    _chat(
        "phi4:14b",
        "14.7B",
        9050,
        16_384,
        "en",
        "MIT",
        Shape(40, 5120, 17_920, 40, 1280, 100_352),
    ),
    _embedding(
        "nomic-embed-text",
        "137M",
        274,
        2048,
        "en",
        "Apache-2.0",
        Shape(12, 768, 3072, 12, 0, _BERT),
    ),
    _embedding(
        "mxbai-embed-large",
        "334M",
        670,
        512,
        "en",
        "Apache-2.0",
        Shape(24, 1024, 4096, 16, 0, _BERT),
    ),
    _embedding(
        "bge-m3",
        "567M",
        1160,
        8192,
        "multi",
        "MIT",
        Shape(24, 1024, 4096, 16, 0, _XLM),
    ),
    _embedding(
        "snowflake-arctic-embed2",
        "568M",
        1160,
        8192,
        "multi",
        "Apache-2.0",
        Shape(24, 1024, 4096, 16, 0, _XLM),
    ),
    Known(
        "hf.co/gpustack/bge-reranker-v2-m3-GGUF:Q8_0",
        "reranker",
        "568M",
        636 * MB,
        8192,
        "multi",
        "Apache-2.0",
        is_free=True,
        shape=Shape(24, 1024, 4096, 16, 0, _XLM),
    ),
)


def weights_like(known: Known) -> Weights:
    """Estimate what a model takes, part by part, from its shape and the size of its file."""
    shape = known.shape
    bits = _BITS if known.role == "chat" else _HALF
    words = min(int(shape.n_vocab * shape.n_embd * bits / 8), known.size_bytes // 2)
    each = (known.size_bytes - words) // shape.n_layers
    memory = LayerMemory(shape.n_kv, shape.n_kv)
    size = shape.n_embd // shape.n_head
    return Weights(
        architecture=known.name.partition(":")[0],
        input_bytes=words,
        layer_bytes=(each,) * shape.n_layers,
        output_bytes=words if known.role == "chat" else 0,
        is_tied=True,
        memories=(memory,) * shape.n_layers,
        n_vocab=shape.n_vocab,
        n_embd=shape.n_embd,
        n_ff=shape.n_ff,
        n_head=shape.n_head,
        head_sizes=(size, size),
        n_ctx_train=known.n_ctx,
    )


def fit_of(known: Known, machine: Machine, *, n_slots: int = 1) -> Fitted:
    """Judge how a model would fit, by the same rules that place one when it is loaded.

    Args:
        n_slots: requests that a chat model answers at once.
    """
    is_chat = known.role == "chat"
    wish = Wish(
        n_ctx=0 if is_chat else min(known.n_ctx, _EMBED_CTX),
        n_slots=n_slots if is_chat else 1,
        is_pooling=not is_chat,
    )
    try:
        placed = place(weights_like(known), machine, wish)
    except OutOfMemoryError as error:
        return Fitted("none", reason=str(error))
    need = sum(one.size_bytes for one in placed.shares)
    fit: Fit = "memory"
    if placed.n_gpu_layers:
        fit = "gpu" if placed.n_gpu_layers == placed.n_all_layers else "split"
    return Fitted(fit, need, placed.n_ctx)


def slow_of(fits: Sequence[tuple[Known, Fitted]], chat: str) -> frozenset[str]:
    """Name the chat models that the processor would have to compute, larger than is bearable.

    Args:
        chat: the largest chat model that answers in a bearable time here.
    """
    most = next((known.size_bytes for known, _ in fits if known.name == chat), 0)
    return frozenset(
        known.name
        for known, fitted in fits
        if known.role == "chat" and fitted.fit in ("memory", "split") and known.size_bytes > most
    )


def advised(fits: Sequence[tuple[Known, Fitted]], chat: str, embedding: str) -> frozenset[str]:
    """Name the models that this machine should have: those that the program itself would choose.

    Args:
        chat: the chat model that answers in a bearable time here.
        embedding: the usual embedding model.
    """
    wanted = {chat.removesuffix(":latest"), embedding.removesuffix(":latest")}
    return frozenset(known.name for known, fitted in fits if fitted.fit != "none") & wanted
