"""How much one client may ask for: requests per minute, bytes of a body, and how slowly; pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

BURST_S = 10.0  # of its allowance a client may spend at once
MIN_BURST = 10
MAX_CLIENTS = 10_000  # remembered at once; the longest unseen are forgotten first

SILENT_S = 30.0  # without a byte of a body
GRACE_S = 30.0  # in which a body may come as slowly as it likes
PACE_S = 10.0
PACE_BYTES = 1024  # that must come in every PACE_S afterwards


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one client has left."""

    tokens: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests that a client may make."""

    per_minute: int  # 0 = as many as it likes

    @property
    def burst(self) -> float:
        """How many may come at once."""
        return max(MIN_BURST, self.per_minute * BURST_S / 60)

    def take(self, bucket: Bucket | None, now_s: float) -> tuple[Bucket, float]:
        """Spend one request: (what is left, seconds to wait; 0 = it may be made)."""
        if bucket is None:
            return Bucket(self.burst - 1, now_s), 0.0
        gained = max(0.0, now_s - bucket.at_s) * self.per_minute / 60
        tokens = min(self.burst, bucket.tokens + gained)
        if tokens >= 1:
            return Bucket(tokens - 1, now_s), 0.0
        return Bucket(tokens, now_s), (1 - tokens) * 60 / self.per_minute


class Allowances:
    """What every client has left; a bounded table."""

    def __init__(self, rate: Rate, max_clients: int = MAX_CLIENTS) -> None:
        self.rate, self._max_clients = rate, max_clients
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, now_s: float) -> float:
        """Spend one request of a client: seconds to wait; 0 = it may be made."""
        if not self.rate.per_minute:
            return 0.0
        left, wait_s = self.rate.take(self._buckets.get(client), now_s)
        self._buckets[client] = left
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        return wait_s


@dataclass(slots=True)
class Pace:
    """How fast a body comes; counts only the time in which it is waited for."""

    waited_s: float = 0.0
    window_s: float = 0.0
    window_bytes: int = 0

    def patience_s(self) -> float:
        """Tell how long to wait for the next bytes."""
        if self.waited_s < GRACE_S:
            return SILENT_S
        return max(0.001, min(SILENT_S, PACE_S - self.window_s))

    def came(self, spent_s: float, n_bytes: int) -> bool:
        """Note bytes and how long they were waited for; tell whether it goes fast enough."""
        if self.waited_s >= GRACE_S:
            self.window_s += spent_s
            self.window_bytes += n_bytes
        self.waited_s += spent_s
        if self.window_bytes >= PACE_BYTES:
            self.window_s, self.window_bytes = 0.0, 0
        return self.window_s < PACE_S


def is_streamed(path: str) -> bool:
    """Tell whether a body goes to the disk as it comes; such routes have limits of their own."""
    return path in _STREAMED or path.startswith(_STREAMED_BELOW)


_STREAMED = frozenset({"/kb/documents"})
_STREAMED_BELOW = ("/api/blobs/", "/v1/audio/", "/ui/")


def declared_length(raw: str) -> int | None:
    """Read a Content-Length; None if there is none that can be read."""
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 20 else None


def needs_allowance(path: str) -> bool:
    """Tell whether a request counts: probes do not, nor the files of the pages."""
    return path not in _FREE and not path.startswith("/ui")


_FREE = frozenset({"/healthz", "/readyz", "/metrics"})
