"""The jobs that wait in, the one whose task is done next out; no queue, no clock in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_SMALL = 8  # files: a handful that somebody waits for
MAX_SMALL_IN_A_ROW = 4  # then others have a turn, too: a folder comes in at a fifth of its speed
MAX_BEFORE_LOW = 32  # turns of others, and a low job has one, however much waits

Lane = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A job that waits."""

    job_id: str
    lane: Lane  # ("upload",), or the collection and the folder that it follows
    n_left: int  # tasks; counted up to MAX_SMALL + 1
    is_low: bool = False  # waits until nothing else does, or for long

    @property
    def is_small(self) -> bool:
        """Tell whether it is an upload that is done soon."""
        return self.lane == ("upload",) and self.n_left <= MAX_SMALL


class Turns:
    """Whose turn it is: small uploads first, then lane by lane, the oldest job of each; low last.

    Nobody waits for ever, whatever keeps coming. Jobs of one lane keep their order: two that follow
    the same folder depend on it.
    """

    def __init__(self) -> None:
        self._tick = 0
        self._served: dict[Lane, int] = {}
        self._n_small = 0
        self._n_before_low = 0

    def next(
        self, standings: Sequence[Standing], is_behind: Callable[[Standing], bool]
    ) -> Standing | None:
        """Choose a job.

        Args:
            standings: oldest first.
            is_behind: tells of a small job whether an older one must go before.
        """
        low = next((one for one in standings if one.is_low), None)
        ready = [one for one in standings if not one.is_low]
        if not ready or (low is not None and self._n_before_low >= MAX_BEFORE_LOW):
            self._n_before_low = 0
            return low
        self._n_before_low = 0 if low is None else self._n_before_low + 1
        return self._of_others(ready, is_behind)

    def _of_others(
        self, standings: Sequence[Standing], is_behind: Callable[[Standing], bool]
    ) -> Standing:
        heads: dict[Lane, Standing] = {}
        for one in standings:
            heads.setdefault(one.lane, one)
        small = next((one for one in standings if one.is_small), None)
        has_patience = self._n_small < MAX_SMALL_IN_A_ROW or len(heads) == 1
        if small and has_patience and (small in heads.values() or not is_behind(small)):
            chosen, self._n_small = small, self._n_small + 1
        else:
            chosen, self._n_small = heads[min(heads, key=lambda one: self._served.get(one, 0))], 0
        self._tick += 1
        self._served = {lane: self._served.get(lane, 0) for lane in heads}
        self._served[chosen.lane] = self._tick
        return chosen
