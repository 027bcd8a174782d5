import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest.errors import StorageFullError
from ingest.generations import current_generation, next_generation, point_to, require_room


def test_the_first_generation_is_named_and_pointed_to(tmp_path):
    found = current_generation(tmp_path / "index")

    assert found == tmp_path / "index" / "g-1"
    assert (tmp_path / "index" / "current").read_text() == "g-1"


def test_a_generation_that_was_never_finished_is_removed(tmp_path):
    first = current_generation(tmp_path)
    first.mkdir()
    unfinished = next_generation(first)
    unfinished.mkdir()

    assert current_generation(tmp_path) == first
    assert first.is_dir()
    assert not unfinished.exists()


def test_the_old_generation_goes_once_the_new_one_counts(tmp_path):
    first = current_generation(tmp_path)
    second = next_generation(first)
    for one in (first, second):
        one.mkdir()
    point_to(second)

    assert current_generation(tmp_path) == second
    assert not first.exists()


def test_an_index_of_an_older_version_becomes_the_first_generation(tmp_path):
    (tmp_path / "chroma.sqlite3").write_text("catalogue")
    (tmp_path / "segment").mkdir()
    (tmp_path / "segment" / "header.bin").write_text("header")

    found = current_generation(tmp_path)

    assert (found / "chroma.sqlite3").read_text() == "catalogue"
    assert (found / "segment" / "header.bin").read_text() == "header"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["current", "g-1"]


def test_an_index_of_an_older_version_moves_its_log_before_its_catalogue(tmp_path, monkeypatch):
    for name in ("chroma.sqlite3", "chroma.sqlite3-wal", "chroma.sqlite3-shm", "a"):
        (tmp_path / name).write_text("part")
    moved = []
    monkeypatch.setattr(Path, "rename", lambda self, _to: moved.append(self.name))

    current_generation(tmp_path)

    assert (len(moved), moved[-1]) == (4, "chroma.sqlite3")


def test_without_a_pointer_the_older_generation_counts_which_is_complete(tmp_path):
    for number in (10, 9):
        (tmp_path / f"g-{number}").mkdir()
    (tmp_path / "current").write_bytes(b"\xff\0")

    assert current_generation(tmp_path) == tmp_path / "g-9"
    assert not (tmp_path / "g-10").exists()


def test_a_disk_without_room_for_another_generation_is_told_before_anything_is_written(
    tmp_path, monkeypatch
):
    first = current_generation(tmp_path)
    first.mkdir()
    (first / "vectors").write_bytes(bytes(1_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=64_000_999))

    with pytest.raises(StorageFullError, match="64 MB free, but making the index anew takes 64 MB"):
        require_room(first)


def test_a_pointer_to_nothing_or_to_nonsense_starts_anew(tmp_path):
    for content in ("g-9", "../../etc", "", "g-x"):
        (tmp_path / "current").write_text(content)
        assert current_generation(tmp_path) == tmp_path / "g-1"
