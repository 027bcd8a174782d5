import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.faults import POINTS, install, reach

ROOT = Path(__file__).resolve().parents[2]


def test_a_point_does_nothing_until_somebody_listens():
    seen = []
    reach("file read")
    take_out = install(seen.append)
    reach("file loaded")
    take_out()
    reach("file read")

    assert seen == ["file loaded"]


def test_every_point_that_is_listed_is_reached_somewhere_and_no_other():
    reached = set()
    for path in (ROOT / "ingest").rglob("*.py"):
        reached |= set(re.findall(r'\breach\("([^"]+)"\)', path.read_text(encoding="utf-8")))

    assert reached == set(POINTS)


HARDEST = ("vectors kept", "document kept", "task done")


def test_a_kill_between_two_steps_leaves_a_library_that_heals_and_pays_for_nothing_twice(tmp_path):
    kill_and_heal(tmp_path, HARDEST)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_so_does_a_kill_at_any_other_point(tmp_path):
    kill_and_heal(tmp_path, [one for one in POINTS if one not in HARDEST])


def kill_and_heal(folder, points):
    child = [sys.executable, str(ROOT / "tests/ingest/fault_child.py"), str(ROOT), str(folder)]
    done = subprocess.run([*child, *points], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["point"] for one in reports] == list(points)
    for one in reports:
        assert one["ended"] == -signal.SIGKILL, f"{one['point']} was not reached"
        assert one["healed"] == one["built"], one["point"]
        assert one["built"]["total"] == 5  # the copy is a second path of one document
        assert one["built"]["is_index_equal"]
        assert (one["built"]["n_staged"], one["built"]["n_waiting"]) == (0, 0)
        assert one["most_embedded"] == 1, one["point"]
