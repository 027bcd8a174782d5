"""What the engine does in, figures for Prometheus out; counts in memory, reads the loaded models.

Nothing is gathered before somebody asks, but for what could not be known any more then: one call
an answer.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from engine.runtime.stats import Tally, WorkerStats
from engine.types import Final, RunningModel

if TYPE_CHECKING:
    from engine.runtime.pool import PoolCounts
    from engine.runtime.worker import Worker

_NS = 1e-9
_FIRST_TOKEN_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_ANSWER_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_SPEEDS = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
# name, what it says, where it stands in WorkerStats
_GROWING = (
    ("prompt_tokens", "Tokens of prompts, those taken from a cache included", "n_prompt_tokens"),
    ("prompt_tokens_reused", "Tokens of prompts taken from a cache", "n_reused_tokens"),
    ("generated_tokens", "Tokens generated", "n_generated_tokens"),
    ("drafted_tokens", "Tokens tried ahead by speculation", "n_drafted_tokens"),
    ("accepted_tokens", "Tokens tried ahead that became part of the answer", "n_accepted_tokens"),
    ("steps", "Steps computed", "n_steps"),
    ("generations_cancelled", "Generations whose client went away", "n_cancelled"),
    ("generations_failed", "Generations that ended with an error", "n_failed"),
)
_PRESENT = (
    ("queue_length", "Generations that wait for a slot", "n_waiting"),
    ("slots", "Generations that can run at once", "n_slots"),
    ("slots_busy", "Generations that run", "n_busy"),
    ("prefix_cache_entries", "Prefixes kept in main memory", "n_cached_prefixes"),
    ("prefix_cache_bytes", "Main memory that they take", "cached_bytes"),
)
_POOL = (
    ("model_loads", "Models loaded", "n_loads"),
    ("model_evictions", "Models that left to make room", "n_evictions"),
    ("model_expirations", "Models that left because nobody asked for them", "n_expired"),
    ("model_load_seconds", "Time that loading took", "loads_seconds"),
)


@dataclass(frozen=True, slots=True)
class _Watched:
    model: str
    worker: weakref.ref[Worker] | None
    tally: Tally  # outlives the worker, so that what it did stays counted


class Meter(Collector):
    """The figures of one engine, in a registry of their own."""

    def __init__(
        self, running: Callable[[], Sequence[RunningModel]], counts: Callable[[], PoolCounts]
    ) -> None:
        """Count from now on.

        Args:
            running: lists the models in memory.
            counts: tells what the pool did.
        """
        self._running, self._counts = running, counts
        self._watched: list[_Watched] = []
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._first_token_s = self._histogram(
            "time_to_first_token_seconds", "From the request to its first token", _FIRST_TOKEN_S
        )
        self._answer_s = self._histogram(
            "answer_seconds", "From the request to the end of its answer", _ANSWER_S
        )
        self._speed = self._histogram(
            "decode_tokens_per_second", "Tokens a second of one answer, after the first", _SPEEDS
        )
        self.registry.register(self)

    def _histogram(self, name: str, said: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"quire_{name}", said, ["model"], buckets=buckets, registry=self.registry)

    def watch(self, model: str, worker: Worker) -> None:
        """Count what a worker does, also after it has ended."""
        self._watched.append(_Watched(model, weakref.ref(worker), worker.tally))
        if len(self._watched) > 64:
            self._fold()

    def answered(self, model: str, final: Final) -> None:
        """Note how long an answer took."""
        if final.done_reason not in ("stop", "length"):
            return
        self._answer_s.labels(model).observe(final.total_ns * _NS)
        self._first_token_s.labels(model).observe((final.total_ns - final.generate_ns) * _NS)
        if final.n_generated > 1 and final.generate_ns > 0:
            self._speed.labels(model).observe((final.n_generated - 1) / (final.generate_ns * _NS))

    def _fold(self) -> None:
        """Keep one tally a model for all the workers that have ended."""
        gone: dict[str, Tally] = defaultdict(Tally)
        left: list[_Watched] = []
        for one in self._watched:
            if one.worker is None or one.worker() is None:
                gone[one.model].add(one.tally)
            else:
                left.append(one)
        self._watched = [
            *(_Watched(name, None, tally) for name, tally in gone.items()),
            *left,
        ]

    # -- what Prometheus asks for ---------------------------------------------------------------

    def describe(self) -> Iterable[Metric]:
        """Say nothing: the names are the same as those that `collect` gives."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything as it stands now."""
        stats = [(one.model, _stats_of(one)) for one in list(self._watched)]
        for name, said, field in _GROWING:
            counter = CounterMetricFamily(f"quire_{name}", said, labels=["model"])
            for model, value in _sums(stats, field).items():
                counter.add_metric([model], value)
            yield counter
        for name, said, field in _PRESENT:
            gauge = GaugeMetricFamily(f"quire_{name}", said, labels=["model"])
            for model, value in _sums(stats, field).items():
                gauge.add_metric([model], value)
            yield gauge
        counts = self._counts()
        for name, said, field in _POOL:
            yield CounterMetricFamily(f"quire_{name}", said, value=getattr(counts, field))
        yield from _memory(self._running())


def _stats_of(one: _Watched) -> WorkerStats:
    worker = one.worker() if one.worker is not None else None
    return one.tally.seen() if worker is None else worker.stats()


def _sums(stats: Iterable[tuple[str, WorkerStats]], field: str) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for model, one in stats:
        sums[model] += getattr(one, field)
    return sums


def _memory(running: Sequence[RunningModel]) -> Iterator[Metric]:
    yield GaugeMetricFamily("quire_models_loaded", "Models in memory", value=len(running))
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in running:
        for held in one.memory:
            name = one.entry.name
            sums[name, held.device, "weights"] += held.weights_bytes
            sums[name, held.device, "cache"] += held.cache_bytes
            sums[name, held.device, "compute"] += held.compute_bytes
    gauge = GaugeMetricFamily(
        "quire_model_memory_bytes",
        "What models take, as llama.cpp reports it",
        labels=["model", "device", "part"],
    )
    for labels, n_bytes in sums.items():
        gauge.add_metric(list(labels), n_bytes)
    yield gauge
