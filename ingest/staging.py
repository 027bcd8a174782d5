"""Uploaded files in, copies that outlive the process out; touches one folder."""

from __future__ import annotations

import shutil
from collections.abc import Container, Sequence
from pathlib import Path

from ingest.faults import reach
from ingest.jobs_store import Task
from ingest.naming import shown


class Staging:
    """The folder where uploads lie until they are ingested."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stage(self, job_id: str, files: Sequence[tuple[str, bytes | Path]]) -> list[Task]:
        """Copy the files of a job; return the steps that ingest them."""
        folder = self._folder / job_id
        folder.mkdir(parents=True)
        tasks: list[Task] = []
        for position, (path, content) in enumerate(files):
            staged = folder / str(position)
            if isinstance(content, Path):
                shutil.copyfile(content, staged)
            else:
                staged.write_bytes(content)
            tasks.append(Task("upload", shown(path), source=str(staged)))
        reach("files staged")
        return tasks

    def drop(self, job_id: str) -> None:
        """Remove the copies of a job."""
        shutil.rmtree(self._folder / job_id, ignore_errors=True)

    def sweep(self, wanted: Container[str]) -> None:
        """Remove all copies but those that are wanted."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            for staged in folder.iterdir():
                if str(staged) not in wanted:
                    staged.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
