"""Failed logins in, how long somebody has to wait out; of a fixed size, whoever knocks.

Ten failures in five minutes are what one address has, whichever keys it tries. Behind a proxy that
is not trusted to name its clients all browsers have one address, and a guesser among them would
lock the others out. So a browser that has logged in with a key before is told apart by its mark
(`app/access/known.py`) when it tries that same key: it has ten failures of its own, which are of no
use to anybody who does not hold the key already. A login forgives no failures at other keys, or a
guesser would clear his own with any key that he has.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

MAX_FAILURES = 10
WITHIN_S = 300.0
MAX_ADDRESSES = 4096  # remembered; those that failed longest ago go first


@dataclass(frozen=True, slots=True)
class Knock:
    """Who tries to log in with what."""

    address: str
    tried: str = ""  # id of the key that is shown; empty = what is shown is no key
    known: str = ""  # id of the key that this browser has logged in with before


@dataclass(frozen=True, slots=True)
class Failure:
    """One wrong key."""

    at_s: float
    tried: str


def counted_as(knock: Knock) -> str:
    """Name under what failures count together."""
    if knock.tried and knock.tried == knock.known:
        return f"key {knock.tried}"
    return known_as(knock.address)


def wait_after(failures: Sequence[Failure], now_s: float) -> float:
    """Tell how long to wait after the last failures, oldest first; 0 = not at all."""
    if len(failures) < MAX_FAILURES:
        return 0.0
    return max(0.0, failures[-MAX_FAILURES].at_s + WITHIN_S - now_s)


def unforgiven(failures: Sequence[Failure], tried: str) -> tuple[Failure, ...]:
    """Leave of failures what a login does not make good: those at other keys."""
    return tuple(one for one in failures if one.tried not in ("", tried))


class Throttle:
    """Remembers who showed wrong keys lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        self._failures: OrderedDict[str, tuple[Failure, ...]] = OrderedDict()

    def wait_s(self, knock: Knock) -> float:
        """Tell how long somebody has to wait until he may try again; 0 = not at all."""
        return wait_after(self._failures.get(counted_as(knock), ()), self._clock())

    def fail(self, knock: Knock) -> None:
        """Note that somebody showed a wrong key."""
        name = counted_as(knock)
        before = self._failures.get(name, ())
        failure = Failure(self._clock(), knock.tried)
        self._failures[name] = (*before, failure)[-MAX_FAILURES:]
        self._failures.move_to_end(name)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def forgive(self, knock: Knock) -> None:
        """Forget the failures of who has shown a right key."""
        for name in {counted_as(knock), known_as(knock.address)}:
            left = unforgiven(self._failures.get(name, ()), knock.tried)
            if left:
                self._failures[name] = left
            else:
                self._failures.pop(name, None)

    def __len__(self) -> int:
        return len(self._failures)


def known_as(address: str) -> str:
    """Name who is at an address; those of one network of IPv6 are one: who has one has 2^64."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, 64), strict=False))
    return str(found)
