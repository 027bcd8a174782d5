"""What lines at the prompt mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_show_names_a_part_or_what_there_is():
    assert read_line(Session(), "/show template").text == "template"
    assert "/show modelfile" in read_line(Session(), "/show me").text


@pytest.mark.parametrize(
    ("line", "field", "value", "told"),
    [
        ("/set wordwrap", "is_wrapping", True, "Set 'wordwrap' mode."),
        ("/set nowordwrap", "is_wrapping", False, "Set 'nowordwrap' mode."),
        ("/set verbose", "is_verbose", True, "Set 'verbose' mode."),
        ("/set quiet", "is_verbose", False, "Set 'quiet' mode."),
        ("/set history", "has_history", True, "Set 'history' mode."),
        ("/set nohistory", "has_history", False, "Set 'nohistory' mode."),
        ("/set format json", "format", "json", "Set format to 'json' mode."),
        ("/set noformat", "format", "", "Disabled format."),
        ("/set think", "think", True, "Set 'think' mode."),
        ("/set think high", "think", "high", "Set 'think' mode to 'high'."),
        ("/set nothink", "think", False, "Set 'nothink' mode."),
        ("/set system Sing.", "system", "Sing.", "Set system message."),
        ('/set system "Sing."', "system", "Sing.", "Set system message."),
        ("/set parameter seed 3", "options", {"seed": 3}, "Set parameter 'seed' to '3'"),
        (
            '/set parameter stop "a b" c',
            "options",
            {"stop": ["a b", "c"]},
            "Set parameter 'stop' to 'a b, c'",
        ),
    ],
)
def test_set_changes_the_session_and_says_so(line, field, value, told):
    step = read_line(Session(), line)

    assert (step.kind, getattr(step.session, field), step.text) == ("say", value, told)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/set", "Available Commands:"),
        ("/set wings", "Unknown command '/set wings'. Type /? for help"),
        ("/set format xml", "Invalid or missing format."),
        ("/set think hard", "Usage: /set think"),
        ("/set parameter", "Available Parameters:"),
        ("/set parameter seed", "Available Parameters:"),
        ("/set parameter seed x", "Couldn't set parameter: invalid int value [x]"),
        ("/set parameter wings 2", "Couldn't set parameter: unknown parameter 'wings'"),
        ("/?", "Available Commands:"),
        ("/help set", "Available Commands:\n  /set parameter"),
        ("/? shortcuts", "Available keyboard shortcuts:"),
        ("/? /set parameter", "Available Parameters:"),
        ("/load", "Usage:\n  /load <modelname>"),
        ("/save", "Usage:\n  /save <modelname>"),
    ],
)
def test_what_changes_nothing_is_explained(line, told):
    step = read_line(Session(), line)

    assert (step.kind, step.session) == ("say", Session())
    assert step.text.startswith(told)


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [("/load a:b", "load", "a:b"), ("/save mine", "save", "mine"), ("/list", "list", "")],
)
def test_commands_about_models_name_them(line, kind, text):
    step = read_line(Session(), line)

    assert (step.kind, step.text) == (kind, text)


def test_a_system_message_may_have_several_lines():
    session = read_line(Session(), '/set system """You are').session
    step = read_line(session, 'a pirate."""')

    assert (step.kind, step.session.system) == ("say", "You are\na pirate.")
    assert step.session.pending is None


def test_a_path_is_no_command_for_a_model_that_sees():
    line = "/home/me/cat.png What is this?"

    assert read_line(Session(has_images=True), line).kind == "ask"
    assert read_line(Session(), line).kind == "say"


@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_lines_are_understood(lines):
    session = Session()
    for line in lines:
        session = read_line(session, line).session
