"""The nouns of the engine: what a request holds, what a stream yields; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # (n_texts, n_dimensions), rows of length 1
Json = dict[str, object]
DoneReason = Literal["stop", "length", "load", "unload"]
Format = (
    Literal["json"] | Mapping[str, object] | None
)  # "json" = any object; a mapping = JSON schema


class Priority(IntEnum):
    """Who computes first when several want the processor; smaller goes first."""

    INTERACTIVE = 0  # tokens that somebody is reading
    QUERY = 1  # embeddings and reranks that an answer waits for
    BACKGROUND = 2  # ingestion


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str  # system, user, assistant, tool
    content: str


@dataclass(frozen=True, slots=True)
class Options:
    """How to load and how to sample; names, meanings and defaults are Ollama's.

    Source: Ollama's `api.Options` (types.go).
    """

    num_keep: int = 4
    seed: int = -1  # -1 draws one at random
    num_predict: int = -1  # tokens; -1 until the model stops
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_last_n: int = 64  # tokens looked back at; 0 off, -1 the whole context
    temperature: float = 0.8
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    # From here on: a change means that the model is loaded anew.
    num_ctx: int = 0  # tokens per request; 0 lets the engine choose
    num_batch: int = 512
    num_gpu: int = -1  # layers on the GPU; -1 as many as fit
    main_gpu: int = 0
    use_mmap: bool = True
    num_thread: int = 0  # 0 = physical cores


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Continue a prompt; an empty prompt only loads (or, with `keep_alive_s` 0, unloads)."""

    model: str
    prompt: str = ""
    system: str | None = None  # None takes the model's own
    is_raw: bool = False  # no chat template
    context: tuple[int, ...] = ()  # tokens of an earlier exchange
    format: Format = None
    grammar: str | None = None  # GBNF with a rule named root; our extension
    options: Mapping[str, object] | None = None
    keep_alive_s: float | None = None  # None = the engine's default; negative = for ever


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Answer a conversation; no messages only load (or unload) the model."""

    model: str
    messages: tuple[Message, ...] = ()
    format: Format = None
    grammar: str | None = None  # GBNF with a rule named root; our extension
    options: Mapping[str, object] | None = None
    keep_alive_s: float | None = None
    is_truncating: bool = True  # drop oldest turns when the conversation is too long


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that may be shown as it is: whole characters, never part of a stop string.

    An empty text is a sign of life: nothing to show yet.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """The last event of every stream."""

    done_reason: DoneReason
    n_prompt: int = 0  # tokens of the whole prompt, reused ones included
    n_reused: int = 0  # tokens of the prompt that the cache already held
    n_generated: int = 0
    total_ns: int = 0
    load_ns: int = 0
    prompt_ns: int = 0
    generate_ns: int = 0
    context: tuple[int, ...] = ()  # prompt and answer as tokens; empty for chat and raw


Event = Piece | Final


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of the texts."""

    vectors: Vectors
    n_tokens: int
    total_ns: int
    load_ns: int


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What a model is, in the words of Ollama's `details` object."""

    family: str
    parameter_size: str  # e.g. 134.52M
    quantization_level: str  # e.g. Q4_1
    families: tuple[str, ...] = ()
    format: str = "gguf"
    parent_model: str = ""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One installed model: a manifest and what it names."""

    name: str  # shortest display form, tag always shown: llama3.2:latest
    digest: str  # hex SHA-256 of the manifest's bytes
    size_bytes: int  # all layers and the config
    modified_at: datetime
    details: ModelDetails
    model_path: Path  # the GGUF blob
    model_digest: str  # sha256:<hex> of the GGUF blob
    params: Mapping[str, object]
    template: str | None  # TEMPLATE layer (Go), if the model has one
    system: str | None
    messages: tuple[Message, ...]
    licenses: tuple[str, ...]
    capabilities: tuple[str, ...]  # completion, embedding, ...
    is_readable: bool = True  # False if a blob is missing


@dataclass(frozen=True, slots=True)
class RunningModel:
    """One model in memory."""

    entry: ModelEntry
    expires_at: datetime | None  # None = never
    size_bytes: int  # weights, KV cache and buffers
    size_vram_bytes: int
    n_ctx: int  # tokens per request


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a pull, push or create."""

    status: str
    digest: str = ""  # sha256:<hex>; empty if the line is about no blob
    total_bytes: int = 0
    completed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a Modelfile says, files already hashed into the blob store (or named by path)."""

    model: str
    from_model: str | None = None  # an installed model
    files: Mapping[str, str] | None = None  # file name → sha256:<hex> of a stored blob
    system: str | None = None
    template: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, object] | None = None
    messages: tuple[Message, ...] = ()
