"""The free bytes of a disk in, whether to wait for room and for how long out; pure."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_BYTES = 32 * 1024**2  # below that a refused write means a full disk, and not a broken one
GAIN_BYTES = 2 * 1024**2  # that somebody made room
TRY_S = 60.0  # try anyway after so long: a write may be small


@dataclass(frozen=True, slots=True)
class Pause:
    """A job that waits for room on the disk."""

    job_id: str
    free_bytes: int  # when it stopped
    since_s: float

    def is_over(self, free_bytes: int, now_s: float) -> bool:
        """Tell whether to try again."""
        has_gained = free_bytes >= self.free_bytes + GAIN_BYTES
        return has_gained or free_bytes >= SHORT_BYTES or now_s >= self.since_s + TRY_S

    @property
    def message(self) -> str:
        """Tell what is the matter."""
        free = self.free_bytes / 1024**2
        return (
            f"paused: the disk of the data directory is full ({free:,.1f} MB free); nothing was "
            "lost, and it goes on by itself when there is room"
        )


def is_full(free_bytes: int) -> bool:
    """Tell whether a write was refused because there is no room, and not for another reason."""
    return free_bytes < SHORT_BYTES
