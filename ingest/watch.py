"""A folder in, a call whenever it has changed and come to rest out; one thread, reads the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from ingest.errors import FileRefusedError
from ingest.folders import identity_of
from ingest.ignore import IGNORE_FILES, is_never
from ingest.mounts import Events, events_of, is_made_up
from ingest.reconcile import Seen

log = logging.getLogger(__name__)

WatchState = Literal[
    "starting", "watching", "needs confirmation", "missing", "unreadable", "stopped"
]

_STOP_S = 30.0
_NETWORK_STABLE_S = 5.0  # writers on other machines pause longer
_UNSURE_RECONCILE_S = 15.0
_POLL_SHARE = 10  # at most one part in so many of the time goes into looking
_MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watcher waits for what."""

    stable_s: float = 1.0  # sizes and times must stay the same for this long
    unstable_s: float = 30.0  # but a folder that never rests is read after this long
    is_polling: bool | None = None  # none: by itself, where the file system reports no events
    look_s: float = 2.0  # between two looks of a poll, and at whether the folder is still there
    reconcile_s: float = 300.0  # any watcher can miss an event


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a folder has seen."""

    seen: Mapping[str, Seen]
    unreadable: tuple[str, ...] = ()  # where nobody could look; "." is the folder itself


Follow = Callable[[Look], bool]  # make the catalogue say the same; tells whether it does


def check_folder(folder: Path) -> None:
    """Refuse a folder whose files the kernel makes up: they are no documents and have no end.

    Raises:
        FileRefusedError: it is such a one.
    """
    if is_made_up(str(folder.resolve()), _mounts()):
        raise FileRefusedError(
            f"{folder} holds devices or what the system makes up, no documents; name a folder of "
            "documents"
        )


def _mounts() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # another kind of system
        return ""


class Watcher:
    """Watches one folder."""

    def __init__(
        self, folder: Path, pace: Pace, *, look: Callable[[Path], Look], follow: Follow
    ) -> None:
        """Prepare the thread.

        Args:
            follow: is called when the folder has come to rest, again at every look until it says
                that the catalogue is up to date, and from time to time.
        """
        self.folder = folder
        self.state: WatchState = "starting"
        self.reason = ""  # why it is not watching, or watching in another way than usual
        self.is_polling = False
        self._pace = pace
        self._look = look
        self._follow = follow
        self._looked_s = 0.0  # how long the last look took
        self._last: Look | None = None
        self._is_followed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; what changed while nobody watched is found first."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_STOP_S)
        self.state = "stopped"

    def ask_again(self) -> None:
        """Call `follow` at the next look, whether something changed or not."""
        self._is_followed = False

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch_while_it_is_there()
            except Exception:  # the edge: nothing that a disk does may end the watch
                log.exception("watch_failed folder=%s", self.folder)
            self._stop.wait(self._pace.look_s)

    def _watch_while_it_is_there(self) -> None:
        identity = identity_of(self.folder)
        if identity is None:
            self.state = "missing"
            self.reason = f"{self.folder} {_what_is_wrong(self.folder)}: nothing is removed"
            return
        if self.state == "missing":
            self._last = None  # asked anew, also if it came back as it was
        self.reason = ""
        pace = paced(self._pace, self._events())
        self._settle(pace)
        quiet_s, is_first = 0.0, True
        for has_changed in self._ticks(pace):
            quiet_s = 0.0 if has_changed else quiet_s + pace.look_s
            # The first look finds what changed before the system's watch stood.
            if quiet_s >= pace.reconcile_s:
                self._is_followed, quiet_s, has_changed = False, 0.0, True
            if has_changed or is_first or self.is_polling:
                self._settle(pace)
            elif not self._is_followed and self._last is not None:
                self._is_followed = self._follow(self._last)
            is_first = False
            if identity_of(self.folder) != identity:
                return  # moved away, unmounted, replaced: the watch is on the old one

    def _events(self) -> Events:
        if self._pace.is_polling is not None:
            return "none" if self._pace.is_polling else "reported"
        return events_of(str(self.folder.resolve()), _mounts())

    def _ticks(self, pace: Pace) -> Iterator[bool]:
        """Yield at every look, with whether the system says that something changed."""
        self.is_polling = bool(pace.is_polling)
        if not self.is_polling:
            try:
                yield from self._events_of_system(pace)
            except (OSError, RuntimeError) as error:  # no more watches, or a folder that is gone
                if identity_of(self.folder) is None:
                    return
                log.warning("watch_polls folder=%s %s", self.folder, error)
                self.reason = f"polling, as the system's watch failed: {error}"
                self.is_polling = True
        while not self._stop.is_set():
            yield False
            self._stop.wait(max(pace.look_s, _POLL_SHARE * self._looked_s))

    def _events_of_system(self, pace: Pace) -> Iterator[bool]:
        from watchfiles import watch

        for changes in watch(
            self.folder,
            watch_filter=lambda _change, path: _matters(path, self.folder),
            stop_event=self._stop,
            rust_timeout=max(1, int(pace.look_s * 1000)),
            step=min(50, max(1, int(pace.look_s * 1000))),
            yield_on_timeout=True,
            force_polling=False,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            yield bool(changes)

    def _settle(self, pace: Pace) -> None:
        """Wait until two looks at the folder see the same, then have it followed."""
        now = self._timed_look()
        if now != self._last:
            now = self._rested(now, pace)
            self._is_followed = False
        if self._stop.is_set() or identity_of(self.folder) is None:
            return
        self._last = now
        self.state = "unreadable" if "." in now.unreadable else "watching"
        if not self._is_followed:
            self._is_followed = self._follow(now)

    def _timed_look(self) -> Look:
        began = monotonic()
        found = self._look(self.folder)
        self._looked_s = monotonic() - began
        return found

    def _rested(self, before: Look, pace: Pace) -> Look:
        deadline = monotonic() + pace.unstable_s
        while not self._stop.wait(pace.stable_s):
            now = self._timed_look()
            if now == before or monotonic() >= deadline:
                return now
            before = now
        return before


def paced(pace: Pace, events: Events) -> Pace:
    """Fit the pace to a file system."""
    if pace.is_polling is not None:
        return pace
    is_far = events == "none"
    return Pace(
        stable_s=max(pace.stable_s, _NETWORK_STABLE_S) if is_far else pace.stable_s,
        unstable_s=pace.unstable_s,
        is_polling=is_far,
        look_s=pace.look_s,
        reconcile_s=min(pace.reconcile_s, _UNSURE_RECONCILE_S)
        if events == "unsure"
        else pace.reconcile_s,
    )


def _matters(path: str, folder: Path) -> bool:
    """Tell whether an event is about a file that may be indexed, or about the rules."""
    name = path.rpartition("/")[2]
    relative = path.removeprefix(str(folder)).strip("/")
    return name in IGNORE_FILES or not is_never(relative)


def _what_is_wrong(folder: Path) -> str:
    try:
        return "is a file now" if folder.exists() else "is not there"
    except OSError as error:
        return f"cannot be reached ({error.strerror})"
