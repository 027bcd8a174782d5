"""Installed models in, loaded ones out: decides how each is loaded, proves it first, keeps it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from engine.config import EngineSettings
from engine.errors import GgufError, LoadError, OutOfMemoryError
from engine.library.entry import HeaderCache
from engine.library.facts import HeaderFacts, header_facts
from engine.library.gguf import read_header
from engine.metrics import Meter
from engine.placing import DEFAULT_EMBED_CTX, Placer, this_machine
from engine.runtime.gate import Gate
from engine.runtime.placement import (
    STEPS_CTX,
    Placement,
    choose_ctx,
    place,
    refusal,
    retreat,
    step_down,
)
from engine.runtime.pool import Free, Key, Pool, PoolCounts, Rooms, Runner
from engine.runtime.sizes import HOST, Wish
from engine.runtime.weights import Weights
from engine.types import ModelEntry, Options, RunningModel

if TYPE_CHECKING:
    from engine.runtime.devices import Machine
    from engine.runtime.llama import Model
    from engine.runtime.probe import Prober
    from engine.runtime.runners import ChatRunner, EmbedRunner, RerankRunner

_log = logging.getLogger(__name__)

Kind = Literal["chat", "embedding", "rerank"]
_MAX_REMEMBERED = 256
STUCK_S = 600.0  # a step takes seconds; what takes so long will not end
MIN_VISION_CTX = 2048  # an image alone takes hundreds of tokens (Ollama's minimum)


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be loaded, and how it is used."""

    entry: ModelEntry
    kind: Kind
    options: Options
    draft: ModelEntry | None = None

    def key(self, n_ctx: int) -> Key:
        """Say what makes two uses share one loaded model; `n_ctx` 0 = before it is decided."""
        from engine.options import LOAD_TIME

        options, entry = replace(self.options, num_ctx=n_ctx), self.entry
        load_options = tuple(getattr(options, name) for name in LOAD_TIME)
        drafted_by = self.draft.model_digest if self.draft is not None else ""
        files = (entry.adapter_paths, entry.projector_paths, drafted_by)
        return Key(entry.model_digest, self.kind, (*load_options, *files))


class Loader:
    """The models in memory; each is loaded when first used."""

    def __init__(
        self,
        settings: EngineSettings,
        find: Callable[[str], ModelEntry] | None = None,
        measure: Callable[[], Machine] = this_machine,
    ) -> None:
        """Load nothing yet.

        Args:
            find: looks up the models that drafts are named by.
            measure: tells what devices there are and what is free.
        """
        self._settings, self._find = settings, find
        self._gate = Gate()
        self._headers = HeaderCache()
        self._placer = Placer(settings, measure)
        self._pool = Pool(
            settings.max_loaded_models,
            settings.keep_alive_s,
            lambda: self._placer.machine().free(),
        )
        self._automatic: dict[Key, int] = {}  # contexts that were chosen where nobody said one
        self._known_prober: Prober | None = None
        self.meter = Meter(self._pool.running, self._pool.counts)

    @contextmanager
    def chat(
        self, entry: ModelEntry, options: Options, keep_alive_s: float | None = None
    ) -> Iterator[ChatRunner]:
        """Hold a model that generates."""
        with self._use(entry, "chat", options, keep_alive_s) as runner:
            yield cast("ChatRunner", runner)

    @contextmanager
    def embedding(
        self, entry: ModelEntry, options: Options, keep_alive_s: float | None = None
    ) -> Iterator[EmbedRunner]:
        """Hold a model that embeds."""
        with self._use(entry, "embedding", options, keep_alive_s) as runner:
            yield cast("EmbedRunner", runner)

    @contextmanager
    def reranker(
        self, entry: ModelEntry, options: Options, keep_alive_s: float | None = None
    ) -> Iterator[RerankRunner]:
        """Hold a model that scores pairs of texts."""
        with self._use(entry, "rerank", options, keep_alive_s) as runner:
            yield cast("RerankRunner", runner)

    def facts(self, entry: ModelEntry) -> HeaderFacts:
        """Tell what a model's file says of itself; read once, for its vocabulary takes long.

        Raises:
            LoadError: the file cannot be read.
        """
        known = self._headers.facts(entry.model_path)
        if known is not None:
            return known
        try:
            return header_facts(read_header(entry.model_path, max_items=0))  # says why not
        except GgufError as error:
            raise LoadError(
                f"{entry.name}: {entry.model_path.name}: {error}; pull or create the model again"
            ) from error

    @contextmanager
    def borrowed(self, entry: ModelEntry) -> Iterator[Model | None]:
        """Hold the vocabulary of a model that is in memory already; None if it is not."""
        with self._pool.borrowed(entry.model_digest) as runner:
            yield cast("ChatRunner | EmbedRunner | RerankRunner", runner).model if runner else None

    def running(self) -> list[RunningModel]:
        """List the models in memory."""
        return self._pool.running()

    def counts(self) -> PoolCounts:
        """Tell how often models were loaded and left."""
        return self._pool.counts()

    def room_without_models(self) -> Free:
        """Tell how many bytes of each device a model could take if no other were in memory."""
        return self._pool.rooms().whole

    def sickness(self) -> str:
        """Tell what is wrong with the threads that compute; empty if nothing."""
        held_s = self._gate.held_s()
        if held_s > STUCK_S:
            return f"a computation has not ended for {held_s:.0f} seconds"
        workers = [(name, getattr(one, "worker", None)) for name, one in self._pool.runners()]
        dead = [name for name, one in workers if one is not None and not one.is_alive]
        return f"the thread that computes {dead[0]} has died" if dead else ""

    def expire(self, entry: ModelEntry) -> None:
        """Take a model out of memory once nobody uses it."""
        self._pool.expire(entry.model_digest)

    def close(self) -> None:
        """Unload everything; a trial that runs ends."""
        if self._known_prober is not None:
            self._known_prober.close()
        self._pool.close()

    @contextmanager
    def _use(
        self, entry: ModelEntry, kind: Kind, options: Options, keep_alive_s: float | None
    ) -> Iterator[Runner]:
        with ExitStack() as held:
            yield self._hold(
                held, Load(entry, kind, options, self._draft(options, kind)), keep_alive_s
            )

    def _hold(self, held: ExitStack, load: Load, keep_alive_s: float | None) -> Runner:
        """Have the model in memory; a context that nobody asked for gives way to memory."""
        n_ctx = self._n_ctx(load)
        while True:
            try:
                return held.enter_context(
                    self._pool.use(
                        load.key(n_ctx),
                        load.entry,
                        partial(self._load, load, n_ctx),
                        keep_alive_s,
                        fits=partial(self._fits, load, n_ctx),
                    )
                )
            except OutOfMemoryError:
                shorter = step_down(n_ctx) if self._is_automatic(load) else None
                if shorter is None:
                    raise
                _log.warning("context shortened name=%s n_ctx=%s", load.entry.name, shorter)
                self._automatic[load.key(0)] = n_ctx = shorter

    def _draft(self, options: Options, kind: Kind) -> ModelEntry | None:
        """Find the model that drafts, if one is named.

        Raises:
            ModelNotFoundError: it is not installed.
        """
        is_named = kind == "chat" and options.draft_model and self._settings.is_speculating
        return self._find(options.draft_model) if is_named and self._find is not None else None

    def _n_ctx(self, load: Load) -> int:
        """Decide the tokens per request; one that nobody said holds while the model is there."""
        wanted, said = load.options.num_ctx, self._settings.n_ctx
        if self._is_automatic(load):
            known = self._automatic.get(load.key(0))
            if known is not None and self._pool.holds(load.key(known)):
                return known
            if len(self._automatic) >= _MAX_REMEMBERED:
                self._automatic.clear()
            chosen = self._automatic[load.key(0)] = self._automatic_ctx(load)
            return chosen
        if load.kind != "chat":
            said = said or DEFAULT_EMBED_CTX
        if wanted and load.entry.projector_paths:
            wanted = max(wanted, MIN_VISION_CTX)
        return choose_ctx(wanted, said, self.facts(load.entry).context_length)

    def _is_automatic(self, load: Load) -> bool:
        return load.kind == "chat" and not load.options.num_ctx and not self._settings.n_ctx

    def _automatic_ctx(self, load: Load) -> int:
        weights, machine = self._placer.weights(load.entry.model_path), self._placer.machine()
        try:
            whole = machine.with_free(self._pool.rooms().whole)
            return place(weights, whole, self._wish(load, 0)).n_ctx
        except OutOfMemoryError:  # said better by the load
            return min(STEPS_CTX[-1], weights.n_ctx_train or STEPS_CTX[-1])

    def _wish(self, load: Load, n_ctx: int) -> Wish:
        is_chat = load.kind == "chat"
        return self._placer.wish(load.entry, load.options, n_ctx, is_chat=is_chat, draft=load.draft)

    def _fits(self, load: Load, n_ctx: int, rooms: Rooms) -> bool:
        """Tell whether other models may stay: this one goes where it would go without them."""
        weights, machine = self._placer.weights(load.entry.model_path), self._placer.machine()
        wish = self._wish(load, n_ctx)
        try:
            best = place(weights, machine.with_free(rooms.whole), wish)
        except OutOfMemoryError:
            return True  # nobody needs to leave for what never fits
        try:
            return place(weights, machine.with_free(rooms.free), wish).rank >= best.rank
        except OutOfMemoryError:
            return False

    def _load(self, load: Load, n_ctx: int, free: Free) -> Runner:
        """Load a model; after a failure for memory again with fewer layers on the GPU.

        Raises:
            OutOfMemoryError: what is needed, what there is, what helps.
        """
        weights = self._placer.weights(load.entry.model_path)
        machine, wish = self._placer.machine().with_free(free), self._wish(load, n_ctx)
        placement = self._place(load, weights, machine, wish)
        while True:
            try:
                return self._open(load, placement, free)
            except OutOfMemoryError as error:
                less = retreat(placement, wish)
                if less is None:
                    raise OutOfMemoryError(
                        f"{load.entry.name}: {refusal(weights, machine, wish)} ({error})"
                    ) from error
                wish, placement = less, place(weights, machine, less)
                _log.warning(
                    "load retried name=%s gpu_layers=%s", load.entry.name, placement.n_gpu_layers
                )

    def _place(self, load: Load, weights: Weights, machine: Machine, wish: Wish) -> Placement:
        try:
            return place(weights, machine, wish)
        except OutOfMemoryError as error:
            raise OutOfMemoryError(f"{load.entry.name}: {error}") from error

    def _open(self, load: Load, placement: Placement, free: Free) -> Runner:
        from engine.runtime.runners import ChatRunner, EmbedRunner, LoadPlan, RerankRunner

        entry, kind, settings = load.entry, load.kind, self._settings
        options = replace(load.options, num_gpu=placement.n_gpu_layers)
        if load.draft is not None:
            self._proven(load.draft, kind, options, placement)  # what cannot be loaded ends here
        left = free.get(HOST, 0) - placement.needs()[HOST]
        plan = LoadPlan(
            path=entry.model_path,
            options=load.options,
            n_ctx=placement.n_ctx,
            n_slots=placement.n_slots,
            max_queue=settings.max_queue,
            has_extra_buffers=self._proven(entry, kind, options, placement),
            adapters=entry.adapter_paths,
            projectors=entry.projector_paths if kind == "chat" else (),
            prefix_cache_bytes=choose_prefix_cache(settings.prefix_cache_bytes, left, kind),
            is_speculating=settings.is_speculating,
            draft_path=load.draft.model_path if load.draft is not None else None,
            name=entry.name,
            placement=placement,
            load_timeout_s=settings.load_timeout_s,
        )
        if kind == "chat":
            runner = ChatRunner(plan, self._gate)
            self.meter.watch(entry.name, runner.worker)
            return runner
        if kind == "embedding":
            return EmbedRunner(plan, self._gate)
        return RerankRunner(plan, self._gate)

    def _proven(
        self, entry: ModelEntry, kind: Kind, options: Options, placement: Placement
    ) -> bool:
        from engine.runtime.llama import build_features
        from engine.runtime.probe import Prober, Trial, build_name

        if self._known_prober is None:
            build = build_name(build_features())
            self._known_prober = Prober(self._settings.models_dir / "probed.json", build)
        trial = Trial(
            path=entry.model_path,
            digest=entry.model_digest,
            kind=kind,
            num_gpu=options.num_gpu,
            adapters=entry.adapter_paths,
            projectors=entry.projector_paths if kind == "chat" else (),
            context_settings=_unusual(placement),
        )
        return self._known_prober.verdict(trial).has_extra_buffers


def _unusual(placement: Placement) -> tuple[tuple[str, object], ...]:
    """List how the cache is kept where that is not llama.cpp's own way: other code runs then."""
    kept = (("cache_type", placement.cache_type), ("flash_attention", placement.flash_attention))
    return tuple((name, value) for name, value in kept if value not in ("f16", None))


def choose_prefix_cache(wanted_bytes: int, left_bytes: int, kind: Kind) -> int:
    """Decide the memory for conversations without a slot: a quarter of what is left at most."""
    return max(0, min(wanted_bytes, left_bytes // 4)) if kind == "chat" else 0
