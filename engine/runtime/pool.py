"""Models in memory: loaded when first used, kept for a while, the longest unused leave."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from engine.errors import BusyError
from engine.types import ModelEntry, RunningModel

_log = logging.getLogger(__name__)

WAIT_FOR_ROOM_S = 300.0
TICK_S = 30.0
CLOSE_WAIT_S = 5.0  # longest time that closing waits for those who still use a model
FOREVER_S = 100 * 365 * 86400.0  # a longer keep_alive is none; no calendar reaches further anyway


class Runner(Protocol):
    """A loaded model with what it needs to compute."""

    n_ctx: int
    size_bytes: int  # weights, cache and buffers
    size_vram_bytes: int  # the part of it on a GPU

    def stop(self) -> None:
        """End what runs with an error; the memory stays until `close`."""

    def close(self) -> None:
        """Free everything; nobody uses it any more."""


@dataclass(frozen=True, slots=True)
class Key:
    """What makes two uses share one loaded model."""

    model_digest: str
    kind: str  # chat, embedding or rerank
    load_options: tuple[object, ...]


@dataclass(slots=True, eq=False)
class _Loaded:
    entry: ModelEntry
    runner: Runner
    n_users: int = 0
    keep_alive_s: float = 0.0
    idle_since_s: float = field(default_factory=time.monotonic)

    def expires_in_s(self, now_s: float) -> float | None:
        """Tell the seconds left; None = never."""
        if self.keep_alive_s < 0:
            return None
        return self.keep_alive_s if self.n_users else self.idle_since_s + self.keep_alive_s - now_s


class Pool:
    """Loaded models by key."""

    def __init__(self, max_loaded: int, keep_alive_s: float = 300.0) -> None:
        self._max_loaded, self._keep_alive_s = max_loaded, keep_alive_s
        self._loaded: dict[Key, _Loaded] = {}
        self._changed = threading.Condition()
        self._loading = threading.Lock()  # one load at a time; loaded models keep serving
        self._is_closed = False
        self._coming: tuple[ModelEntry, datetime | None] | None = None  # what is being loaded
        self._keeper = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)
        self._keeper.start()

    @contextmanager
    def use(
        self, key: Key, entry: ModelEntry, load: Callable[[], Runner], keep_alive_s: float | None
    ) -> Iterator[Runner]:
        """Hold a model in memory while the block runs; load it first if need be.

        Args:
            keep_alive_s: how long it stays afterwards; None leaves what was said before.
        Raises:
            BusyError: no room came free in time.
        """
        if keep_alive_s is not None and not keep_alive_s <= FOREVER_S:
            keep_alive_s = -1.0
        loaded = self._claim(key, keep_alive_s)
        if loaded is None:
            with self._loading:
                loaded = self._claim(key, keep_alive_s)
                if loaded is None:
                    self._make_room()
                    stay_s = self._keep_alive_s if keep_alive_s is None else keep_alive_s
                    loaded = self._load(key, entry, load, stay_s)
        try:
            yield loaded.runner
        finally:
            self._release(key, loaded)

    @contextmanager
    def borrowed(self, model_digest: str) -> Iterator[Runner | None]:
        """Hold a model that is loaded already, in whatever way; None if it is not."""
        with self._changed:
            found = next((key for key in self._loaded if key.model_digest == model_digest), None)
            loaded = None if found is None else self._claim(found, None)
        try:
            yield None if loaded is None else loaded.runner
        finally:
            if found is not None and loaded is not None:
                self._release(found, loaded)

    def running(self) -> list[RunningModel]:
        """List the loaded models, the one that expires last first."""
        now_s = time.monotonic()
        with self._changed:
            everyone, coming = list(self._loaded.values()), self._coming
        found = []
        if coming is not None:
            found.append(RunningModel(*coming, coming[0].size_bytes, 0, 0))
        for one in everyone:
            left_s = one.expires_in_s(now_s)
            until = None if left_s is None else datetime.now(UTC) + timedelta(seconds=left_s)
            held = one.runner
            found.append(
                RunningModel(one.entry, until, held.size_bytes, held.size_vram_bytes, held.n_ctx)
            )
        far = datetime.max.replace(tzinfo=UTC)
        return sorted(found, key=lambda one: one.expires_at or far, reverse=True)

    def expire(self, model_digest: str) -> None:
        """Unload a model as soon as nobody uses it."""
        with self._changed:
            for key, loaded in self._loaded.items():
                if key.model_digest == model_digest:
                    loaded.keep_alive_s = 0.0
        self._drop_expired()

    def close(self) -> None:
        """Unload everything; who still uses a model gets an error, the last of them frees it."""
        with self._changed:
            self._is_closed = True
            for loaded in self._loaded.values():
                loaded.keep_alive_s = 0.0
                loaded.runner.stop()
            self._changed.notify_all()
        self._drop_expired()
        with self._changed:
            if not self._changed.wait_for(lambda: not self._loaded, CLOSE_WAIT_S):
                _log.warning("models still in use count=%s", len(self._loaded))
        self._keeper.join(timeout=5)

    def _claim(self, key: Key, keep_alive_s: float | None) -> _Loaded | None:
        with self._changed:
            if self._is_closed:
                raise BusyError
            loaded = self._loaded.get(key)
            if loaded is not None:
                loaded.n_users += 1
                if keep_alive_s is not None:
                    loaded.keep_alive_s = keep_alive_s
            return loaded

    def _load(
        self, key: Key, entry: ModelEntry, load: Callable[[], Runner], keep_alive_s: float
    ) -> _Loaded:
        """Load a model, which is listed meanwhile with the end that it would have."""
        until = None
        if keep_alive_s >= 0:
            until = datetime.now(UTC) + timedelta(seconds=keep_alive_s)
        self._coming = (entry, until)
        try:
            return self._add(key, _Loaded(entry, load(), 1, keep_alive_s))
        finally:
            self._coming = None

    def _add(self, key: Key, loaded: _Loaded) -> _Loaded:
        with self._changed:
            is_late = self._is_closed
            self._coming = None
            if not is_late:
                self._loaded[key] = loaded
            self._changed.notify_all()
        if is_late:
            loaded.runner.close()
            raise BusyError
        _log.info("model loaded name=%s kind=%s", loaded.entry.name, key.kind)
        return loaded

    def _release(self, key: Key, loaded: _Loaded) -> None:
        with self._changed:
            loaded.n_users -= 1
            loaded.idle_since_s = time.monotonic()
            self._changed.notify_all()
        if loaded.keep_alive_s == 0:
            self._drop_expired()

    def _make_room(self) -> None:
        deadline_s = time.monotonic() + WAIT_FOR_ROOM_S
        while True:
            with self._changed:
                if self._is_closed:
                    raise BusyError
                if len(self._loaded) < self._max_loaded:
                    return
                idle = [
                    (one.idle_since_s, key) for key, one in self._loaded.items() if not one.n_users
                ]
                victim = self._loaded.pop(min(idle, key=lambda pair: pair[0])[1]) if idle else None
                if victim is None:
                    if time.monotonic() > deadline_s:
                        raise BusyError
                    self._changed.wait(1.0)
            if victim is not None:
                _log.info("model evicted name=%s", victim.entry.name)
                victim.runner.close()

    def _drop_expired(self) -> None:
        now_s = time.monotonic()
        with self._changed:
            gone = [
                key
                for key, one in self._loaded.items()
                if not one.n_users and (left := one.expires_in_s(now_s)) is not None and left <= 0
            ]
            victims = [self._loaded.pop(key) for key in gone]
            self._changed.notify_all()
        for victim in victims:
            _log.info("model expired name=%s", victim.entry.name)
            victim.runner.close()

    def _keep(self) -> None:
        while True:
            with self._changed:
                if self._is_closed:
                    return
                now_s = time.monotonic()
                left = [one.expires_in_s(now_s) for one in self._loaded.values() if not one.n_users]
                nearest = min((one for one in left if one is not None), default=TICK_S)
                self._changed.wait(max(0.05, min(TICK_S, nearest)))
            self._drop_expired()
