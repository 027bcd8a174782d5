"""Models in memory: loaded when first used, kept for a while; the longest unused make room."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from engine.errors import BusyError
from engine.runtime.host_memory import give_back_memory
from engine.runtime.sizes import HOST
from engine.types import DeviceMemory, ModelEntry, RunningModel

_log = logging.getLogger(__name__)

WAIT_FOR_ROOM_S = 300.0
TICK_S = 30.0
CLOSE_WAIT_S = 5.0  # longest time that closing waits for those who still use a model
FOREVER_S = 100 * 365 * 86400.0  # a longer keep_alive is none; no calendar reaches further anyway


Free = Mapping[str, int]  # bytes by device; CPU is main memory


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a model could take."""

    free: Free  # beside the models that are loaded
    whole: Free  # if they all left


Load = Callable[[Free], "Runner"]
Fits = Callable[[Rooms], bool]  # whether a load need not wait for more room


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """What happened since the start."""

    n_loads: int = 0
    n_evictions: int = 0  # to make room
    n_expired: int = 0  # after their time, or because somebody asked
    loads_seconds: float = 0.0


class Runner(Protocol):
    """A loaded model with what it needs to compute."""

    n_ctx: int
    memory: tuple[DeviceMemory, ...]  # main memory first

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

    def __init__(
        self,
        max_loaded: int,
        keep_alive_s: float = 300.0,
        measure: Callable[[], Free] = dict,
    ) -> None:
        """Hold nothing yet.

        Args:
            measure: tells the free bytes by device as they are now.
        """
        self._max_loaded, self._keep_alive_s, self._measure = max_loaded, keep_alive_s, measure
        self._loaded: dict[Key, _Loaded] = {}
        self._leaving: list[_Loaded] = []  # nobody's any more, but still in memory
        self._awaited: list[Key] = []  # being loaded, or next in line; once for each who waits
        self._capacity: dict[str, int] = {}  # what is free while nothing is loaded
        self._counts = PoolCounts()
        self._changed = threading.Condition()
        self._loading = threading.Lock()  # one load at a time; loaded models keep serving
        self._is_closed = False
        self._coming: tuple[ModelEntry, datetime | None] | None = None  # what is being loaded
        self._keeper = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)
        self._keeper.start()

    @contextmanager
    def use(
        self,
        key: Key,
        entry: ModelEntry,
        load: Load,
        keep_alive_s: float | None,
        *,
        fits: Fits = lambda _: True,
    ) -> Iterator[Runner]:
        """Hold a model in memory while the block runs; load it first if need be.

        While it does not fit, the longest unused models leave; if all are in use it waits. Alone
        it is loaded in any case: the load itself refuses what is too large.

        Args:
            load: is given the free bytes by device.
            keep_alive_s: how long it stays afterwards; None leaves what was said before.
        Raises:
            BusyError: no room came free in time.
        """
        if keep_alive_s is not None and not keep_alive_s <= FOREVER_S:
            keep_alive_s = -1.0
        loaded = self._claim(key, keep_alive_s)
        if loaded is None:
            with self._awaiting(key), self._loading:
                loaded = self._claim(key, keep_alive_s)
                if loaded is None:
                    free = self._make_room(fits)
                    stay_s = self._keep_alive_s if keep_alive_s is None else keep_alive_s
                    loaded = self._load(key, entry, lambda: load(free), stay_s)
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

    def holds(self, key: Key) -> bool:
        """Tell whether a model is in memory, or somebody waits for it to be."""
        with self._changed:
            return key in self._loaded or key in self._awaited

    @contextmanager
    def _awaiting(self, key: Key) -> Iterator[None]:
        with self._changed:
            self._awaited.append(key)
        try:
            yield
        finally:
            with self._changed:
                self._awaited.remove(key)

    def runners(self) -> list[tuple[str, Runner]]:
        """List what is in memory: (name of the model, its runner)."""
        with self._changed:
            return [(one.entry.name, one.runner) for one in self._loaded.values()]

    def counts(self) -> PoolCounts:
        """Tell what happened since the start."""
        with self._changed:
            return self._counts

    def rooms(self) -> Rooms:
        """Tell what a model could take now.

        Main memory that holds mapped files counts as free to the system, so what there was without
        models, less what they take, is held against what is free now; the smaller counts.
        """
        with self._changed:
            now = self._measure()
            used: dict[str, int] = {}
            for one in (*self._loaded.values(), *self._leaving):
                for each in one.runner.memory:
                    used[each.device] = used.get(each.device, 0) + each.size_bytes
            self._remember_capacity(now)
            free, whole = {}, {}
            for device, bytes_now in now.items():
                most, taken = self._capacity.get(device, bytes_now), used.get(device, 0)
                free[device] = max(0, min(bytes_now, most - taken))
                whole[device] = max(0, min(most, bytes_now + taken))
            return Rooms(free, whole)

    def _remember_capacity(self, now: Free) -> None:
        """Note what there would be with nothing loaded: at least what is surely ours or free."""
        held = [*self._loaded.values(), *self._leaving]
        if not held:
            self._capacity = dict(now)
        for device, bytes_now in now.items():
            memory = [one for each in held for one in each.runner.memory if one.device == device]
            # Mapped weights in main memory may stand among what is free already.
            surely = sum(one.size_bytes - one.weights_bytes * (device == HOST) for one in memory)
            known = self._capacity.get(device, 0)
            self._capacity[device] = max(known, bytes_now + surely)

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
            memory = one.runner.memory
            total = sum(each.size_bytes for each in memory)
            main = sum(each.size_bytes for each in memory if each.device == HOST)
            found.append(
                RunningModel(one.entry, until, total, total - main, one.runner.n_ctx, memory)
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
        began_s = time.monotonic()
        try:
            return self._add(key, _Loaded(entry, load(), 1, keep_alive_s), began_s)
        finally:
            self._coming = None

    def _add(self, key: Key, loaded: _Loaded, began_s: float) -> _Loaded:
        spent_s = time.monotonic() - began_s
        with self._changed:
            is_late = self._is_closed
            self._coming = None
            self._count(n_loads=1, loads_seconds=spent_s)
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

    def _make_room(self, fits: Fits) -> Free:
        deadline_s = time.monotonic() + WAIT_FOR_ROOM_S
        while True:
            with self._changed:
                if self._is_closed:
                    raise BusyError
                rooms = self.rooms()
                is_alone = not self._loaded and not self._leaving
                if is_alone or (len(self._loaded) < self._max_loaded and fits(rooms)):
                    return rooms.free
                victim = self._take_longest_unused()
                if victim is None:
                    if time.monotonic() > deadline_s:
                        raise BusyError
                    self._changed.wait(1.0)
            if victim is not None:
                _log.info("model evicted name=%s", victim.entry.name)
                self._free([victim])

    def _take_longest_unused(self) -> _Loaded | None:
        idle = [(one.idle_since_s, key) for key, one in self._loaded.items() if not one.n_users]
        if not idle:
            return None
        victim = self._loaded.pop(min(idle, key=lambda pair: pair[0])[1])
        self._leaving.append(victim)
        self._count(n_evictions=1)
        return victim

    def _drop_expired(self) -> None:
        now_s = time.monotonic()
        with self._changed:
            gone = [
                key
                for key, one in self._loaded.items()
                if not one.n_users and (left := one.expires_in_s(now_s)) is not None and left <= 0
            ]
            victims = [self._loaded.pop(key) for key in gone]
            self._leaving += victims
            self._count(n_expired=len(victims))
        for victim in victims:
            _log.info("model expired name=%s", victim.entry.name)
        self._free(victims)

    def _free(self, victims: Sequence[_Loaded]) -> None:
        """Close what nobody can reach any more; only then is its memory free."""
        try:
            for victim in victims:
                victim.runner.close()
            if victims:
                give_back_memory()  # or the allocator keeps what the next model asks for anew
        finally:
            with self._changed:
                self._leaving = [one for one in self._leaving if one not in victims]
                self._changed.notify_all()

    def _count(
        self,
        *,
        n_loads: int = 0,
        n_evictions: int = 0,
        n_expired: int = 0,
        loads_seconds: float = 0.0,
    ) -> None:
        known = self._counts
        self._counts = PoolCounts(
            known.n_loads + n_loads,
            known.n_evictions + n_evictions,
            known.n_expired + n_expired,
            known.loads_seconds + loads_seconds,
        )

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
