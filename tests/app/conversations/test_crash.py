"""A process that is killed has lost nothing that it was told is kept, nor what it was asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.conversations.export import to_markdown
from app.conversations.record import remembered
from app.conversations.store import Conversations
from tests.app.conversations.conftest import answer
from tests.app.conversations.crash_child import ASK

CHILD = Path(__file__).with_name("crash_child.py")
ROOT = Path(__file__).parents[3]


def child_at(home, *more):
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(home), *more],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("n_turns", [0, 7, 60])
def test_a_killed_process_loses_nothing_acknowledged(path, texts, n_turns):
    with child_at(path.parent) as child:
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


def test_a_question_whose_answer_the_process_did_not_survive_is_there_and_can_be_asked_again(
    path, texts
):
    with child_at(path.parent, "asking") as child:
        conversation_id = child.stdout.readline().strip()
        while child.stdout.readline().strip() != "Token":
            pass
        child.kill()

    store = Conversations(path, texts.shelf())
    found = store.get(conversation_id)
    asked, unanswered = found.messages
    assert asked.text == ASK.question
    assert (unanswered.mode, unanswered.text) == ("broken_off", "")
    assert "Broken off before anything was checked." in to_markdown(found)
    assert remembered(store, ASK, conversation_id).history == ()
    store.finish(store.begin(conversation_id, asked), answer())
    assert [one.mode for one in store.get(conversation_id).messages] == ["", "generated"]
    store.close()
