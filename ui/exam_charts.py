"""Figures of one run or two in, rows and a chart with intervals out; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ui.exam_shapes import Figure, Miss

if TYPE_CHECKING:
    import altair

COLORS = ("#8fa39b", "#2b8a6e")  # before, after
_ROW_PX, _BAR_PX = 26, 11


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of single questions between two runs."""

    mended: tuple[Miss, ...] = ()  # went wrong before, not any more
    broken: tuple[Miss, ...] = ()  # goes wrong now, did not before
    other: tuple[tuple[Miss, Miss], ...] = ()  # goes wrong otherwise: before, now


def changes(before: Sequence[Miss], after: Sequence[Miss]) -> Changes:
    """Compare what went wrong in two runs of one exam, question by question."""
    old, new = ({(one.question, one.path): one for one in held} for held in (before, after))
    return Changes(
        mended=tuple(one for key, one in old.items() if key not in new),
        broken=tuple(one for key, one in new.items() if key not in old),
        other=tuple(
            (old[key], one) for key, one in new.items() if key in old and old[key].what != one.what
        ),
    )


def chart_rows(
    sets: Mapping[str, Mapping[str, Figure]], names: Mapping[str, str]
) -> list[dict[str, object]]:
    """Give a row for each share and run, in percent; intervals stay within 0 and 100.

    Args:
        sets: figures by what their run is called.
        names: what figures are called, in the order in which they are drawn.
    """
    return [
        {
            "measure": label,
            "run": run,
            "value": round(100 * held[name].value, 2),
            "low": round(100 * max(0.0, held[name].low), 2),
            "high": round(100 * min(1.0, held[name].high), 2),
        }
        for name, label in names.items()
        for run, held in sets.items()
        if name in held
    ]


def interval_chart(
    rows: Sequence[Mapping[str, object]], *, value: str, interval: str
) -> altair.LayerChart:
    """Draw bars with their intervals, runs beside each other.

    Args:
        value: what the value is called where the mouse points.
        interval: the same for its ends.
    """
    import altair as alt

    runs = list(dict.fromkeys(str(one["run"]) for one in rows))
    measures = list(dict.fromkeys(str(one["measure"]) for one in rows))
    data = alt.Data(values=[dict(one) for one in rows])  # type: ignore[no-untyped-call]
    base = alt.Chart(data).encode(
        y=alt.Y("measure:N", sort=measures, title=None, axis=alt.Axis(labelLimit=130)),
        yOffset=alt.YOffset("run:N", sort=runs),
        tooltip=[
            alt.Tooltip("measure:N", title=" "),
            alt.Tooltip("run:N", title="  "),
            alt.Tooltip("value:Q", title=value, format=".1f"),
            alt.Tooltip("low:Q", title=f"{interval} ↓", format=".1f"),
            alt.Tooltip("high:Q", title=f"{interval} ↑", format=".1f"),
        ],
    )
    color = alt.Color(
        "run:N",
        scale=alt.Scale(domain=runs, range=list(COLORS[-len(runs) :])),
        legend=alt.Legend(title=None, orient="top") if len(runs) > 1 else None,
    )
    scale = alt.Scale(domain=[0, 100])
    bars = base.mark_bar(height=_BAR_PX, cornerRadiusEnd=3).encode(
        x=alt.X("value:Q", title="%", scale=scale), color=color
    )
    spans = base.mark_rule(strokeWidth=1.5, opacity=0.75, color="#d08700").encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q"
    )
    height = 40 + len(measures) * (_ROW_PX * len(runs) if len(runs) > 1 else _ROW_PX)
    return cast("altair.LayerChart", alt.layer(bars, spans).properties(height=height))
