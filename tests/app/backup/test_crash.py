"""A backup or a restore that is killed, at whichever step, leaves something whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.backup.conftest import fill, taken

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("what", "n_least"), [("backup", 15), ("restore", 25)])
def test_whatever_step_is_the_last_one_the_old_or_the_new_is_whole(home, tmp_path, what, n_least):
    (tmp_path / "other" / "inbox").mkdir(parents=True)
    (tmp_path / "other" / "inbox" / "other.txt").write_text("another library")
    fill(tmp_path / "other", {"other.md": "# Other\n\nOf the archive."})
    (tmp_path / "archive").write_bytes(taken(tmp_path / "other"))

    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kill_child.py")), ROOT, tmp_path, what],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) >= n_least
