"""Installed models in, loaded ones out: decides how each is loaded, proves it first, keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from engine.config import EngineSettings
from engine.errors import GgufError, LoadError
from engine.library.entry import HeaderCache
from engine.library.facts import HeaderFacts, header_facts
from engine.library.gguf import read_header
from engine.runtime.gate import Gate
from engine.runtime.pool import Key, Pool, Runner
from engine.types import ModelEntry, Options, RunningModel

if TYPE_CHECKING:
    from engine.runtime.llama import Model
    from engine.runtime.probe import Prober
    from engine.runtime.runners import ChatRunner, EmbedRunner, RerankRunner

Kind = Literal["chat", "embedding", "rerank"]
DEFAULT_EMBED_CTX = 2048
MIN_VISION_CTX = 2048  # an image alone takes hundreds of tokens (Ollama's minimum)


class Loader:
    """The models in memory; each is loaded when first used."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._gate = Gate()
        self._headers = HeaderCache()
        self._pool = Pool(settings.max_loaded_models, settings.keep_alive_s)
        self._known_prober: Prober | None = None

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

    def expire(self, entry: ModelEntry) -> None:
        """Take a model out of memory once nobody uses it."""
        self._pool.expire(entry.model_digest)

    def close(self) -> None:
        """Unload everything."""
        self._pool.close()

    @contextmanager
    def _use(
        self, entry: ModelEntry, kind: Kind, options: Options, keep_alive_s: float | None
    ) -> Iterator[Runner]:
        n_ctx = self._n_ctx(entry, kind, options)
        key = _key(entry, kind, replace(options, num_ctx=n_ctx))
        with self._pool.use(
            key, entry, lambda: self._load(entry, kind, options, n_ctx), keep_alive_s
        ) as runner:
            yield runner

    def _n_ctx(self, entry: ModelEntry, kind: Kind, options: Options) -> int:
        from engine.runtime.runners import choose_ctx

        default = self._settings.n_ctx
        if kind != "chat":
            default = default or DEFAULT_EMBED_CTX
        wanted = options.num_ctx
        if wanted and entry.projector_paths:
            wanted = max(wanted, MIN_VISION_CTX)
        return choose_ctx(wanted, default, self.facts(entry).context_length)

    def _load(self, entry: ModelEntry, kind: Kind, options: Options, n_ctx: int) -> Runner:
        from engine.runtime.runners import ChatRunner, EmbedRunner, LoadPlan, RerankRunner

        plan = LoadPlan(
            path=entry.model_path,
            options=options,
            n_ctx=n_ctx,
            n_slots=self._settings.n_parallel if kind == "chat" else 1,
            max_queue=self._settings.max_queue,
            has_extra_buffers=self._proven(entry, kind, options),
            adapters=entry.adapter_paths,
            projectors=entry.projector_paths if kind == "chat" else (),
        )
        if kind == "chat":
            return ChatRunner(plan, self._gate)
        if kind == "embedding":
            return EmbedRunner(plan, self._gate)
        return RerankRunner(plan, self._gate)

    def _proven(self, entry: ModelEntry, kind: Kind, options: Options) -> bool:
        from engine.runtime.llama import build_features
        from engine.runtime.probe import Prober, Trial

        if self._known_prober is None:
            features = build_features()
            build = f"{features['llama-cpp-python']} {features['system_info']}"
            self._known_prober = Prober(self._settings.models_dir / "probed.json", build)
        trial = Trial(
            path=entry.model_path,
            digest=entry.model_digest,
            kind=kind,
            num_gpu=options.num_gpu,
            adapters=entry.adapter_paths,
            projectors=entry.projector_paths if kind == "chat" else (),
        )
        return self._known_prober.verdict(trial).has_extra_buffers


def _key(entry: ModelEntry, kind: Kind, options: Options) -> Key:
    from engine.options import LOAD_TIME

    load_options = tuple(getattr(options, name) for name in LOAD_TIME)
    return Key(
        entry.model_digest, kind, (*load_options, entry.adapter_paths, entry.projector_paths)
    )
