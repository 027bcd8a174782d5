"""A folder in, a call whenever it has changed and come to rest out; one thread, reads the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.reconcile import Seen

log = logging.getLogger(__name__)

WatchState = Literal["starting", "watching", "missing", "stopped"]
Snapshot = Callable[[Path], dict[str, Seen]]

_RECONCILE_S = 300.0  # any watcher can miss an event
_LOOK_S = 2.0
_STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watcher waits for what."""

    stable_s: float = 1.0  # sizes and times must stay the same for this long
    unstable_s: float = 30.0  # but a folder that never rests is read after this long
    is_polling: bool = False  # for network and container mounts that report no events


class Watcher:
    """Watches one folder."""

    def __init__(
        self, folder: Path, pace: Pace, *, snapshot: Snapshot, changed: Callable[[], None]
    ) -> None:
        self.folder = folder
        self.state: WatchState = "starting"
        self._pace = pace
        self._snapshot = snapshot
        self._changed = changed
        self._reported: dict[str, Seen] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; what changed while nobody watched is found first."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        self.state = "stopped"

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._settle_and_report()
                self._await_change()
            except Exception:  # the edge: a folder that vanishes must not end the watch
                log.exception("watch_failed folder=%s", self.folder)
                self._stop.wait(self._pace.stable_s)

    def _await_change(self) -> None:
        from watchfiles import watch

        if not self.folder.is_dir():
            self.state = "missing"
            self._stop.wait(min(_RECONCILE_S, 5 * self._pace.stable_s))
            return
        if self.state == "missing":
            self._reported = None  # reported anew, also if it came back empty
        self.state = "watching"
        quiet_s, is_first = 0.0, True
        for changes in watch(
            self.folder,
            stop_event=self._stop,
            rust_timeout=int(_LOOK_S * 1000),
            yield_on_timeout=True,
            force_polling=self._pace.is_polling or None,
            poll_delay_ms=300,
            raise_interrupt=False,
        ):
            quiet_s = 0.0 if changes else quiet_s + _LOOK_S
            # The first quiet look finds what changed before the system's watch stood. Polling
            # compares times by the second and misses a file replaced within one.
            is_due = is_first or self._pace.is_polling or quiet_s >= _RECONCILE_S
            if changes or is_due:
                quiet_s, is_first = 0.0, False
                self._settle_and_report()
            if not self.folder.is_dir():
                return

    def _settle_and_report(self) -> None:
        """Wait until two looks at the folder see the same, then report."""
        before = self._snapshot(self.folder)
        waited_s = 0.0
        while waited_s < self._pace.unstable_s and not self._stop.is_set():
            self._stop.wait(self._pace.stable_s)
            waited_s += self._pace.stable_s
            now = self._snapshot(self.folder)
            if now == before:
                break
            before = now
        if not self._stop.is_set() and before != self._reported:
            self._reported = before
            self._changed()
