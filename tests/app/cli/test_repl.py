"""What lines at the prompt mean."""

from __future__ import annotations

import pytest

from app.cli.repl import Session, read_line


def test_a_plain_line_is_asked():
    step = read_line(Session(), "why is the sky blue?")

    assert (step.kind, step.text) == ("ask", "why is the sky blue?")


def test_an_empty_line_asks_nothing():
    assert read_line(Session(), "   ").kind == "more"


def test_three_quotes_hold_several_lines_together():
    session = Session()
    for line in ('"""first', "second"):
        step = read_line(session, line)
        assert step.kind == "more"
        session = step.session

    step = read_line(session, 'third"""')

    assert (step.kind, step.text) == ("ask", "first\nsecond\nthird")
    assert step.session.pending is None


def test_three_quotes_may_close_on_their_own_line():
    step = read_line(Session(), '"""all in one"""')

    assert (step.kind, step.text) == ("ask", "all in one")


@pytest.mark.parametrize("line", ["/bye", "/exit"])
def test_two_words_leave(line):
    assert read_line(Session(), line).kind == "bye"


def test_settings_are_kept_in_the_session():
    session = Session()
    for line in (
        "/set system You are a pirate.",
        "/set parameter temperature 0.5",
        "/set parameter stop END",
        "/set format json",
        "/set verbose",
    ):
        step = read_line(session, line)
        assert step.kind == "say"
        session = step.session

    assert session.system == "You are a pirate."
    assert session.options == {"temperature": 0.5, "stop": ["END"]}
    assert (session.format, session.is_verbose) == ("json", True)


def test_clear_forgets_the_conversation_but_not_the_settings():
    session = Session(messages=({"role": "user", "content": "x"},), system="s")

    step = read_line(session, "/clear")

    assert (step.session.messages, step.session.system) == ((), "s")


def test_unknown_commands_are_said_to_be_unknown():
    step = read_line(Session(), "/dance")

    assert (step.kind, step.text) == ("say", "Unknown command '/dance'. Type /? for help")


def test_show_names_a_part_or_its_usage():
    assert read_line(Session(), "/show template").text == "template"
    assert read_line(Session(), "/show me").text.startswith("Usage:")
