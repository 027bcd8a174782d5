"""Measured values in, rows of the table with their bars out; pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    measure: str
    ours: str
    other: str = "-"
    ratio: str = "-"
    bar: str = ""
    is_met: bool | None = None  # None = nothing to compare with

    @property
    def line(self):
        """Write it."""
        met = {True: "yes", False: "NO", None: "-"}[self.is_met]
        return (
            f"| {self.measure} | {self.ours} | {self.other} | {self.ratio} | {self.bar} | {met} |"
        )


HEAD = "| measure | ours | compared with | ratio | bar | met |\n|---|---|---|---|---|---|"


@dataclass(slots=True)
class Seen:
    """What one side showed, run by run."""

    values: list = field(default_factory=list)
    cpu_s: list = field(default_factory=list)  # of its processes; as many

    def at(self, index):
        """Take one of several values of each run."""
        return [value[index] for value in self.values]


def speed(measure, ours, others, *, at_least, unit="tokens/s", other="llama-server", cpu=()):
    """Compare medians of which the larger is better.

    Args:
        cpu: processor time of both for the same work: the ratio to trust on a busy machine.
    """
    if not others:
        return Row(measure, f"{median(ours):.1f} {unit}", bar=f"≥ {at_least} × {other}")
    ratio = median(ours) / median(others)
    by_cpu = f" ({median(cpu[1]) / median(cpu[0]):.2f} by processor time)" if _is_told(cpu) else ""
    return Row(
        measure,
        f"{median(ours):.1f} {unit}",
        f"{median(others):.1f} ({other})",
        f"{ratio:.2f}{by_cpu}",
        f"≥ {at_least} × {other}",
        ratio >= at_least,
    )


def wait(measure, ours, others, *, at_most=1.0, unit="ms", other="llama-server"):
    """Compare medians of which the smaller is better."""
    said = f"≤ {other}'s" if at_most == 1 else f"≤ {at_most:.3g} × {other}"
    if not others:
        return Row(measure, f"{median(ours):.0f} {unit}", bar=said)
    ratio = median(ours) / median(others)
    return Row(
        measure,
        f"{median(ours):.0f} {unit}",
        f"{median(others):.0f} ({other})",
        f"{ratio:.2f}",
        said,
        ratio <= at_most,
    )


def limit(measure, ours, *, at_most, unit, digits=0, seen=None):
    """Hold our value against a number; `seen` shows another one's for comparison."""
    value = median(ours)
    other = f"{median(seen):.{digits}f} (llama-server)" if seen else "-"
    text = f"{value:.{digits}f} {unit}"
    return Row(measure, text, other, "-", f"≤ {at_most:g} {unit}", value <= at_most)


def _is_told(cpu):
    return bool(cpu) and all(side and min(side) > 0 for side in cpu)


def median(values):
    return statistics.median(values)


def p95(values):
    """Give the value that at most one in twenty exceeds."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
