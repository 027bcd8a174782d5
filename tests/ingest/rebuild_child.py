"""Fill an index, begin to make it anew, die at one point: ROOT FOLDER POINT."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

import numpy as np

from ingest.faults import install
from ingest.vectors import Expected, VectorIndex

N_ROWS = 300


def unit_rows():
    rows = np.random.default_rng(0).standard_normal((N_ROWS, 48)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(VectorIndex):
    """An index whose rebuild ends in the middle."""

    point = ""

    def _retire(self, old):
        if self.point == "old half removed":
            old.close()
            for path in sorted(old.folder.rglob("*.bin"))[:1]:
                path.unlink()
            die()
        super()._retire(old)


def main():
    index = Dying(Path(sys.argv[2]))
    rows = unit_rows()
    Dying.point = sys.argv[3]
    install(lambda name: die() if name == Dying.point else None)

    def read(ids):
        return list(ids), rows[list(ids)], ["d"] * len(ids)

    n_pauses = 0

    def pause():
        nonlocal n_pauses
        n_pauses += 1
        index.query(1, rows[0], 1)  # so that the steps are small ones
        if Dying.point == "half built" and n_pauses == 3:
            die()

    index.add(1, *read(range(N_ROWS)))
    index.rebuild(lambda: {1: Expected(range(N_ROWS))}, read, pause)


if __name__ == "__main__":
    main()
