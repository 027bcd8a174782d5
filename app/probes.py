"""Open parts in, whether the process works and may be asked out; cheap, for probes ask often."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError
from ingest.errors import IngestError

if TYPE_CHECKING:
    from app.compose import Parts

FRESH_S = 2.0  # an answer is given again for so long
PATIENCE_S = 5.0  # that a look may take; a disk that hangs is an obstacle too
TRIAL_FILE = ".writable"
TRIAL_BYTES = 64 * 1024  # what a small document needs


class Probes:
    """What /healthz and /readyz tell; nothing of it is a secret."""

    def __init__(self, parts: Parts, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._clock = parts, clock
        # One thread of its own: the others may all be busy, and none may pile up behind a disk.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._looking: asyncio.Future[str] | None = None
        self._looked_s = -FRESH_S
        self._found = ""

    def sickness(self) -> str:
        """Tell why the process should be started again; empty if it should not.

        That the question is answered at all shows that the loop runs.
        """
        return self._parts.engine.sickness()

    async def obstacle(self) -> str:
        """Tell why no requests should be sent here; empty if they may be."""
        if self._clock() - self._looked_s < FRESH_S:
            return self._found
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._thread, obstacle_of, self._parts)
        looking = self._looking  # who asks meanwhile may have begun another look
        done, _ = await asyncio.wait({looking}, timeout=PATIENCE_S)
        if not done:
            return f"the data directory has not answered for {PATIENCE_S:.0f} seconds"
        self._found, self._looked_s = looking.result(), self._clock()
        return self._found


def obstacle_of(parts: Parts) -> str:
    """Look at catalogue, embedding model and disk; the first that is not well is told.

    Chroma's index is no obstacle once it has been opened, which is before the server listens:
    what it lacks is searched in the catalogue.
    """
    if parts.kb is None:
        return ""
    try:
        parts.kb.collections()
        parts.engine.library.find(parts.kb.model_of_new().model)
    except (IngestError, EngineError) as error:
        return str(error)
    return unwritable(parts.settings.home)


def unwritable(home: Path) -> str:
    """Tell why nothing can be written into a folder; empty if it can."""
    trial = home / TRIAL_FILE
    try:
        with trial.open("wb") as file:
            file.write(bytes(TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())  # some disks are full only when the bytes arrive
    except OSError as error:
        return f"the data directory cannot be written: {error.strerror or error}"
    finally:
        with suppress(OSError):
            trial.unlink()
    return ""
