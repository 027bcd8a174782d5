"""The nouns of the engine: what a request holds, what a stream yields; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # (n_texts, n_dimensions), rows of length 1
Json = dict[str, object]
DoneReason = Literal["stop", "length", "load", "unload"]
ThinkLevel = Literal["low", "medium", "high", "max"]
Think = bool | ThinkLevel | None  # None = the request does not say
Format = (
    Literal["json"] | Mapping[str, object] | None
)  # "json" = any object; a mapping = JSON schema


class Priority(IntEnum):
    """Who computes first when several want the processor; smaller goes first."""

    INTERACTIVE = 0  # tokens that somebody is reading
    QUERY = 1  # embeddings and reranks that an answer waits for
    BACKGROUND = 2  # ingestion


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called, or called in an earlier turn."""

    name: str
    arguments: Mapping[str, object]  # in the model's order
    id: str = ""
    index: int = 0  # counts up within one reply


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str  # system, user, assistant, tool
    content: str
    thinking: str = ""
    images: tuple[bytes, ...] = ()  # encoded files: PNG, JPEG, WebP, WAV, MP3
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""  # of a tool's answer
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model may, must or must not call a function; our extension to Ollama."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""  # the function, if named


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a chat template writes as one prompt."""

    messages: tuple[Message, ...]
    tools: tuple[Json, ...] = ()  # as the client sent them, order of keys kept
    think: Think = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to load and how to sample; names, meanings and defaults are Ollama's.

    Source: Ollama's `api.Options` (types.go); the samplers that Ollama does not pass on have
    llama.cpp's names (common/common.h, `common_params_sampling`) and defaults that change nothing.
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
    min_keep: int = 0  # candidates that top_p, min_p, typical_p and XTC leave at least
    ignore_eos: bool = False
    logit_bias: tuple[tuple[str, float], ...] = ()  # (token's number or text, what is added)
    dry_multiplier: float = 0.0  # 0 = off; DRY: repeated sequences become ever less likely
    dry_base: float = 1.75
    dry_allowed_length: int = 2  # tokens that may repeat freely
    dry_penalty_last_n: int = -1  # tokens looked back at; 0 off, -1 the whole context
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    top_n_sigma: float = -1.0  # standard deviations of the scores; -1 = off
    xtc_probability: float = 0.0  # 0 = off; XTC: the likeliest choices are left out at times
    xtc_threshold: float = 0.1  # over 0.5 = off
    dynatemp_range: float = 0.0  # 0 = off; the temperature varies so far with the entropy
    dynatemp_exponent: float = 1.0
    mirostat: int = 0  # 1 or 2: that version takes the place of the filters
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    adaptive_target: float = -1.0  # probability that choices shall have on average; -1 = off
    adaptive_decay: float = 0.9
    timeout: float = 0.0  # seconds that the whole request may take; 0 = as long as it takes
    draft_num: int = -1  # tokens tried ahead in a step at most; 0 = none, -1 the engine chooses
    # From here on: a change means that the model is loaded anew.
    draft_model: str = ""  # an installed model of the same vocabulary that drafts; "" = none
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
    template: str | None = None  # a Go template in place of the model's own
    suffix: str = ""  # what follows the gap that the model fills
    images: tuple[bytes, ...] = ()
    is_raw: bool = False  # no chat template
    context: tuple[int, ...] = ()  # tokens of an earlier exchange
    think: Think = None
    format: Format = None
    grammar: str | None = None  # GBNF with a rule named root; our extension
    options: Mapping[str, object] | None = None
    keep_alive_s: float | None = None  # None = the engine's default; negative = for ever
    is_shifting: bool = True  # slide the window when the context fills during generation
    n_top_logprobs: int | None = None  # None = no logprobs at all


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Answer a conversation; no messages only load (or unload) the model."""

    model: str
    messages: tuple[Message, ...] = ()
    tools: tuple[Json, ...] = ()  # as the client sent them, order of keys kept
    tool_choice: ToolChoice = ToolChoice()
    think: Think = None
    format: Format = None
    grammar: str | None = None  # GBNF with a rule named root; our extension
    options: Mapping[str, object] | None = None
    keep_alive_s: float | None = None
    is_truncating: bool = True  # drop oldest turns when the conversation is too long
    is_shifting: bool = True  # slide the window when the context fills during generation
    n_top_logprobs: int | None = None  # None = no logprobs at all


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was, and which others were."""

    token: str
    logprob: float  # natural logarithm of the probability
    raw: bytes  # the token's bytes; several tokens may share one character
    top: tuple[TokenLogprob, ...] = ()  # the likeliest ones, best first; theirs are empty


@dataclass(frozen=True, slots=True)
class Piece:
    """What may be shown as it is: whole characters, never part of a stop string or of a tag.

    An empty piece is a sign of life: nothing to show yet.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()  # whole, never partial
    logprobs: tuple[TokenLogprob, ...] = ()  # of the tokens since the piece before

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.text or self.thinking or self.tool_calls or self.logprobs)


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
    stop_string: str = ""  # the one of the request's that ended the answer
    n_drafted: int = 0  # tokens that were tried ahead of the answer
    n_accepted: int = 0  # of those: became part of it
    # Of a virtual model: what is written beside its answer. `annotations` are OpenAI's.
    notes: Mapping[str, object] = field(default_factory=dict)


Event = Piece | Final


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of the texts."""

    vectors: Vectors
    n_tokens: int
    total_ns: int
    load_ns: int


@dataclass(frozen=True, slots=True)
class Reranked:
    """How well each document answers the query, in the order of the documents."""

    scores: tuple[float, ...]  # probabilities in [0, 1]: the logistic of the model's own score
    n_tokens: int
    total_ns: int
    load_ns: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a request would be given to the model as; nothing is computed."""

    text: str
    n_images: int = 0
    n_tokens: int = 0


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
    chat_template: str = ""  # Jinja, from the GGUF file
    projector_paths: tuple[Path, ...] = ()
    adapter_paths: tuple[Path, ...] = ()
    draft_path: Path | None = None
    config: Mapping[str, object] = field(default_factory=dict)  # the manifest's config blob


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """What one model takes of one device, as llama.cpp reports it."""

    device: str  # CPU = main memory; CUDA0, Metal ...
    weights_bytes: int = 0
    cache_bytes: int = 0  # KV cache and recurrent states
    compute_bytes: int = 0  # buffers of a step and its results

    @property
    def size_bytes(self) -> int:
        """Add it up."""
        return self.weights_bytes + self.cache_bytes + self.compute_bytes


@dataclass(frozen=True, slots=True)
class RunningModel:
    """One model in memory."""

    entry: ModelEntry
    expires_at: datetime | None  # None = never
    size_bytes: int  # weights, KV cache and buffers
    size_vram_bytes: int
    n_ctx: int  # tokens per request
    memory: tuple[DeviceMemory, ...] = ()  # main memory first; empty while it is being loaded


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
    adapters: Mapping[str, str] | None = None  # the same for one LoRA adapter
    draft_files: Mapping[str, str] | None = None  # the same for a draft model
    quantize: str = ""  # a type of llama.cpp, such as Q4_K_M
    draft_quantize: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    info: Mapping[str, object] | None = None
    system: str | None = None
    template: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, object] | None = None
    messages: tuple[Message, ...] = ()
