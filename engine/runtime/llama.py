"""Own one llama.cpp object each: a model, a context, a sampler; the only import of llama_cpp.

Everything native is here, behind classes that are closed once and say in Python what went wrong.
Nothing in this file decides; nothing outside it touches a pointer.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from engine.errors import FormatError, LoadError, OutOfMemoryError, RuntimeFailedError
from engine.types import Options

POOLING_NONE, POOLING_RANK = 0, 4  # llama_pooling_type
_NO_POOLING_SAID = -1
_LEVEL_WARNING, _LEVEL_ERROR = 3, 4  # ggml_log_level

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class NativeLog:
    """The last lines that llama.cpp said, kept so that a failed load can quote them."""

    def __init__(self, n_lines: int = 40) -> None:
        self._lines: deque[str] = deque(maxlen=n_lines)
        self._callback = native.llama_log_callback(self._take)  # must outlive the library

    def install(self) -> None:
        """Send llama.cpp's words here instead of to stderr."""
        native.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _: object) -> None:
        if level in (_LEVEL_WARNING, _LEVEL_ERROR):
            self._lines.append(text.decode("utf-8", "replace").strip())

    def tail(self) -> str:
        """Quote the last words, oldest first, and forget them."""
        said = "; ".join(line for line in list(self._lines)[-4:] if line)
        self._lines.clear()
        return said


_LOG = NativeLog()
_START = threading.Lock()
_is_started = threading.Event()


def start_backend() -> None:
    """Initialise llama.cpp once per process."""
    with _START:
        if not _is_started.is_set():
            _LOG.install()
            native.llama_backend_init()
            _is_started.set()


def build_features() -> dict[str, str]:
    """Tell what the installed build can use: version, instruction sets, GPU offload."""
    start_backend()
    info = native.llama_print_system_info().decode()
    return {
        "llama-cpp-python": native.__version__,
        "system_info": info.strip(),
        "gpu_offload": "yes" if native.llama_supports_gpu_offload() else "no",
    }


class Model:
    """The weights and the vocabulary of one GGUF file; may be shared by several contexts."""

    def __init__(self, path: Path, options: Options, *, has_extra_buffers: bool = True) -> None:
        """Load a file.

        Args:
            has_extra_buffers: let llama.cpp repack weights for the processor (AMX and others);
                off is slower and works where that code crashes.
        Raises:
            LoadError: llama.cpp refuses the file; its own words are quoted.
        """
        start_backend()
        params = native.llama_model_default_params()
        params.n_gpu_layers = 999 if options.num_gpu < 0 else options.num_gpu
        params.main_gpu = options.main_gpu
        params.use_extra_bufts = has_extra_buffers
        mode = b"mmap" if options.use_mmap else b"none"
        params.load_mode = native.llama_load_mode_from_str(mode)
        self._model = native.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            said = _LOG.tail()
            kind = OutOfMemoryError if "alloc" in said.casefold() else LoadError
            raise kind(f"{path.name}: llama.cpp cannot load the file: {said or 'no reason given'}")
        self._vocab = native.llama_model_get_vocab(self._model)
        self._pieces: dict[int, bytes] = {}
        self.n_vocab: int = native.llama_vocab_n_tokens(self._vocab)
        self.n_ctx_train: int = native.llama_model_n_ctx_train(self._model)
        self.n_dimensions: int = native.llama_model_n_embd(self._model)
        self.size_bytes: int = native.llama_model_size(self._model)
        self.n_layers: int = native.llama_model_n_layer(self._model)

    @property
    def pointer(self) -> object:
        """The native handle, for contexts."""
        return self._model

    @property
    def vocab(self) -> object:
        """The native vocabulary, for samplers."""
        return self._vocab

    def cache_bytes_per_token(self) -> int:
        """Estimate the KV cache of one token in bytes, both halves in f16."""
        n_heads = max(1, native.llama_model_n_head(self._model))
        n_kv = native.llama_model_n_head_kv(self._model)
        return 2 * 2 * self.n_layers * n_kv * (self.n_dimensions // n_heads)

    def chat_template(self) -> str | None:
        """Return the Jinja template that the file carries."""
        raw = native.llama_model_chat_template(self._model, None)
        return raw.decode("utf-8", "replace") if raw else None

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Turn text into tokens.

        Args:
            add_special: add what the model wants around a text (BOS, CLS, SEP).
            parse_special: read `<|im_start|>` and the like as tokens instead of as characters.
        """
        data = text.encode("utf-8", "surrogatepass")
        room = len(data) + 16
        while True:
            buffer = (native.llama_token * room)()
            count = native.llama_tokenize(
                self._vocab, data, len(data), buffer, room, add_special, parse_special
            )
            if count >= 0:
                return list(buffer[:count])
            if -count <= room:
                raise RuntimeFailedError(f"tokenizing {len(data):,} bytes failed")
            room = -count

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token; control tokens give none."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token, shows_special=False)
        return known

    def special_text(self, token: int) -> str:
        """Return the text of a token, control tokens included."""
        return self._piece(token, shows_special=True).decode("utf-8", "replace")

    def _piece(self, token: int, *, shows_special: bool) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        size = native.llama_token_to_piece(self._vocab, token, buffer, 256, 0, shows_special)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = native.llama_token_to_piece(self._vocab, token, buffer, -size, 0, shows_special)
        return buffer.raw[: max(0, size)]

    def is_end(self, token: int) -> bool:
        """Whether the token ends a generation."""
        return bool(native.llama_vocab_is_eog(self._vocab, token))

    def bos_eos(self) -> tuple[str, str]:
        """Return the texts of the begin and end tokens, empty where the model has none."""
        bos, eos = native.llama_vocab_bos(self._vocab), native.llama_vocab_eos(self._vocab)
        return tuple("" if one < 0 else self.special_text(one) for one in (bos, eos))  # type: ignore[return-value]

    def close(self) -> None:
        """Free the weights; contexts must be closed before."""
        if self._model:
            native.llama_model_free(self._model)
            self._model = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()


class Batch:
    """Room for the tokens of one step."""

    def __init__(self, n_tokens: int) -> None:
        self._batch = native.llama_batch_init(n_tokens, 0, 1)
        self.room = n_tokens
        self.n_tokens = 0

    def clear(self) -> None:
        """Forget all tokens."""
        self.n_tokens = 0
        self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int, *, wants_output: bool) -> int:
        """Append one token and return its index in the batch."""
        at = self.n_tokens
        self._batch.token[at] = token
        self._batch.pos[at] = position
        self._batch.n_seq_id[at] = 1
        self._batch.seq_id[at][0] = sequence
        self._batch.logits[at] = wants_output
        self.n_tokens = self._batch.n_tokens = at + 1
        return at

    @property
    def native(self) -> object:
        """The native struct, for decoding."""
        return self._batch

    def close(self) -> None:
        """Free the room."""
        if self._batch is not None:
            native.llama_batch_free(self._batch)
            self._batch = None


class Context:
    """The working memory of a model: KV cache and compute buffers, used by one thread at a time."""

    def __init__(  # noqa: PLR0913 - what llama.cpp wants to know
        self,
        model: Model,
        *,
        n_ctx: int,
        n_sequences: int,
        n_batch: int,
        n_threads: int,
        is_embedding: bool = False,
        pooling: int = _NO_POOLING_SAID,
    ) -> None:
        """Allocate the memory.

        Args:
            n_ctx: tokens of each sequence.
            n_batch: tokens of one step; for embeddings also the longest text.
            pooling: llama_pooling_type; by default what the model says.
        Raises:
            OutOfMemoryError: llama.cpp cannot allocate it.
        """
        params = native.llama_context_default_params()
        params.n_ctx = n_ctx if is_embedding else n_ctx * n_sequences
        params.n_batch = n_batch
        params.n_ubatch = n_batch if is_embedding else min(n_batch, 512)
        params.n_seq_max = n_sequences
        params.n_threads = params.n_threads_batch = n_threads
        params.embeddings = is_embedding
        params.kv_unified = is_embedding
        params.no_perf = True
        if pooling != _NO_POOLING_SAID:
            params.pooling_type = pooling
        self._model = model
        self._context = native.llama_init_from_model(model.pointer, params)
        if not self._context:
            raise OutOfMemoryError(
                f"no memory for {n_sequences} requests of {n_ctx:,} tokens: lower num_ctx or "
                f"OLLAMA_NUM_PARALLEL ({_LOG.tail() or 'llama.cpp gives no reason'})"
            )
        self._memory = native.llama_get_memory(self._context)
        self.pooling: int = native.llama_pooling_type(self._context)
        self.n_batch = n_batch

    @property
    def pointer(self) -> object:
        """The native handle, for samplers."""
        return self._context

    def decode(self, batch: Batch) -> None:
        """Compute one step.

        Raises:
            RuntimeFailedError: llama.cpp refuses; the sequences in the batch are in no known state.
        """
        status = native.llama_decode(self._context, batch.native)
        if status != 0:
            raise RuntimeFailedError(
                f"llama_decode answered {status} for {batch.n_tokens} tokens: "
                f"{_LOG.tail() or 'no reason given'}"
            )

    def forget(self, sequence: int, from_position: int = 0) -> bool:
        """Drop a sequence's cache from a position on; False if this model cannot do it in part."""
        if not self._memory:
            return True
        return bool(native.llama_memory_seq_rm(self._memory, sequence, from_position, -1))

    def forget_all(self) -> None:
        """Drop the whole cache."""
        if self._memory:
            native.llama_memory_clear(self._memory, True)

    def logits(self, index: int) -> NDArray[np.float32]:
        """View the scores of one batch row: (n_vocab,), valid until the next step."""
        pointer = native.llama_get_logits_ith(self._context, index)
        if not pointer:
            raise RuntimeFailedError(f"no logits for row {index}")
        return np.ctypeslib.as_array(pointer, shape=(self._model.n_vocab,))

    def embedding(self, sequence: int) -> NDArray[np.float32]:
        """Copy the pooled embedding of one sequence: (n_dimensions,), not normalised."""
        pointer = native.llama_get_embeddings_seq(self._context, sequence)
        if not pointer:
            raise RuntimeFailedError(f"no embedding for sequence {sequence}")
        return np.ctypeslib.as_array(pointer, shape=(self._model.n_dimensions,)).copy()

    def close(self) -> None:
        """Free the memory."""
        if self._context:
            native.llama_free(self._context)
            self._context = None


class Sampler:
    """Draw tokens as one request wants them: penalties, filters, temperature, maybe a grammar."""

    def __init__(self, model: Model, options: Options, *, grammar: str | None = None) -> None:
        """Build the chain.

        Raises:
            FormatError: the grammar cannot be read.
        """
        self._n_vocab = model.n_vocab
        self._is_end = model.is_end
        self._grammar = None
        if grammar is not None:
            self._grammar = native.llama_sampler_init_grammar(
                model.vocab, grammar.encode(), b"root"
            )
            if not self._grammar:
                raise FormatError(
                    f"the grammar cannot be used: {_LOG.tail() or 'no reason given'}; it needs a "
                    "rule named root and no left recursion"
                )
        params = native.llama_sampler_chain_default_params()
        self._chain = native.llama_sampler_chain_init(params)
        for link in _links(options, model.n_vocab):
            native.llama_sampler_chain_add(self._chain, link)
        # Room for all candidates, needed only under a grammar.
        size = self._n_vocab if self._grammar else 0
        self._candidates = np.zeros(size, dtype=_CANDIDATE)

    def sample(self, context: Context, index: int) -> int:
        """Draw the next token from one batch row and remember it for penalties and grammar.

        Raises:
            RuntimeFailedError: the grammar allows no token, or the options leave none that it does.
        """
        if self._grammar is None:
            return int(native.llama_sampler_sample(self._chain, context.pointer, index))
        self._candidates["id"] = np.arange(self._n_vocab)
        self._candidates["logit"] = context.logits(index)
        array = native.llama_token_data_array(
            data=self._candidates.ctypes.data_as(native.llama_token_data_p),
            size=self._n_vocab,
            selected=-1,
            sorted=False,
        )
        native.llama_sampler_apply(self._grammar, ctypes.byref(array))
        is_allowed = np.isfinite(self._candidates["logit"])  # a copy: the chain sorts in place
        if not is_allowed.any():
            raise RuntimeFailedError("the grammar allows no further token")
        native.llama_sampler_apply(self._chain, ctypes.byref(array))
        token = int(array.data[array.selected].id) if array.selected >= 0 else -1
        if token < 0 or not is_allowed[token]:
            # llama.cpp ends the process when a grammar is given a token that it forbids.
            raise RuntimeFailedError(
                "the sampling options leave no token that the grammar allows; check "
                "repeat_penalty, top_p, min_p and typical_p"
            )
        native.llama_sampler_accept(self._chain, token)
        if not self._is_end(token):
            # A grammar that is complete has nothing to accept after the end.
            native.llama_sampler_accept(self._grammar, token)
        return token

    def accept_prompt(self, tokens: Sequence[int]) -> None:
        """Let the penalties know the prompt's last tokens."""
        for token in tokens:
            native.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            native.llama_sampler_free(self._chain)
            self._chain = None
        if self._grammar:
            native.llama_sampler_free(self._grammar)
            self._grammar = None


def _links(options: Options, n_vocab: int) -> list[object]:
    """List the samplers in llama.cpp's own order (common/sampling.cpp)."""
    links: list[object] = []
    if options.repeat_penalty != 1 or options.presence_penalty or options.frequency_penalty:
        links.append(
            native.llama_sampler_init_penalties(
                n_vocab,
                options.repeat_last_n,
                options.repeat_penalty,
                options.frequency_penalty,
                options.presence_penalty,
            )
        )
    if options.temperature <= 0:
        return [*links, native.llama_sampler_init_greedy()]
    if options.top_k > 0:
        links.append(native.llama_sampler_init_top_k(options.top_k))
    if options.typical_p < 1:
        links.append(native.llama_sampler_init_typical(options.typical_p, 1))
    if options.top_p < 1:
        links.append(native.llama_sampler_init_top_p(options.top_p, 1))
    if options.min_p > 0:
        links.append(native.llama_sampler_init_min_p(options.min_p, 1))
    links.append(native.llama_sampler_init_temp(options.temperature))
    seed = 0xFFFFFFFF if options.seed < 0 else options.seed & 0xFFFFFFFF
    links.append(native.llama_sampler_init_dist(seed))
    return links
