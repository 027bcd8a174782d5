"""Several answers to one request, and which tool calls they may hold."""

import pytest

from engine.api.choices import first_call_only, spread, tool_choice_of
from engine.errors import RequestError
from engine.types import ChatRequest, Final, Piece, ToolCall, ToolChoice

TOOLS = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("options", "own", "seeds"),
    [
        ({"seed": 5}, {}, [5, 6, 7]),
        ({"seed": 5}, {"seed": 9}, [5, 6, 7]),
        (None, {"seed": 9}, [9, 10, 11]),
        (None, {}, [None] * 3),
        ({"seed": -1}, {"seed": 9}, [-1] * 3),
        ({"seed": "x"}, {}, ["x"] * 3),  # the engine refuses it
    ],
)
def test_a_fixed_seed_counts_up(options, own, seeds):
    runs = spread(ChatRequest("m", options=options), 3, own)

    assert [(run.options or {}).get("seed") for run in runs] == seeds


def test_one_answer_is_the_request_itself():
    request = ChatRequest("m", options={"seed": 5})

    assert spread(request, 1, {}) == [request]


@pytest.mark.parametrize("n", [0, -1, 17])
def test_too_many_answers_are_refused(n):
    with pytest.raises(RequestError, match=f"n must be between 1 and 16, got {n}"):
        spread(ChatRequest("m"), n, {})


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", "f")),
        (ToolChoice("required"), ToolChoice("required")),
    ],
)
def test_choices_are_read(value, choice):
    assert tool_choice_of(value, TOOLS) == choice


@pytest.mark.parametrize(
    ("value", "tools", "text"),
    [
        ("any", TOOLS, "invalid tool_choice: 'any'"),
        (5, TOOLS, "invalid tool_choice: 5"),
        ([], TOOLS, "invalid tool_choice"),
        ({"type": "function"}, TOOLS, "invalid tool_choice"),
        ({"type": "function", "function": {"name": 5}}, TOOLS, "invalid tool_choice"),
        ({"type": "function", "function": {"name": "g"}}, TOOLS, 'names "g", which is not among'),
        ("required", [], "the request has no tools"),
    ],
)
def test_other_choices_are_refused(value, tools, text):
    with pytest.raises(RequestError, match=text):
        tool_choice_of(value, tools)


def test_only_the_first_call_passes():
    one, two = ToolCall("f", {}, index=0), ToolCall("f", {}, index=1)
    events = [Piece("a"), Piece(tool_calls=(one, two)), Piece(tool_calls=(two,)), Final("stop")]

    kept = list(first_call_only(iter(events)))

    assert [call for event in kept[:-1] for call in event.tool_calls] == [one]
    assert (kept[0], kept[-1]) == (Piece("a"), Final("stop"))


def test_closing_ends_the_engines_own_iterator():
    closed = []

    def endless():
        try:
            while True:
                yield Piece("a")
        finally:
            closed.append(True)

    events = first_call_only(endless())
    next(events)
    events.close()

    assert closed == [True]
