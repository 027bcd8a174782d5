"""What every command shares: settings, a client, words for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.api.wire import JobOut
    from app.client import Client, Needs
    from app.config import Settings


def settings_of(flags: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; flags go before everything."""
    from app.config import prepare_process, read_settings

    prepare_process()
    return read_settings(flags)


@contextmanager
def client_of(needs: Needs = "knowledge") -> Iterator[Client]:
    """Open a client with the settings of the environment."""
    from app.client import connect
    from app.server import stopping_cleanly

    with stopping_cleanly(), connect(settings_of(), note, needs) as client:
        yield client


def note(text: str) -> None:
    """Say something beside the result, so that pipes get the result alone."""
    print(text, file=sys.stderr, flush=True)


def warn_of(job: JobOut) -> None:
    """Name every file of a job that could not be taken in."""
    for error in job.errors:
        note(f"error: {error.path}: {error.reason}")


def summary_of(job: JobOut) -> str:
    """Sum a finished job up."""
    n_failed = len(job.errors)
    parts = [f"{job.n_stored} stored", f"{job.n_skipped} already known"]
    if n_failed:
        parts.append(f"{n_failed} failed")
    return f"{counted(job.n_files, 'file')}: {', '.join(parts)}"


def counted(n: int, noun: str) -> str:
    """Word a number of things."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
