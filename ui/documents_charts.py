"""Figures of a library in, charts as Vega-Lite out; pure.

The data stands in the chart itself and its colours are given, so that drawing it asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from ui.documents_shapes import Bar
from ui.format import clip, size_text
from ui.palette import DARK

Chart = dict[str, object]

COLOR = DARK.primary  # between the two themes: it stands out on white and on black
_MOST = 12  # bars; the rest is one
_LABEL = 160  # pixels
_ROW = 26
_COLUMN = 22  # pixels: a phone has room for the twelve that a large library has
_MAX_NAME = 200
_ROOM = 1.25
_FIT = {"type": "fit-x", "contains": "padding"}


def shares(
    bars: Sequence[Bar],
    name_of: Callable[[str], str],
    rest: str,
    *,
    is_bytes: bool = False,
) -> list[Bar]:
    """Take the largest parts, what has the same name together, and the rest as one."""
    merged: dict[str, Bar] = {}
    for one in bars:
        name = clip(name_of(one.name), _MAX_NAME)
        held = merged.get(name, Bar(name))
        merged[name] = Bar(name, held.n + one.n, held.n_bytes + one.n_bytes)
    found = sorted(merged.values(), key=lambda one: -(one.n_bytes if is_bytes else one.n))
    if len(found) > _MOST:
        others = found[_MOST - 1 :]
        last = Bar(rest, sum(one.n for one in others), sum(one.n_bytes for one in others))
        found = [*found[: _MOST - 1], last]
    return found


def bar_chart(bars: Sequence[Bar], title: str, *, is_bytes: bool = False) -> Chart:
    """Draw parts as lying bars, the largest on top, each with its figure."""
    values = [
        {
            "name": one.name,
            "value": one.n_bytes if is_bytes else one.n,
            "shown": size_text(one.n_bytes) if is_bytes else f"{one.n:,}",
        }
        for one in bars
    ]
    y: Chart = {"field": "name", "type": "nominal", "sort": None, "title": None}
    y |= {"axis": {"labelLimit": _LABEL, "ticks": False, "domain": False}}
    most = max((one.n_bytes if is_bytes else one.n for one in bars), default=0)
    x: Chart = {"field": "value", "type": "quantitative", "title": title, "axis": None}
    x |= {"scale": {"domain": [0, max(most, 1) * _ROOM], "nice": False}}  # for the figure behind
    tooltip = [{"field": "name", "title": " "}, {"field": "shown", "title": title}]
    label: Chart = {"type": "text", "align": "left", "dx": 4, "color": "#808b86"}
    return {
        "data": {"values": values},
        "autosize": _FIT,
        "height": _ROW * max(len(values), 1),
        "encoding": {"y": y, "x": x, "tooltip": tooltip},
        "layer": [
            {"mark": {"type": "bar", "color": COLOR, "cornerRadiusEnd": 3}},
            {"mark": label, "encoding": {"text": {"field": "shown"}}},
        ],
        "config": {"view": {"stroke": None}},
    }


def columns_chart(bars: Sequence[Bar], x_title: str, y_title: str) -> Chart:
    """Draw parts that have an order as standing columns."""
    values = [{"name": one.name.replace("-", "–"), "value": one.n} for one in bars]
    x: Chart = {"field": "name", "type": "ordinal", "sort": None, "title": x_title}
    x |= {"axis": {"labelAngle": 0, "labelOverlap": True}}
    y: Chart = {"field": "value", "type": "quantitative", "title": y_title}
    y |= {"axis": {"tickMinStep": 1, "format": ",d"}}
    return {
        "data": {"values": values},
        "autosize": _FIT,
        "height": 200,
        "mark": {"type": "bar", "color": COLOR, "cornerRadiusEnd": 3, "size": _COLUMN},
        "encoding": {"x": x, "y": y, "tooltip": [x_tip(x_title), y_tip(y_title)]},
    }


def growth_chart(days: Sequence[Bar], y_title: str) -> Chart:
    """Draw how many documents there were by each day, of those that are there now."""
    total = 0
    values: list[dict[str, object]] = [{"name": _before(days[0].name), "value": 0}] if days else []
    for one in days:
        total += one.n
        values.append({"name": one.name, "value": total})
    x: Chart = {"field": "name", "type": "temporal", "title": None}
    y: Chart = {"field": "value", "type": "quantitative", "title": y_title}
    y |= {"axis": {"tickMinStep": 1, "format": ",d"}}
    mark: Chart = {"type": "area", "color": COLOR, "opacity": 0.45, "interpolate": "step-after"}
    return {
        "data": {"values": values},
        "autosize": _FIT,
        "height": 200,
        "mark": {**mark, "line": {"color": COLOR}, "point": {"color": COLOR}},
        "encoding": {"x": x, "y": y, "tooltip": [x_tip(" "), y_tip(y_title)]},
    }


def _before(day: str) -> str:
    """Name the day before, where the line begins; of a month its own name."""
    try:
        return str(date.fromisoformat(day) - timedelta(days=1))
    except (ValueError, OverflowError):
        return day


def x_tip(title: str) -> dict[str, object]:
    """Name what the pointer is on."""
    return {"field": "name", "type": "nominal", "title": title}


def y_tip(title: str) -> dict[str, object]:
    """Tell the figure that the pointer is on."""
    return {"field": "value", "type": "quantitative", "title": title, "format": ",d"}
