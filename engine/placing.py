"""Installed models and this machine in, where each would go out; reads headers, asks devices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.config import EngineSettings
from engine.errors import GgufError, LoadError, OutOfMemoryError
from engine.library.gguf import read_header
from engine.runtime.explain import explain
from engine.runtime.placement import choose_ctx, place
from engine.runtime.sizes import Sizer, Wish
from engine.runtime.weights import MAX_ITEMS, Weights, weights_of
from engine.types import ModelEntry, Options

if TYPE_CHECKING:
    from engine.runtime.devices import Machine

DEFAULT_EMBED_CTX = 2048
_MAX_REMEMBERED = 64


def this_machine() -> Machine:
    """Measure this machine as llama.cpp sees it."""
    from engine.runtime import devices_native  # loads llama.cpp

    return devices_native.this_machine()


class Placer:
    """What models take and what there is; safe for several threads."""

    def __init__(
        self, settings: EngineSettings, measure: Callable[[], Machine] = this_machine
    ) -> None:
        self._settings, self.machine = settings, measure
        self._weights: dict[tuple[Path, int, int], Weights] = {}
        self._lock = threading.Lock()

    def weights(self, path: Path) -> Weights:
        """Tell what a model file takes; read once while it does not change.

        Raises:
            LoadError: it cannot be read.
        """
        try:
            status = path.stat()
            key = (path, status.st_size, status.st_mtime_ns)
            with self._lock:
                if key in self._weights:
                    return self._weights[key]
            found = weights_of(read_header(path, max_items=MAX_ITEMS))
        except (GgufError, OSError) as error:
            raise LoadError(f"{path.name}: {error}; pull or create the model again") from error
        with self._lock:
            if len(self._weights) >= _MAX_REMEMBERED:
                self._weights.clear()
            self._weights[key] = found
        return found

    def wish(
        self,
        entry: ModelEntry,
        options: Options,
        n_ctx: int,
        *,
        is_chat: bool = True,
        draft: ModelEntry | None = None,
    ) -> Wish:
        """Say what a load asks for.

        Args:
            n_ctx: tokens per request; 0 = nobody said.
        """
        settings = self._settings
        n_slots = settings.n_parallel if is_chat else 1
        files = entry.projector_paths if is_chat else ()
        return Wish(
            n_ctx=n_ctx,
            n_slots=n_slots,
            n_gpu_layers=options.num_gpu,
            main_gpu=options.main_gpu,
            n_batch=options.num_batch,
            is_pooling=not is_chat,
            is_spread=settings.is_spread,
            gpu_overhead_bytes=settings.gpu_overhead_bytes,
            cache_type=settings.cache_type,
            flash_attention=settings.flash_attention,
            uses_mmap=options.use_mmap,
            projector_bytes=sum(_size(one) for one in files),
            draft_bytes=self._draft_bytes(draft, n_ctx, n_slots),
        )

    def explained(self, entry: ModelEntry, options: Options) -> list[str]:
        """Say in sentences where a model would go now, with what is free now.

        Raises:
            LoadError: its file cannot be read.
        """
        is_chat = "completion" in entry.capabilities
        weights, machine = self.weights(entry.model_path), self.machine()
        said = self._settings.n_ctx or (0 if is_chat else DEFAULT_EMBED_CTX)
        n_ctx = options.num_ctx or said
        if n_ctx:
            n_ctx = choose_ctx(options.num_ctx, said, weights.n_ctx_train)
        wish = self.wish(entry, options, n_ctx, is_chat=is_chat)
        try:
            return explain(place(weights, machine, wish), weights, machine, wish)
        except OutOfMemoryError as error:
            return [f"It cannot be loaded now: {error}."]

    def _draft_bytes(self, draft: ModelEntry | None, n_ctx: int, n_slots: int) -> int:
        if draft is None:
            return 0
        sizer = Sizer(self.weights(draft.model_path), Wish(n_ctx=n_ctx or 4096, n_slots=n_slots))
        return sizer.on_host().size_bytes


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # said better when it is loaded
        return 0
