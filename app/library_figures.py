"""The library in, its figures for Prometheus out; read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.errors import IngestError

if TYPE_CHECKING:
    from ingest.knowledge_base import KnowledgeBase


class LibraryFigures(Collector):
    """How much is stored and what is waiting; names of collections stay out, they tell too much."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb

    def describe(self) -> Iterable[Metric]:
        """Say nothing: the names are the same as those that `collect` gives."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Count; a catalogue that does not answer is told by /readyz, the rest stays readable."""
        try:
            found = self._kb.collections()
            jobs = self._kb.status()["jobs"]
        except IngestError:
            return
        yield _gauge("collections", "Collections", len(found))
        yield _gauge("documents", "Documents stored", sum(one.n_documents for one in found))
        yield _gauge("chunks", "Chunks that can be found", sum(one.n_chunks for one in found))
        gauge = GaugeMetricFamily("quire_jobs", "Jobs that read documents", labels=["state"])
        if isinstance(jobs, dict):
            for state, n_jobs in jobs.items():
                gauge.add_metric([state], n_jobs)
        yield gauge


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"quire_{name}", said, value=value)
