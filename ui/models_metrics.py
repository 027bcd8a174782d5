"""Figures in Prometheus' text format in, those of the models in memory out; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All values by name and labels."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def total(self, name: str, **labels: str) -> float:
        """Add up the values of a name whose labels hold what is given."""
        wanted = set(labels.items())
        return sum(
            value for held, value in self.values.get(name, {}).items() if wanted <= set(held)
        )

    def has(self, name: str) -> bool:
        """Tell whether there is any value of a name."""
        return bool(self.values.get(name))

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Add up the values of a name by one label."""
        wanted, sums = set(labels.items()), dict[str, float]()
        for held, value in self.values.get(name, {}).items():
            if wanted <= set(held):
                key = dict(held).get(label, "")
                sums[key] = sums.get(key, 0.0) + value
        return sums


def figures_from(text: str) -> Figures:
    """Read the text; lines after one that cannot be read are left out.

    Source: Prometheus, text-based exposition format 0.0.4.
    """
    values: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = tuple(sorted(sample.labels.items()))
                values.setdefault(sample.name, {})[key] = sample.value
    except (ValueError, KeyError, IndexError):
        pass
    return Figures(values)


def memory_by_device(figures: Figures, model: str) -> dict[str, dict[str, float]]:
    """Give the parts that a model takes of each device."""
    name = "quire_model_memory_bytes"
    devices = figures.by(name, "device", model=model)
    return {one: figures.by(name, "part", model=model, device=one) for one in sorted(devices)}
