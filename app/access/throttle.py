"""Failed logins in, how long an address has to wait out; of a fixed size, whoever knocks."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

MAX_FAILURES = 10
WITHIN_S = 300.0
MAX_ADDRESSES = 4096  # remembered; those that failed longest ago go first


class Throttle:
    """Remembers who showed wrong keys lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Tell how long an address has to wait until it may try again; 0 = not at all."""
        times = self._failures.get(known_as(address))
        if times is None or len(times) < MAX_FAILURES:
            return 0.0
        return max(0.0, times[0] + WITHIN_S - self._clock())

    def fail(self, address: str) -> None:
        """Note that an address showed a wrong key."""
        name = known_as(address)
        times = self._failures.setdefault(name, deque(maxlen=MAX_FAILURES))
        times.append(self._clock())
        self._failures.move_to_end(name)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def forget(self, address: str) -> None:
        """Forget the failures of who has shown a right key."""
        self._failures.pop(known_as(address), None)

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
