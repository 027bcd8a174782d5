"""Figures of /metrics at several moments in, rates, latencies and small charts out; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ui.format import plain_html
from ui.models_metrics import Figures

N_KEPT = 200  # samples; ten minutes of one every three seconds
_OVER_S = 15.0  # rates are those of the last seconds
# What this page and the frame ask for themselves says nothing about how the server is used.
OWN = frozenset(
    {
        "/metrics",
        "/healthz",
        "/readyz",
        "/api/ps",
        "/api/tags",
        "/kb/status",
        "/kb/machine",
        "/kb/jobs",
        "/kb/logs",
        "/kb/models/pulls",
        "/kb/collections",
        "/kb/models/advice",
        "/kb/keys",
        "/kb/doctor",
        "none",
    }
)
_PAGES = ("/ui", "/_stcore")
_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was counted at one moment."""

    at_s: float
    n_tokens: float = 0.0  # generated
    n_requests: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)  # requests by seconds, at most
    n_waiting: float = 0.0
    n_busy: float = 0.0
    n_slots: float = 0.0
    passages_per_s: float = 0.0
    process_bytes: float = 0.0
    models_bytes: float = 0.0
    cache_bytes: float = 0.0
    n_http: float = 0.0  # requests that are being answered


@dataclass(frozen=True, slots=True)
class RouteFigures:
    """How one route did since the server started."""

    route: str
    n: int
    n_failed: int  # answered with 5xx
    p50_s: float | None
    p95_s: float | None


def sample_of(figures: Figures, at_s: float, *, passages_per_s: float = 0.0) -> Sample:
    """Take what this page shows out of all figures."""
    requests = figures.by("quire_http_requests_total", "route")
    buckets: dict[float, float] = {}
    for route in figures.by("quire_http_request_seconds_bucket", "route"):
        if not is_own(route):
            for edge, count in _buckets(figures, route).items():
                buckets[edge] = buckets.get(edge, 0.0) + count
    return Sample(
        at_s=at_s,
        n_tokens=figures.total("quire_generated_tokens_total"),
        n_requests=sum(count for route, count in requests.items() if not is_own(route)),
        buckets=buckets,
        n_waiting=figures.total("quire_queue_length"),
        n_busy=figures.total("quire_slots_busy"),
        n_slots=figures.total("quire_slots"),
        passages_per_s=passages_per_s,
        process_bytes=figures.total("process_resident_memory_bytes"),
        models_bytes=figures.total("quire_model_memory_bytes"),
        cache_bytes=figures.total("quire_prefix_cache_bytes"),
        n_http=figures.total("quire_http_requests_running"),
    )


def is_own(route: str) -> bool:
    """Tell whether the pages ask a route by themselves."""
    return route in OWN or route.startswith(_PAGES)


def added(samples: Sequence[Sample], sample: Sample) -> list[Sample]:
    """Keep one more; counters that fell back mean another process, whose story begins anew."""
    last = samples[-1] if samples else None
    if last is not None and (
        sample.n_requests < last.n_requests or sample.n_tokens < last.n_tokens
    ):
        return [sample]
    return [*samples, sample][-N_KEPT:]


def rates(samples: Sequence[Sample], name: str) -> list[float]:
    """Give a counter's growth a second at each moment, over the seconds before it."""
    found = []
    for at, one in enumerate(samples):
        first = at
        while first > 0 and one.at_s - samples[first - 1].at_s <= _OVER_S:
            first -= 1
        since = samples[first]
        span = one.at_s - since.at_s
        grown = getattr(one, name) - getattr(since, name)
        found.append(max(0.0, grown / span) if span > 0 else 0.0)
    return found


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Estimate a quantile from cumulative buckets; None if nothing was counted.

    Source: Prometheus, `histogram_quantile`: linear within a bucket, the last finite edge beyond.
    """
    edges = sorted(buckets)
    total = buckets[edges[-1]] if edges else 0.0
    if total <= 0:
        return None
    rank, below, low = share * total, 0.0, 0.0
    for edge in edges:
        if buckets[edge] >= rank:
            if edge == _INFINITE:
                return low
            inside = buckets[edge] - below
            return low + (edge - low) * ((rank - below) / inside if inside else 1.0)
        below, low = buckets[edge], edge
    return low


def medians(samples: Sequence[Sample]) -> list[float]:
    """Tell the usual time of an answer between each two samples; 0 where nothing was asked."""
    found = [0.0]
    for before, after in pairwise(samples):
        grown = {e: max(0.0, n - before.buckets.get(e, 0.0)) for e, n in after.buckets.items()}
        found.append(quantile(grown, 0.5) or 0.0)
    return found


def recent(samples: Sequence[Sample]) -> Mapping[float, float]:
    """Give the buckets of what was answered while this page was watching; else of all."""
    if not samples:
        return {}
    first, last = samples[0].buckets, samples[-1].buckets
    grown = {edge: count - first.get(edge, 0.0) for edge, count in last.items()}
    return grown if grown.get(_INFINITE, 0.0) > 0 else last


def by_route(figures: Figures, limit: int = 12) -> list[RouteFigures]:
    """List the routes that were asked most, without those that this page asks."""
    counts = figures.by("quire_http_requests_total", "route")
    found = []
    for route, n in sorted(counts.items(), key=lambda one: -one[1]):
        if is_own(route):
            continue
        statuses = figures.by("quire_http_requests_total", "status", route=route)
        failed = sum(count for status, count in statuses.items() if status.startswith("5"))
        held = _buckets(figures, route)
        row = RouteFigures(route, int(n), int(failed), quantile(held, 0.5), quantile(held, 0.95))
        found.append(row)
    return found[:limit]


def seconds_short(seconds: float | None) -> str:
    """Write a short time: 12 ms, 1.4 s; a dash if there is none."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def spark_html(values: Sequence[float], label: str) -> str:
    """Draw values as a small filled line, the last one at the right.

    A shape of CSS, not of SVG: Streamlit takes pictures out of the HTML that it shows.
    """
    if len(values) < 2:
        values = (0.0, 0.0)  # a first look: the line that will grow
    top = max(*values, 1e-9)
    step = 100 / (len(values) - 1)
    # A line of nothing still shows that it was looked.
    heights = [4 + 96 * max(0.0, one) / top for one in values]
    points = [f"{at * step:.1f}% {100 - one:.1f}%" for at, one in enumerate(heights)]
    shape = ", ".join(["0% 100%", *points, "100% 100%"])
    return (
        f'<div class="q-spark q-drawn" role="img" aria-label="{plain_html(label, 120)}" '
        f'style="clip-path: polygon({shape})"></div>'
    )


def share_html(share: float) -> str:
    """Draw how much of something is used, 0 to 1."""
    width = 100 * min(1.0, max(0.0, share))
    return f'<div class="q-spark"><div class="q-share" style="--used:{width:.1f}%"></div></div>'


def tile_html(
    name: str, value: str, more: str, values: Sequence[float] = (), *, share: float | None = None
) -> str:
    """Draw one figure with its name, what belongs to it and its last minutes.

    Args:
        share: how much of it is used, drawn in place of the last minutes.
    """
    below = spark_html(values, name) if share is None else share_html(share)
    return (
        f'<div class="q-tile"><div class="q-muted">{plain_html(name)}</div>'
        f'<div class="q-value">{plain_html(value)}</div>'
        f'<div class="q-muted">{plain_html(more)}&nbsp;</div>{below}</div>'
    )


def tiles_html(tiles: Sequence[str]) -> str:
    """Put tiles side by side, as many as the width has room for."""
    return f'{TILE_STYLE}<div class="q-tiles">{"".join(tiles)}</div>'


def _buckets(figures: Figures, route: str) -> dict[float, float]:
    held = figures.by("quire_http_request_seconds_bucket", "le", route=route)
    return {float(edge): count for edge, count in held.items() if edge}


TILE_STYLE = """<style>
.q-tiles { display: grid; gap: .7rem;
  grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
.q-tile { padding: .7rem .8rem .4rem; border-radius: .6rem; overflow: hidden; min-width: 0;
  border: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.q-value { font-size: 1.15rem; font-weight: 600; line-height: 1.35; white-space: nowrap; }
.q-spark { height: 1.6rem; margin-top: .2rem; display: flex; align-items: end; }
.q-share { width: 100%; height: .4rem; margin-bottom: .35rem; border-radius: .2rem;
  background: linear-gradient(to right, light-dark(#1f7a5f, #6fd0b0) var(--used),
    color-mix(in srgb, currentColor 18%, transparent) 0); opacity: .6; }
.q-drawn { background: linear-gradient(light-dark(#1f7a5f, #6fd0b0), transparent 160%);
  opacity: .6; }
@media (max-width: 640px) {
  .q-tiles { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .q-value { font-size: 1rem; }
  .q-spark { height: 1.3rem; }
}
</style>"""
