"""What steps took, on the wall and computing, in; how many threads the next one gets out; pure.

llama.cpp's threads meet after every operation, so one that has to wait for its core holds up all.
On two cores with a dozen other processes two threads streamed 2 tokens/s, one thread 31 to 53.
Who computes sleeps while it waits, so a step that took far longer on the wall than its first
thread computed was kept waiting: then half of the threads do better, until a try says otherwise.
"""

from __future__ import annotations

import statistics
from collections import deque

CROWDED = 1.7  # wall over processor time; 1.06 on an idle machine
HOPELESS = 6.0  # so many such steps in a row say enough
N_HOPELESS = 2
N_STEPS = 5  # steps whose median decides
N_TRIED = 3  # the same while more threads are tried
LEAST_STEP_S = 1e-3  # shorter steps tell nothing
FIRST_PATIENCE_S, LAST_PATIENCE_S = 1.0, 30.0  # until more threads are tried again


class Crowding:
    """Halves the threads while others want the cores, and tries more again ever less often."""

    def __init__(self) -> None:
        self.level = 0  # how often the threads are halved
        self._ratios: deque[float] = deque(maxlen=N_STEPS)
        self._is_trying = False
        self._changed_s = 0.0
        self._patience_s = FIRST_PATIENCE_S

    def threads(self, n_most: int, now_s: float) -> int:
        """Tell how many threads a step shall have.

        Args:
            n_most: as many as there would be on an idle machine.
            now_s: of a clock that only goes forward.
        """
        if self.level and not self._is_trying and now_s - self._changed_s >= self._patience_s:
            self.level -= 1
            self._is_trying = True
            self._ratios.clear()
        return max(1, n_most >> self.level)

    def note(self, n_threads: int, wall_s: float, cpu_s: float, now_s: float) -> None:
        """Remember what a step took.

        Args:
            cpu_s: of the thread that began it; while it waits for the others it sleeps.
        """
        if n_threads == 1 or wall_s < LEAST_STEP_S:
            return  # one thread waits for no other
        self._ratios.append(wall_s / max(cpu_s, 1e-6))
        if self._is_crowded():
            self.level += 1
            self._ratios.clear()
            if self._is_trying:
                self._patience_s = min(LAST_PATIENCE_S, 2 * self._patience_s)
            self._is_trying, self._changed_s = False, now_s
        elif self._is_trying and len(self._ratios) == N_TRIED:
            self._is_trying, self._changed_s = False, now_s
            self._patience_s = FIRST_PATIENCE_S

    def _is_crowded(self) -> bool:
        n_hopeless, n_steps = (1, N_TRIED) if self._is_trying else (N_HOPELESS, N_STEPS)
        last = list(self._ratios)[-n_hopeless:]
        if len(last) == n_hopeless and min(last) > HOPELESS:
            return True
        return len(self._ratios) == n_steps and statistics.median(self._ratios) > CROWDED
