"""Model files in, a runner that chats, embeds or reranks out; owns model, context, thread."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.errors import GgufError, LoadError, RequestError
from engine.library.gguf import read_header
from engine.runtime.draft import DraftModel, check_vocabulary
from engine.runtime.encoder import MAX_SEQUENCES, STEP_TOKENS, Encoder
from engine.runtime.gate import Gate
from engine.runtime.llama import POOLING_NONE, Context, Model, has_gpu
from engine.runtime.log_native import LOG, Buffer
from engine.runtime.media import Prompt
from engine.runtime.placement import Placement
from engine.runtime.sizes import HOST
from engine.runtime.worker import Worker
from engine.types import DeviceMemory, Options, Priority, Vectors

if TYPE_CHECKING:
    from engine.runtime.mtmd_native import Projector

_log = logging.getLogger(__name__)

MAX_THREADS_PER_CORE = 4  # more never help; thousands crash llama.cpp and with it the process
WHOLE_IMAGE_TOKENS = 2048  # a step of models whose images cannot be computed in parts
MOST_LAYERS = 999  # more than any model has
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
    adapters: tuple[Path, ...] = ()  # LoRA, applied in full
    projectors: tuple[Path, ...] = ()  # what a vision or hearing model has beside its weights
    prefix_cache_bytes: int = 0  # main memory for conversations that lost their slot
    is_speculating: bool = True  # try tokens ahead where that pays
    draft_path: Path | None = None  # a second model that writes them
    name: str = ""  # of the model, as users know it
    placement: Placement | None = None  # None leaves the devices to the options and to llama.cpp
    load_timeout_s: float = 0.0  # longest time without progress; 0 = for ever


_DRAFT_BATCH = 64  # tokens of a draft model's step at least: a few of each of many answers


def choose_threads(wanted: int, n_cores: int) -> int:
    """Decide the threads: what is asked within reason, else one per core."""
    n_cores = max(1, n_cores)
    return min(wanted, MAX_THREADS_PER_CORE * n_cores) if wanted > 0 else n_cores


def choose_batch(wanted: int, n_ctx: int, n_slots: int) -> int:
    """Decide the tokens of one step: what is asked, at least one a slot so that none starves."""
    return max(32, n_slots, min(wanted, n_ctx * n_slots))


def step_clock(*, has_gpu: bool) -> Callable[[], float]:
    """Choose the clock that tells what steps of different sizes cost against each other.

    The processor time of the thread that reads it: on a machine with other work the time on the
    wall differed fourfold between equal steps (2 cores, load 8).
    """
    return time.perf_counter if has_gpu else time.thread_time


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


def memory_of(buffers: Sequence[Buffer]) -> tuple[DeviceMemory, ...]:
    """Add up what llama.cpp reported by device and kind; main memory comes first.

    Of a mapped file llama.cpp reports all from the first tensor to the last, also those between
    that it repacked into memory of their own; such a tensor counts once.
    Source: llama.cpp, src/llama-model-loader.cpp, `get_mapping_range`.
    """
    found = {HOST: DeviceMemory(HOST)}
    mapped = sum(one.size_bytes for one in buffers if one.device == f"{HOST}_Mapped")
    repacked = sum(one.size_bytes for one in buffers if _is_repacked(one))
    twice = Buffer(HOST, "weights", -min(mapped, repacked))
    for one in (*buffers, twice):
        name = HOST if _is_main_memory(one.device) else one.device.removesuffix("_Mapped")
        held = found.get(name, DeviceMemory(name))
        field = f"{one.kind}_bytes"
        found[name] = replace(held, **{field: getattr(held, field) + one.size_bytes})
    return tuple(found.values())


def vram_bytes(memory: Sequence[DeviceMemory]) -> int:
    """Tell how much of it is not main memory."""
    return sum(one.size_bytes for one in memory if one.device != HOST)


def _is_repacked(one: Buffer) -> bool:
    is_extra = one.device.startswith(("CPU_", "AMX")) and one.device != f"{HOST}_Mapped"
    return one.kind == "weights" and is_extra


def _is_main_memory(device: str) -> bool:
    return device.startswith(("CPU", "AMX", "BLAS")) or device.endswith("_Host")


class ChatRunner:
    """A loaded chat model."""

    def __init__(self, plan: LoadPlan, gate: Gate) -> None:
        """Load a model.

        Raises:
            LoadError: a file is refused, or there is no memory.
        """
        self.n_ctx = plan.n_ctx
        self._projector: Projector | None = None
        self._draft_model: DraftModel | None = None
        with LOG.measured() as buffers:
            self.model = _open_model(plan)
            try:
                self._projector = self._open_projector(plan)
                self._context = self._open_context(plan)
            except BaseException:
                self._close_model()
                raise
            try:
                self._draft_model = self._open_draft(plan)
            except BaseException:
                self._context.close()
                self._close_model()
                raise
        self.worker = Worker(
            self.model,
            self._context,
            n_slots=plan.n_slots,
            n_ctx=plan.n_ctx,
            max_queue=plan.max_queue,
            gate=gate,
            look=self._projector.look if self._projector else None,
            prefix_cache_bytes=plan.prefix_cache_bytes,
            is_speculating=plan.is_speculating,
            draft_model=self._draft_model,
            clock=step_clock(has_gpu=has_gpu()),
        )
        self.memory = memory_of(buffers)

    @property
    def can_see(self) -> bool:
        """Whether prompts may hold pictures."""
        return self._projector is not None and self._projector.can_see

    @property
    def can_hear(self) -> bool:
        """Whether prompts may hold sounds."""
        return self._projector is not None and self._projector.can_hear

    @property
    def can_shift(self) -> bool:
        """Whether a full context can drop its older half and go on."""
        return self._context.can_shift

    def prompt(self, text: str, images: Sequence[bytes] = (), *, add_special: bool) -> Prompt:
        """Turn a text, and the files that its markers `[img-N]` name, into a prompt.

        Files that no marker names go in front.

        Raises:
            RequestError: a file is damaged or of a kind that the model does not take.
        """
        if not images:
            tokens = self.model.tokenize(text, add_special=add_special, parse_special=True)
            return Prompt(tuple(tokens))
        if self._projector is None:
            raise RequestError("this model does not take images: it has no projector")
        return self._projector.prompt(text, images, add_special=add_special)

    def _open_projector(self, plan: LoadPlan) -> Projector | None:
        if not plan.projectors:
            return None
        if len(plan.projectors) > 1:
            raise LoadError(
                f"the model has {len(plan.projectors)} projectors; only one can be used: create it "
                "again with one of them"
            )
        from engine.runtime.mtmd_native import Projector  # another library, seldom needed

        return Projector(
            plan.projectors[0],
            self.model,
            n_threads=choose_threads(plan.options.num_thread, physical_cores()),
            is_on_gpu=_projects_on_gpu(plan),
        )

    def _open_context(self, plan: LoadPlan) -> Context:
        is_whole_step = self._projector is not None and self._projector.is_whole_step
        wanted = max(plan.options.num_batch, WHOLE_IMAGE_TOKENS * is_whole_step)
        return Context(
            self.model,
            n_ctx=plan.n_ctx,
            n_sequences=plan.n_slots,
            n_batch=choose_batch(wanted, plan.n_ctx, plan.n_slots),
            n_threads=choose_threads(plan.options.num_thread, physical_cores()),
            is_whole_step=is_whole_step,
            placement=plan.placement,
        )

    def _open_draft(self, plan: LoadPlan) -> DraftModel | None:
        if plan.draft_path is None or not plan.is_speculating:
            return None
        plan_of_draft = replace(plan, placement=_beside(plan.placement))
        model = _open_model(replace(plan_of_draft, path=plan.draft_path, adapters=()))
        try:
            name = plan.options.draft_model or plan.draft_path.name
            check_vocabulary(self.model, model, plan.name or plan.path.name, name)
            context = Context(
                model,
                n_ctx=plan.n_ctx,
                n_sequences=plan.n_slots,
                # Whatever the target's steps may hold: every slot drafts in the same step.
                n_batch=choose_batch(
                    max(_DRAFT_BATCH, plan.options.num_batch), plan.n_ctx, plan.n_slots
                ),
                n_threads=choose_threads(plan.options.num_thread, physical_cores()),
                placement=plan_of_draft.placement,
            )
        except BaseException:
            model.close()
            raise
        try:
            return DraftModel(model, context, n_vocab=self.model.n_vocab, name=name)
        except BaseException:
            context.close()
            model.close()
            raise

    def stop(self) -> None:
        """End what runs with an error."""
        self.worker.stop()

    def close(self) -> None:
        """Stop the worker and free everything."""
        if not self.worker.close():
            _log.error("model not freed reason=its step does not end")
            return
        if self._draft_model is not None:
            self._draft_model.close()
        self._context.close()
        self._close_model()

    def _close_model(self) -> None:
        if self._projector is not None:
            self._projector.close()
        self.model.close()


class _PoolingRunner:
    """A loaded model that gives one result a text."""

    def __init__(self, plan: LoadPlan, gate: Gate) -> None:
        self.n_ctx = plan.n_ctx
        with LOG.measured() as buffers:
            self.model = _open_model(plan)
            try:
                self._context = self._open_fitting(plan)
            except BaseException:
                self.model.close()
                raise
        self.encoder = Encoder(self.model, self._context, n_ctx=plan.n_ctx, gate=gate)
        self.memory = memory_of(buffers)

    def _open_fitting(self, plan: LoadPlan) -> Context:
        raise NotImplementedError

    def _open(self, plan: LoadPlan, pooling: int = -1) -> Context:
        room = max(STEP_TOKENS, plan.n_ctx)
        return Context(
            self.model,
            n_ctx=room,
            n_sequences=MAX_SEQUENCES,
            n_batch=room,
            n_threads=choose_threads(plan.options.num_thread, physical_cores()),
            is_embedding=True,
            pooling=pooling,
            placement=plan.placement,
        )

    def stop(self) -> None:
        """End what runs with an error."""
        self.encoder.stop()

    def close(self) -> None:
        """Free everything."""
        self.encoder.close()
        self._context.close()
        self.model.close()


class EmbedRunner(_PoolingRunner):
    """A loaded embedding model, or a chat model used as one."""

    def _open_fitting(self, plan: LoadPlan) -> Context:
        if self.model.is_reranker:  # one score a text: there is no vector to read
            raise LoadError(f"{plan.path.name}: a reranker gives scores and cannot embed")
        context = self._open(plan)
        if context.pooling != POOLING_NONE:
            return context
        context.close()
        return self._open(plan, pooling=_MEAN_POOLING)

    def embed(self, texts: Sequence[Sequence[int]], priority: Priority) -> Vectors:
        """Embed tokenized texts: (n_texts, n_dimensions)."""
        return self.encoder.embed(texts, priority)


class RerankRunner(_PoolingRunner):
    """A loaded reranker: a cross-encoder, or a generative one that llama.cpp reads as one."""

    def _open_fitting(self, plan: LoadPlan) -> Context:
        if not self.model.is_reranker:
            raise LoadError(
                f"{plan.path.name}: this model is no reranker (its pooling type is not rank); "
                "take one such as bge-reranker-v2-m3 or Qwen3-Reranker"
            )
        if not _has_head(plan.path):
            raise LoadError(
                f"{plan.path.name}: this file has no classification head and so gives no scores; "
                "convert the reranker again, by llama.cpp's own converter"
            )
        return self._open(plan)

    def score(self, pairs: Sequence[Sequence[int]], priority: Priority) -> NDArray[np.float32]:
        """Score pairs that `encode_pair` made.

        Shapes:
            result: (n_pairs,) float32, higher is better; its logistic is a probability.
        """
        scores = self.encoder.score(pairs, priority)
        if not self.model.scores_are_probabilities:
            return scores
        # Not beyond what float32 can tell from 0 and 1.
        likely = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
        return np.log(likely / (1 - likely)).astype(np.float32)


def _has_head(path: Path) -> bool:
    try:
        tensors = read_header(path, max_items=0).tensors
    except GgufError as error:
        raise LoadError(f"{path.name}: {error}") from error
    return any(one.name.startswith("cls.") for one in tensors)


def _beside(placement: Placement | None) -> Placement | None:
    """Place a draft model where its target is: whole on the first GPU, or on the processor."""
    if placement is None:
        return None
    is_whole = placement.n_gpu_layers == placement.n_all_layers
    n_layers = MOST_LAYERS if is_whole else 0
    return replace(placement, n_gpu_layers=n_layers, tensor_split=(), cache_type="f16")


def _projects_on_gpu(plan: LoadPlan) -> bool:
    if plan.placement is None:
        return plan.options.num_gpu != 0
    return plan.placement.is_projector_on_gpu


def _open_model(plan: LoadPlan) -> Model:
    return Model(
        plan.path,
        plan.options,
        has_extra_buffers=plan.has_extra_buffers,
        adapters=plan.adapters,
        placement=plan.placement,
        load_timeout_s=plan.load_timeout_s,
    )
