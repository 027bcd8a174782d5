"""A model file in, a runner that chats or embeds out; owns model, context and thread."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LoadError
from engine.runtime.encoder import STEP_TOKENS, Encoder
from engine.runtime.gate import Gate
from engine.runtime.llama import POOLING_NONE, POOLING_RANK, Context, Model
from engine.runtime.worker import Worker
from engine.types import Options, Priority, Vectors

_log = logging.getLogger(__name__)

DEFAULT_CTX = 4096  # tokens per request where nothing else is said
MIN_CTX = 4
MAX_THREADS_PER_CORE = 4  # more never help; thousands crash llama.cpp and with it the process
_MEAN_POOLING = 1


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How a model is loaded."""

    path: Path
    options: Options
    n_ctx: int  # tokens per request, already decided
    n_slots: int
    max_queue: int
    has_extra_buffers: bool


def choose_ctx(wanted: int, default: int, n_ctx_train: int) -> int:
    """Decide the tokens per request: what is asked, never above what the model was trained on.

    Args:
        wanted: the option num_ctx; 0 = not said.
        default: the engine's setting; 0 = not said.
        n_ctx_train: the model's own limit; 0 = unknown.
    """
    chosen = max(MIN_CTX, wanted or default or DEFAULT_CTX)
    return min(chosen, n_ctx_train) if n_ctx_train else chosen


def choose_threads(wanted: int, n_cores: int) -> int:
    """Decide the threads: what is asked within reason, else one per core."""
    n_cores = max(1, n_cores)
    return min(wanted, MAX_THREADS_PER_CORE * n_cores) if wanted > 0 else n_cores


def choose_batch(wanted: int, n_ctx: int, n_slots: int) -> int:
    """Decide the tokens of one step: what is asked, at least one a slot so that none starves."""
    return max(32, n_slots, min(wanted, n_ctx * n_slots))


def physical_cores() -> int:
    """Count the cores that this process may use; hyper-threads of one core count once."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    folder = Path("/sys/devices/system/cpu")
    siblings = set()
    for number in allowed:
        file = folder / f"cpu{number}" / "topology" / "thread_siblings_list"
        try:
            siblings.add(file.read_text(encoding="ascii").strip())
        except OSError:
            return len(allowed)
    return len(siblings) or os.cpu_count() or 1


class ChatRunner:
    """A loaded chat model."""

    def __init__(self, plan: LoadPlan, gate: Gate) -> None:
        self.model = Model(plan.path, plan.options, has_extra_buffers=plan.has_extra_buffers)
        self.n_ctx = plan.n_ctx
        try:
            self._context = Context(
                self.model,
                n_ctx=plan.n_ctx,
                n_sequences=plan.n_slots,
                n_batch=choose_batch(plan.options.num_batch, plan.n_ctx, plan.n_slots),
                n_threads=choose_threads(plan.options.num_thread, physical_cores()),
            )
        except BaseException:
            self.model.close()
            raise
        self.worker = Worker(
            self.model,
            self._context,
            n_slots=plan.n_slots,
            n_ctx=plan.n_ctx,
            max_queue=plan.max_queue,
            gate=gate,
        )
        cache = self.model.cache_bytes_per_token() * plan.n_ctx * plan.n_slots
        self.size_bytes = self.model.size_bytes + cache

    def stop(self) -> None:
        """End what runs with an error."""
        self.worker.stop()

    def close(self) -> None:
        """Stop the worker and free everything."""
        if not self.worker.close():
            _log.error("model not freed reason=its step does not end")
            return
        self._context.close()
        self.model.close()


class EmbedRunner:
    """A loaded embedding model, or a chat model used as one."""

    def __init__(self, plan: LoadPlan, gate: Gate) -> None:
        self.model = Model(plan.path, plan.options, has_extra_buffers=plan.has_extra_buffers)
        self.n_ctx = plan.n_ctx
        try:
            self._context = self._open(plan, pooling=-1)
            if self._context.pooling == POOLING_NONE:
                self._context.close()
                self._context = self._open(plan, pooling=_MEAN_POOLING)
        except BaseException:
            self.model.close()
            raise
        if self._context.pooling == POOLING_RANK:  # one score a text: there is no vector to read
            self._context.close()
            self.model.close()
            raise LoadError(f"{plan.path.name}: a reranker gives scores and cannot embed")
        self.encoder = Encoder(self.model, self._context, n_ctx=plan.n_ctx, gate=gate)
        self.size_bytes = self.model.size_bytes

    def _open(self, plan: LoadPlan, pooling: int) -> Context:
        room = max(STEP_TOKENS, plan.n_ctx)
        return Context(
            self.model,
            n_ctx=room,
            n_sequences=64,
            n_batch=room,
            n_threads=choose_threads(plan.options.num_thread, physical_cores()),
            is_embedding=True,
            pooling=pooling,
        )

    def embed(self, texts: Sequence[Sequence[int]], priority: Priority) -> Vectors:
        """Embed tokenized texts: (n_texts, n_dimensions)."""
        return self.encoder.embed(texts, priority)

    def stop(self) -> None:
        """End what runs with an error."""
        self.encoder.stop()

    def close(self) -> None:
        """Free everything."""
        self.encoder.close()
        self._context.close()
        self.model.close()
