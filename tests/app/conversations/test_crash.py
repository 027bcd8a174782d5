"""A process that is killed between turns has lost nothing that it was told is kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.conversations.store import Conversations

CHILD = Path(__file__).with_name("crash_child.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("n_turns", [0, 7, 60])
def test_a_killed_process_loses_nothing_acknowledged(path, texts, n_turns):
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(path.parent)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    ) as child:
        conversation_id = child.stdout.readline().strip()
        seen = -1
        while seen < n_turns:
            seen = int(child.stdout.readline())
        child.kill()
        rest = [int(line) for line in child.stdout if line.endswith("\n")]
    acknowledged = (rest or [seen])[-1] + 1

    store = Conversations(path, texts.shelf())
    messages = store.get(conversation_id).messages
    store.append(conversation_id, messages[:2])
    store.close()

    # The last turn may have been written without that it could be said any more.
    assert len(messages) in (2 * acknowledged, 2 * acknowledged + 2)
    for n, (asked, told) in enumerate(zip(messages[::2], messages[1::2], strict=True)):
        assert (asked.text, told.text) == (f"{n}?", f"{n}. " * 200)
