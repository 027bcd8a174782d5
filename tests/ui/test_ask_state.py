"""What a browser knows of a conversation, put together with what the server has stored."""

import pytest

from ui.ask_shapes import Kept, Record, Said
from ui.ask_state import Chat, Files, Opened, Turn, merged, question_under_way, under_way
from ui.shapes import Passage, Reply


def kept(question, answer, place=1, *, is_broken_off=False):
    return Kept(question, Reply(answer), place, is_broken_off)


def local(question, answer="", outcome="done", **more):
    reply = Reply(answer, passages=(Passage(1),)) if outcome == "done" else None
    return Turn(question, outcome, answer, reply=reply, **more)


def told(turns):
    return [(one.question, one.outcome, one.place) for one in turns]


def test_what_this_browser_has_seen_stands_for_what_is_stored():
    seen = local("q", "a")

    (found,) = merged([seen], [kept("q", "a", 3)])

    assert found is seen
    assert found.place == 3


def test_what_another_tab_asked_comes_in_its_order():
    found = merged([local("q1", "a1"), local("q3", "a3")], [
        kept("q1", "a1", 1), kept("q2", "a2", 3), kept("q3", "a3", 5)
    ])  # fmt: skip

    assert told(found) == [("q1", "done", 1), ("q2", "done", 3), ("q3", "done", 5)]


def test_what_only_this_browser_knows_stays_where_it_was():
    failed, files = local("broken", outcome="failed"), local("", files=Files(("a.md",), "default"))

    found = merged([local("q1", "a1"), failed, local("q2", "a2"), files], [
        kept("q1", "a1", 1), kept("q2", "a2", 3)
    ])  # fmt: skip

    assert [one.question for one in found] == ["q1", "broken", "q2", ""]


def test_an_answer_that_is_stored_no_more_is_gone():
    assert merged([local("q", "a", place=1)], []) == []


def test_a_stopped_answer_stays_as_it_was_seen():
    seen = local("q", "half of it", "stopped")

    found = merged([seen], [kept("q", "half.", 1, is_broken_off=True)])

    assert found == [seen]
    assert told(found) == [("q", "stopped", 1)]


def test_the_same_question_asked_again_is_another_turn():
    stopped = local("q", "half", "stopped")

    found = merged([stopped, local("q", "a")], [
        kept("q", "half", 1, is_broken_off=True), kept("q", "a", 3)
    ])  # fmt: skip

    assert told(found) == [("q", "stopped", 1), ("q", "done", 3)]


def test_another_conversation_takes_nothing_over():
    chat = Chat("c1", turns=[local("q", "a"), local("x", outcome="failed")])
    chat.opened = Opened(chat.turns[0], "cited", 1)

    chat.take(Record(Said("c2", "Other"), (kept("q2", "a2"),)))

    assert told(chat.turns) == [("q2", "done", 1)]
    assert (chat.id, chat.title, chat.opened) == ("c2", "Other", None)


def test_what_is_being_asked_is_known_until_it_ends():
    with under_way("c1", "one"):
        with under_way("c1", "two"):
            assert question_under_way("c1") == "one"
        assert question_under_way("c2") == ""
    assert question_under_way("c1") == ""


def test_a_page_reloaded_in_the_middle_finds_its_question_again():
    with pytest.raises(ValueError, match="gone"), under_way("c7", "lost?"):
        raise ValueError("gone")
    page, earlier = Chat(), Record(Said("c7", "Seven"), (kept("q", "a"),))

    page.take(earlier)
    assert told(page.turns) == [("q", "done", 1), ("lost?", "stopped", -1)]
    page.take(
        Record(Said("c7", "Seven"), (*earlier.kept, kept("lost?", "", 3, is_broken_off=True)))
    )
    assert told(page.turns) == [("q", "done", 1), ("lost?", "stopped", 3)]

    with under_way("c7", "lost?"):
        pass
    page = Chat()
    page.take(earlier)
    assert told(page.turns) == [("q", "done", 1)]


def test_what_is_being_asked_is_forgotten_when_it_fails():
    with pytest.raises(ValueError, match="no"), under_way("c1", "one"):
        raise ValueError("no")

    assert question_under_way("c1") == ""
