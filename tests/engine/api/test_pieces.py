"""How the events of a run are cut into pieces of one kind."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api.pieces import call_id, finite, join_pieces, kind_of, split_pieces
from engine.types import Final, Piece, TokenLogprob, ToolCall

CALL = ToolCall("f", {"a": 1}, id="call_1")
TOKEN = TokenLogprob("a", -0.5, b"a")


def test_neighbours_of_one_kind_become_one_piece():
    events = [Piece(thinking="h"), Piece(thinking="m"), Piece("a"), Piece("b"), Final("stop")]

    assert split_pieces(events) == ([Piece(thinking="hm"), Piece("ab")], Final("stop"))


def test_a_piece_with_everything_is_cut_in_the_order_of_speech():
    whole = Piece("text", "thought", (CALL,), (TOKEN,))

    pieces, final = split_pieces([whole])

    assert pieces == [
        Piece(thinking="thought", logprobs=(TOKEN,)),
        Piece("text"),
        Piece(tool_calls=(CALL,)),
    ]
    assert final is None


def test_logprobs_alone_go_with_their_neighbour_or_by_themselves():
    alone = Piece(logprobs=(TOKEN,))

    assert split_pieces([Piece("a"), alone])[0] == [Piece("a", logprobs=(TOKEN,))]
    assert split_pieces([alone, Piece("a")])[0] == [Piece("a", logprobs=(TOKEN,))]
    assert split_pieces([alone])[0] == [alone]
    assert split_pieces([]) == ([], None)


PIECES = st.builds(
    Piece,
    text=st.sampled_from(["", "a", "bc"]),
    thinking=st.sampled_from(["", "x", "yz"]),
    tool_calls=st.sampled_from([(), (CALL,), (CALL, CALL)]),
    logprobs=st.sampled_from([(), (TOKEN,), (TOKEN, TOKEN)]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=8))
def test_nothing_is_lost_and_no_piece_holds_two_kinds(events):
    pieces, _ = split_pieces(events)

    assert join_pieces(pieces) == join_pieces(events)
    for one in pieces:
        assert (bool(one.text) + bool(one.thinking) + bool(one.tool_calls)) < 2
    kinds = [kind_of(one) for one in pieces if kind_of(one)]
    assert all(a != b for a, b in zip(kinds, kinds[1:], strict=False))


def test_calls_keep_their_id_or_get_one():
    drawn = call_id(ToolCall("f", {}))

    assert call_id(CALL) == "call_1"
    assert drawn.startswith("call_")
    assert len(drawn) == 13
    assert drawn != call_id(ToolCall("f", {}))


def test_what_cannot_come_has_a_number_that_json_can_hold():
    assert finite(float("-inf")) == -9999.0
    assert finite(-0.25) == -0.25
