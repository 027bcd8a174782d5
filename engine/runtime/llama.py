"""Own one llama.cpp object each: a model, a context.

Everything native is here and in the files `*_native.py` beside it, behind classes that are closed
once and say in Python what went wrong. Nothing in these files decides; nothing outside them
touches a pointer.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from engine.errors import LoadError, OutOfMemoryError, RuntimeFailedError
from engine.runtime.batch_native import Batch
from engine.runtime.compute_thread import COMPUTE
from engine.runtime.crowding import Crowding
from engine.runtime.log_native import LOG, start_backend
from engine.runtime.params_native import LoadWatch, context_params, model_params
from engine.runtime.placement import Placement
from engine.types import Options

CROWDING = Crowding()  # of the machine, so one for all contexts
POOLING_NONE, POOLING_RANK = 0, 4  # llama_pooling_type
_NO_POOLING_SAID = -1
# Source: llama.cpp, include/llama.h, `llama_decode`.
_DECODE_SAYS = {
    1: "the KV cache has no room for this step: lower num_ctx or send fewer requests at once",
    2: "the computation was aborted",
    -1: "llama.cpp refuses the step's tokens",
    -2: "no memory for this step: lower num_ctx, num_batch or OLLAMA_NUM_PARALLEL",
}


def build_features() -> dict[str, str]:
    """Tell what the installed build can use: version, instruction sets, GPU offload."""
    start_backend()
    info = native.llama_print_system_info().decode()
    return {
        "llama-cpp-python": native.__version__,
        "system_info": info.strip(),
        "gpu_offload": "yes" if native.llama_supports_gpu_offload() else "no",
    }


def _refused(path: Path, said: str, stalled_s: float | None) -> LoadError:
    if stalled_s is not None:
        return LoadError(
            f"{path.name}: the load made no progress for {stalled_s:.0f} s, so it was ended; look "
            "at the disk, or set OLLAMA_LOAD_TIMEOUT to a longer time"
        )
    kind = OutOfMemoryError if "alloc" in said.casefold() else LoadError
    return kind(f"{path.name}: llama.cpp cannot load the file: {said or 'no reason given'}")


def _no_context(n_sequences: int, n_ctx: int, said: str) -> LoadError:
    if said and "alloc" not in said.casefold():
        return LoadError(f"llama.cpp cannot compute with this model: {said}")
    return OutOfMemoryError(
        f"no memory for {n_sequences} requests of {n_ctx:,} tokens: lower num_ctx or "
        f"OLLAMA_NUM_PARALLEL ({said or 'llama.cpp gives no reason'})"
    )


@dataclass(frozen=True, slots=True)
class PairMarks:
    """Tokens before a query, between it and a document, and after that."""

    begin: tuple[int, ...]
    between: tuple[int, ...]
    end: tuple[int, ...]


def has_gpu() -> bool:
    """Tell whether the installed build can compute elsewhere than on the processor."""
    return bool(native.llama_supports_gpu_offload())


class Model:
    """The weights and the vocabulary of one GGUF file; may be shared by several contexts."""

    def __init__(
        self,
        path: Path,
        options: Options,
        *,
        has_extra_buffers: bool = True,
        adapters: Sequence[Path] = (),
        placement: Placement | None = None,
        load_timeout_s: float = 0.0,
    ) -> None:
        """Load a file.

        Args:
            adapters: LoRA files that every context applies in full.
            placement: where the layers go; None leaves it to the options and to llama.cpp.
            load_timeout_s: longest time without progress; 0 waits for ever.
            has_extra_buffers: let llama.cpp repack weights for the processor (AMX and others);
                off is slower and works where that code crashes.
        Raises:
            LoadError: llama.cpp refuses a file; its own words are quoted.
        """
        start_backend()
        watch = LoadWatch(load_timeout_s)
        params, _kept = model_params(
            options, placement, has_extra_buffers=has_extra_buffers, watch=watch
        )
        self._model = native.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise _refused(path, LOG.tail(), load_timeout_s if watch.is_stalled else None)
        self._vocab = native.llama_model_get_vocab(self._model)
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}
        self.n_vocab: int = native.llama_vocab_n_tokens(self._vocab)
        self.n_ctx_train: int = native.llama_model_n_ctx_train(self._model)
        self.n_dimensions: int = native.llama_model_n_embd_out(self._model)
        self.size_bytes: int = native.llama_model_size(self._model)
        self.n_layers: int = native.llama_model_n_layer(self._model)
        self._end_tokens: frozenset[int] | None = None
        self.adapters: list[object] = []  # freed with the model
        try:
            for one in adapters:
                self.adapters.append(self._load_adapter(one))
        except LoadError:
            self.close()
            raise

    def _load_adapter(self, path: Path) -> object:
        LOG.tail()
        found = native.llama_adapter_lora_init(self._model, str(path).encode())
        if not found:
            raise LoadError(
                f"{path.name}: llama.cpp cannot apply this adapter to the model: "
                f"{LOG.tail() or 'no reason given'}; take one that was trained on this model"
            )
        return found

    @property
    def pointer(self) -> object:
        """The native handle, for contexts."""
        return self._model

    @property
    def vocab(self) -> object:
        """The native vocabulary, for samplers."""
        return self._vocab

    def metadata(self, key: str) -> str:
        """Return one of the file's own entries as text; empty if it has none."""
        buffer = ctypes.create_string_buffer(256)
        size = native.llama_model_meta_val_str(self._model, key.encode(), buffer, 256)
        return buffer.value.decode("utf-8", "replace") if size >= 0 else ""

    @property
    def is_reranker(self) -> bool:
        """Whether the file says that its result is a score, not a vector."""
        architecture = self.metadata("general.architecture")
        return self.metadata(f"{architecture}.pooling_type") == str(POOLING_RANK)

    @property
    def scores_are_probabilities(self) -> bool:
        """Whether a reranker's head ends in a softmax over its answers, yes before no.

        Source: llama.cpp, src/llama-graph.cpp, `build_pooling`.
        """
        n_answers = native.llama_model_n_cls_out(self._model)
        return n_answers > 1 and self.metadata("general.architecture") in ("qwen3", "qwen3vl")

    def chat_template(self, name: str | None = None) -> str | None:
        """Return the template that the file carries: a Jinja one, or the one of that name."""
        raw = native.llama_model_chat_template(self._model, name.encode() if name else None)
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

    def piece(self, token: int, shown_special: Collection[str] = ()) -> bytes:
        """Return the bytes of one token; control tokens give none.

        Args:
            shown_special: texts of control tokens that are given all the same.
        """
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token, shows_special=False)
        if not known and shown_special and (text := self.special_text(token)) in shown_special:
            return text.encode()
        return known

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Turn tokens back into the text that was tokenized, control tokens included."""
        size = len(tokens) * 16 + 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            ids = (native.llama_token * max(1, len(tokens)))(*tokens)
            used = native.llama_detokenize(self._vocab, ids, len(tokens), buffer, size, False, True)
            if used >= 0:
                return buffer.raw[:used].decode("utf-8", "replace")
            size = -used

    def raw(self, token: int) -> bytes:
        """Return the bytes of one token; those of its text if it is a control token."""
        return self.piece(token) or self._piece(token, shows_special=True)

    def token_text(self, token: int) -> bytes:
        """Return a token as the file writes it."""
        return bytes(native.llama_vocab_get_text(self._vocab, token) or b"")

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
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(native.llama_vocab_is_eog(self._vocab, token))
        return known

    def end_tokens(self) -> frozenset[int]:
        """List the tokens that end a generation."""
        if self._end_tokens is None:
            self._end_tokens = frozenset(filter(self.is_end, range(self.n_vocab)))
        return self._end_tokens

    @property
    def can_trim(self) -> bool:
        """Whether its memory has one cell a token, so that the last ones can be dropped."""
        is_recurrent = native.llama_model_is_recurrent(self._model)
        return not (is_recurrent or native.llama_model_is_hybrid(self._model))

    def suppressed_tokens(self) -> list[int]:
        """List the tokens that the file forbids to generate."""
        count = ctypes.c_int32(0)
        tokens = native.llama_vocab_get_suppress_tokens(self._vocab, ctypes.byref(count))
        return list(tokens[: count.value]) if count.value else []

    @property
    def adds_bos(self) -> bool:
        """Whether the tokenizer puts a begin token before a text."""
        return bool(native.llama_vocab_get_add_bos(self._vocab))

    def pair_marks(self) -> PairMarks:
        """Return the tokens that stand around a query and a document.

        Source: llama.cpp, tools/server/server-common.cpp, `format_prompt_rerank`.
        """
        vocab = self._vocab
        sep, eos = native.llama_vocab_sep(vocab), native.llama_vocab_eos(vocab)
        end = [eos if eos >= 0 else sep] if native.llama_vocab_get_add_eos(vocab) else []
        between = [*end, sep] if native.llama_vocab_get_add_sep(vocab) else end
        begin = [native.llama_vocab_bos(vocab)] if self.adds_bos else []
        known = [[one for one in marks if one >= 0] for marks in (begin, between, end)]
        return PairMarks(*(tuple(marks) for marks in known))

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
        is_whole_step: bool = False,
        placement: Placement | None = None,
    ) -> None:
        """Allocate the memory.

        Args:
            n_ctx: tokens of each sequence.
            n_batch: tokens of one step; for embeddings also the longest text.
            pooling: llama_pooling_type; by default what the model says.
            is_whole_step: a step is computed in one go, whatever its size: images in which
                every part sees every other need that.
            placement: the cache's type and where it lies; None leaves it to llama.cpp.
        Raises:
            OutOfMemoryError: llama.cpp cannot allocate it.
        """
        params = context_params(placement)
        params.n_ctx = n_ctx if is_embedding else n_ctx * n_sequences
        params.n_batch = n_batch
        params.n_ubatch = n_batch if is_embedding or is_whole_step else min(n_batch, 512)
        params.n_seq_max = n_sequences
        params.n_threads = params.n_threads_batch = n_threads
        params.embeddings = is_embedding
        params.kv_unified = is_embedding
        params.no_perf = True
        if pooling != _NO_POOLING_SAID:
            params.pooling_type = pooling
        self._n_threads = self._n_threads_now = n_threads
        self._has_gpu = has_gpu()
        self._model = model
        self._context = native.llama_init_from_model(model.pointer, params)
        if not self._context:
            raise _no_context(n_sequences, n_ctx, LOG.tail())
        if model.adapters:
            self._apply(model.adapters)
        self._memory = native.llama_get_memory(self._context)
        self.n_window: int = native.llama_model_n_swa(model.pointer)  # 0 = no sliding window
        self.can_trim = model.can_trim  # whether `forget` can keep any beginning of a sequence
        self.pooling: int = native.llama_pooling_type(self._context)
        self.n_batch = n_batch

    def _apply(self, adapters: Sequence[object]) -> None:
        pointers = (native.llama_adapter_lora_p_ctypes * len(adapters))(*adapters)
        scales = (ctypes.c_float * len(adapters))(*[1.0] * len(adapters))
        status = native.llama_set_adapters_lora(self._context, pointers, len(adapters), scales)
        if status != 0:
            self.close()
            raise LoadError(f"llama.cpp cannot apply the adapters (status {status})")

    @property
    def pointer(self) -> object:
        """The native handle, for samplers."""
        return self._context

    def decode(self, batch: Batch) -> None:
        """Compute one step.

        Raises:
            RuntimeFailedError: llama.cpp refuses; the sequences in the batch are in no known state.
        """
        status = COMPUTE.run(lambda: self._decode(batch))
        if status != 0:
            raise RuntimeFailedError(
                f"{_DECODE_SAYS.get(status, 'llama.cpp could not compute')} (llama_decode answered "
                f"{status} for {batch.n_tokens} tokens: {LOG.tail() or 'no reason given'})"
            )

    def _decode(self, batch: Batch) -> int:
        began_s, cpu_began_s = time.monotonic(), time.thread_time()
        n_threads = self._settle_threads(began_s)
        status: int = native.llama_decode(self._context, batch.native)
        native.llama_synchronize(self._context)  # who measures a step measures all of it
        ended_s = time.monotonic()
        CROWDING.note(n_threads, ended_s - began_s, time.thread_time() - cpu_began_s, ended_s)
        return status

    def _settle_threads(self, now_s: float) -> int:
        """Compute with fewer threads while the machine is crowded."""
        if self._has_gpu:
            return 1  # the processor waits for it anyway: that tells nothing of other processes
        n_threads = CROWDING.threads(self._n_threads, now_s)
        if n_threads != self._n_threads_now:
            native.llama_set_n_threads(self._context, n_threads, n_threads)
            self._n_threads_now = n_threads
        return n_threads

    def forget(self, sequence: int, from_position: int = 0) -> bool:
        """Drop a sequence's cache from a position on; False if this model cannot do it in part."""
        if not self._memory:
            return True
        # A sliding window forgets what lies far back: what is cut off there cannot be made good.
        begin = native.llama_memory_seq_pos_min(self._memory, sequence)
        end = native.llama_memory_seq_pos_max(self._memory, sequence)
        if 0 < from_position <= end and begin > max(0, from_position - self.n_window):
            return False
        return bool(native.llama_memory_seq_rm(self._memory, sequence, from_position, -1))

    def state_bytes(self, sequence: int) -> int:
        """Tell how large `save` would be."""
        return int(native.llama_state_seq_get_size_ext(self._context, sequence, 0))

    def save(self, sequence: int) -> NDArray[np.uint8] | None:
        """Write down what a sequence holds; None if llama.cpp does not or there is no memory."""
        native.llama_synchronize(self._context)
        size = self.state_bytes(sequence)
        try:
            state = np.empty(size, np.uint8)
        except MemoryError:
            return None
        to = state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        written = native.llama_state_seq_get_data_ext(self._context, to, size, sequence, 0)
        return state if 0 < written == size else None

    def restore(self, sequence: int, state: NDArray[np.uint8]) -> bool:
        """Let a sequence hold what `save` of this context wrote of any, and nothing else.

        Returns:
            False if it failed: forget the sequence then, nothing is known of it.
        """
        source = state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        read = native.llama_state_seq_set_data_ext(self._context, source, state.nbytes, sequence, 0)
        return 0 < read == state.nbytes

    @property
    def can_shift(self) -> bool:
        """Whether tokens in the cache can be moved to other positions."""
        return bool(self._memory) and bool(native.llama_memory_can_shift(self._memory))

    def cut(self, sequence: int, begin: int, end: int) -> bool:
        """Drop the positions from `begin` up to `end` and move what follows there.

        Returns:
            False if this memory cannot do it; nothing is changed then.
        """
        if not self.can_shift or not native.llama_memory_seq_rm(self._memory, sequence, begin, end):
            return False
        native.llama_memory_seq_add(self._memory, sequence, end, -1, begin - end)
        return True

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

    def score(self, sequence: int) -> float:
        """Return the first output of a reranker's head for one sequence."""
        pointer = native.llama_get_embeddings_seq(self._context, sequence)
        if not pointer:
            raise RuntimeFailedError(f"no score for sequence {sequence}")
        return float(pointer[0])

    def close(self) -> None:
        """Free the memory."""
        if self._context:
            native.llama_free(self._context)
            self._context = None
