from dataclasses import replace

import pytest

from engine.runtime.media import Media, Prompt
from engine.runtime.sampler_native import Sampler
from engine.runtime.slots import Cut, Generation, Slot, choose_cut
from engine.runtime.stream import TextStream
from engine.types import Options
from tests.engine.runtime.conftest import GREEDY, say


@pytest.mark.parametrize(
    ("n_cached", "n_keep", "n_prompt", "n_ctx", "cut"),
    [
        (99, 4, 10, 100, Cut(4, 51)),  # half of the 95 that need not stay
        (99, 0, 10, 100, Cut(0, 49)),
        (99, -1, 10, 100, Cut(10, 54)),  # the whole prompt stays
        (99, -1, 99, 100, Cut(96, 97)),  # four places are free to go in any case
        (99, 10_000, 10, 100, Cut(96, 97)),
        (3, 4, 3, 4, Cut(0, 1)),
        (1, 4, 1, 2, None),
    ],
)
def test_the_older_half_of_what_need_not_stay_leaves(n_cached, n_keep, n_prompt, n_ctx, cut):
    assert choose_cut(n_cached, n_keep, n_prompt, n_ctx) == cut


def seated(prompt, n_reused=0):
    slot = Slot(0, cached=list(prompt.tokens[:n_reused]))
    sampler: Sampler = None  # type: ignore[assignment] - never asked
    slot.seat(Generation(prompt, Options(), sampler, TextStream(()), 1), n_reused)
    return slot


def test_text_is_computed_up_to_a_picture_then_the_picture_then_the_rest():
    picture = Media(begin=2, n_positions=3, n_cells=9, chunk=None)
    slot = seated(Prompt((1, 2, -7, -7, -7, 3), (picture,)))

    assert (slot.waiting().n_pending, slot.next_media()) == (2, None)
    slot.advance(2)
    assert (slot.waiting().n_pending, slot.next_media()) == (0, picture)
    slot.advance(3)
    assert (slot.waiting().n_pending, slot.next_media()) == (1, None)
    assert (len(slot.cached), slot.n_cells, slot.has_media) == (5, 11, True)


def test_a_reused_picture_counts_its_cells_and_is_not_computed_again():
    picture = Media(begin=1, n_positions=2, n_cells=4, chunk=None)
    slot = seated(Prompt((1, -7, -7, 3, 4), (picture,)), n_reused=3)

    assert (slot.waiting().n_pending, slot.next_media(), slot.n_cells) == (2, None, 5)
    assert slot.work.n_reused == 5


def test_a_full_context_drops_its_older_half_and_goes_on(tiny_chat):
    options = replace(GREEDY, ignore_eos=True)

    said = say(tiny_chat, "Tell me a long story", options, limit=700, is_shifting=True)

    assert said.final.n_generated == 700
    assert tiny_chat.can_shift


def test_what_a_shift_moved_is_not_taken_over_by_another_request(load):
    runner = load("chat.gguf", n_slots=1)
    options = replace(GREEDY, ignore_eos=True, num_keep=4)
    say(runner, "a" * 200, options, limit=80, is_shifting=True)
    (slot,) = runner.worker._slots
    moved = Prompt(tuple(slot.cached))

    def ask():
        sampler = Sampler(runner.model, GREEDY)
        work = Generation(moved, GREEDY, sampler, TextStream(()), 1, n_top_logprobs=0)
        *pieces, final = runner.worker.stream(work)
        return final.n_reused, pieces[-1].logprobs[0].logprob

    n_reused, logprob = ask()
    runner.worker._context.forget(0)
    slot.clear()

    assert n_reused == 4 + runner.model.adds_bos
    assert ask() == (0, pytest.approx(logprob, abs=0.1))


def test_two_shifts_leave_what_both_kept():
    slot = Slot(0, cached=list(range(20)))

    slot.drop(Cut(4, 8))
    slot.drop(Cut(2, 5))

    assert slot.reusable == [0, 1]
    slot.clear()
    assert slot.reusable == []


def test_without_shifting_a_full_context_ends_the_answer(tiny_chat):
    said = say(tiny_chat, "Tell me a long story", replace(GREEDY, ignore_eos=True), limit=700)

    assert said.final.done_reason == "length"
    assert said.final.n_prompt + said.final.n_generated == tiny_chat.n_ctx


def test_after_a_shift_only_what_is_really_cached_is_reused(load):
    """What was shifted holds other positions; its tokens must match the positions they are at."""
    runner = load("chat.gguf", n_ctx=64, n_slots=1)
    options = replace(GREEDY, num_keep=5, ignore_eos=True)
    say(runner, "The same beginning", options, limit=200, is_shifting=True)
    slot = runner.worker._slots[0]
    shifted = list(slot.cached)

    again = say(runner, "The same beginning and then more", options, limit=5)

    alone = load("chat.gguf", n_ctx=64, n_slots=1)
    assert len(shifted) < 64
    assert 6 <= again.final.n_reused < again.final.n_prompt
    assert again.text == say(alone, "The same beginning and then more", options, limit=5).text


def test_no_token_wanted_only_computes_the_prompt(tiny_chat):
    said = say(tiny_chat, "Only remember this", limit=0)

    assert (said.final.done_reason, said.final.n_generated, said.text) == ("length", 0, "")
    assert say(tiny_chat, "Only remember this", limit=1).final.n_reused > 10


def test_the_stop_string_is_named(tiny_chat):
    options = replace(GREEDY, stop=("not in it", "d", "cd"))

    said = say(tiny_chat, "Hello", options, grammar='root ::= "abcdef"', n_top_logprobs=0)

    assert (said.text, said.final.stop_string, said.final.done_reason) == ("ab", "cd", "stop")
    assert "".join(one.token for one in said.logprobs) == "ab"


def test_control_tokens_are_shown_where_asked(tiny_chat):
    options = replace(GREEDY, logit_bias=(("<tool_call>", 1000.0),))

    assert say(tiny_chat, "x", options, limit=2).text == ""
    shown = frozenset({"<tool_call>"})
    assert say(tiny_chat, "x", options, limit=2, shown_special=shown).text == "<tool_call>" * 2
