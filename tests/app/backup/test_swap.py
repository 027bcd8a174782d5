"""The note of a restore that was killed, if somebody else wrote it."""

import pytest

from app.backup.errors import BackupError
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
