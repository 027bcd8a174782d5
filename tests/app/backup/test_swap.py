"""A restore that was killed: its note if somebody else wrote it, and a disk that is full."""

import errno
import json
import shutil
from pathlib import Path

import pytest

from app.backup.errors import BackupError, NoRoomError
from app.backup.swap import JOURNAL, settle


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"x"', "{}", '{"step": "in"}', "\ufeff{}",
     '{"step": "in", "stage": "../x", "before": ""}', '{"step": "in", "stage": "x", "before": ""}',
     '{"step": "in", "stage": 7, "before": ""}'],
)  # fmt: skip
def test_a_note_of_somebody_else_is_named_and_nothing_is_moved(tmp_path, text):
    (tmp_path / "kb.sqlite3").write_text("mine")
    (tmp_path / JOURNAL).write_text(text, encoding="utf-8")

    with pytest.raises(BackupError, match=f"{JOURNAL} was not written by this program"):
        settle(tmp_path)
    assert (tmp_path / "kb.sqlite3").read_text() == "mine"
    assert (tmp_path / JOURNAL).read_text(encoding="utf-8") == text


def test_a_full_disk_of_models_is_named_and_the_restore_goes_on_once_there_is_room(
    tmp_path, monkeypatch
):
    """The models of a data directory often lie on a disk of their own."""
    stage, model = tmp_path / "restoring-1", Path("models/blobs/sha256-1")
    (stage / model).parent.mkdir(parents=True)
    (stage / model).write_bytes(b"weights")
    (stage / "kb.sqlite3").write_text("restored")
    (tmp_path / JOURNAL).write_text(
        json.dumps({"step": "in", "stage": stage.name, "before": ""}), encoding="utf-8"
    )
    rename = Path.rename

    def to_another_disk(self, target):
        if self == stage / model:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    def full(source, target):
        Path(target).write_bytes(b"wei")
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "rename", to_another_disk)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(NoRoomError, match="Free some space and start again"):
            settle(tmp_path)
    assert [one.name for one in (tmp_path / "models/blobs").iterdir()] == []
    assert (stage / model).read_bytes() == b"weights"

    settle(tmp_path)

    assert (tmp_path / model).read_bytes() == b"weights"
    assert (tmp_path / "kb.sqlite3").read_text() == "restored"
    assert not (tmp_path / JOURNAL).exists()
    assert not stage.exists()
