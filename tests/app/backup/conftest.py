"""Small libraries with a bag of terms for a model, and archives of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.backup.take import Backup
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain

FACTS = {
    "tea.md": "# Tea\n\nThe canteen serves green tea on Fridays.",
    "keys.md": "# Keys\n\nThe spare keys hang behind the red door.",
    "钥匙.md": "# 钥匙\n\n备用钥匙挂在红门后面。",
}


@contextmanager
def opened(home: Path):
    """Open the library of a folder."""
    with KnowledgeBase(
        home,
        FakeModel().embedder(),
        load=load_plain,
        chunk_tokens=60,
        max_file_bytes=1_000_000,
    ) as kb:
        yield kb


def fill(home: Path, files: dict[str, str] = FACTS) -> None:
    """Put texts into a library, and wait."""
    with opened(home) as kb:
        job = kb.submit("default", [(name, text.encode()) for name, text in files.items()])
        assert kb.wait(job, 60).errors == ()


def taken(home: Path) -> bytes:
    """Take a backup of a library."""
    with Backup(home) as backup:
        return b"".join(backup.stream())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A library of a few documents, with settings and a file in the inbox."""
    found = tmp_path / "home"
    fill(found)
    (found / "quire.toml").write_text("QUIRE_CHUNK_TOKENS = 60\n", encoding="utf-8")
    (found / "inbox" / "team").mkdir(parents=True)
    (found / "inbox" / "team" / "plan é.txt").write_text("the plan", encoding="utf-8")
    return found


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of one archive."""
    home = tmp_path_factory.mktemp("one") / "home"
    fill(home)
    (home / "inbox").mkdir()
    (home / "inbox" / "note.txt").write_text("a note", encoding="utf-8")
    return taken(home)


@pytest.fixture
def forged(archive: bytes) -> Callable[..., bytes]:
    """Make an archive that was tampered with: other names, blocks, tables of contents."""
    from tests.app.backup.forging import forge

    return lambda **changes: forge(archive, **changes)


def stream(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
