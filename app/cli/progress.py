"""Steps of a pull, push or create in, bars on a terminal or plain lines in a pipe out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from app.cli.format import size

if TYPE_CHECKING:
    from app.cli.wire import ProgressIn

_EVERY_PERCENT = 10


def show_progress(steps: Iterator[ProgressIn]) -> None:
    """Tell how far the work is, on standard error."""
    if sys.stderr.isatty():
        _draw(steps)
    else:
        _tell(steps)


def _draw(steps: Iterator[ProgressIn]) -> None:
    """Draw a bar for each blob, a line for the rest."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=Console(file=sys.stderr)) as bars:
        tasks = {}
        last = ""
        for step in steps:
            key = (step.status, step.digest)
            if step.total:
                if key not in tasks:
                    tasks[key] = bars.add_task(step.status, total=step.total)
                bars.update(tasks[key], completed=step.completed)
            elif step.status != last:
                bars.console.print(step.status, highlight=False, markup=False, soft_wrap=True)
            last = step.status


def _tell(steps: Iterator[ProgressIn]) -> None:
    """Write a line for each step, and one for every tenth of a blob."""
    told: dict[tuple[str, str], int] = {}
    last = ""
    for step in steps:
        key = (step.status, step.digest)
        if step.total:
            percent = 100 * step.completed // step.total
            if key not in told or percent // _EVERY_PERCENT > told[key] // _EVERY_PERCENT:
                told[key] = percent
                _line(f"{step.status}: {percent}% of {size(step.total)}")
        elif step.status != last:
            _line(step.status)
        last = step.status


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
