from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.logprobs import LogprobQueue, likeliest, token_logprob
from engine.runtime.stream import TextStream
from engine.types import TokenLogprob
from tests.engine.runtime.conftest import GREEDY, say
from tests.engine.runtime.test_sampler_native import RANDOM
from tests.engine.runtime.tiny_models import CONTROL

SCORES = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40)


def raw(token):
    return b"%d" % token


@given(SCORES, st.integers(0, 20), st.data())
def test_probabilities_add_up_to_one_and_the_likeliest_come_first(scores, n_top, data):
    logits = np.array(scores, dtype=np.float32)
    token = data.draw(st.integers(0, len(scores) - 1))

    one = token_logprob(logits, token, n_top, raw)
    everyone = token_logprob(logits, token, len(scores), raw).top

    assert sum(np.exp(other.logprob) for other in everyone) == pytest.approx(1, abs=1e-6)
    assert one.top == everyone[:n_top]
    assert one.raw == raw(token)
    found = [other.logprob for other in one.top]
    assert found == sorted(found, reverse=True)
    assert one.logprob <= max([*found, one.logprob])


def test_scores_too_large_for_exp_are_no_problem():
    logits = np.array([3e4, 3e4, -3e4], dtype=np.float32)

    assert token_logprob(logits, 0, 0, raw).logprob == pytest.approx(np.log(0.5))


def test_of_equals_the_lower_number_comes_first():
    assert likeliest(np.zeros(9, dtype=np.float32), 3)[0] in range(9)
    assert likeliest(np.array([1, 5, 5, 0], dtype=np.float32), 2) == [1, 2]


@given(
    st.lists(st.binary(max_size=4), max_size=30),
    st.lists(st.text(min_size=1, max_size=3), max_size=2),
)
def test_none_comes_before_its_text_none_twice_and_none_is_lost(tokens, stops):
    stream, queue = TextStream(stops), LogprobQueue()
    ends, taken, n_shown = [], [], 0

    for at, piece in enumerate(tokens):
        begin = stream.n_characters
        n_shown += len(stream.push(piece))
        queue.add(TokenLogprob(str(at), 0.0, piece), begin, stream.n_characters)
        ends.append(stream.n_characters)
        found = queue.take(stream.n_shown)
        assert all(ends[int(one.token)] <= n_shown for one in found)
        taken += found
        if stream.is_stopped:
            break
    stream.finish()
    taken += queue.take_rest(stream.n_shown, is_stopped=stream.is_stopped)

    assert [one.token for one in taken] == [str(at) for at in range(len(taken))]
    if not stream.is_stopped:
        assert len(taken) == len(tokens)


@pytest.mark.parametrize("n_top", [0, 3])
def test_every_generated_token_has_its_own(tiny_chat, n_top):
    shown = frozenset({"<unk>", "<s>", *CONTROL})
    options = replace(RANDOM, ignore_eos=True)

    said = say(tiny_chat, "Hi", options, limit=60, n_top_logprobs=n_top, shown_special=shown)

    assert len(said.logprobs) == said.final.n_generated == 60
    assert all(len(one.top) == n_top for one in said.logprobs)
    assert b"".join(one.raw for one in said.logprobs).decode(errors="replace") == said.text
    assert all(piece.text or piece is said.pieces[-1] for piece in said.pieces if piece.logprobs)


def test_what_was_likeliest_is_what_a_greedy_choice_takes(tiny_chat):
    said = say(tiny_chat, "Hello", GREEDY, limit=20, n_top_logprobs=2)

    assert all(one.top[0].raw == one.raw for one in said.logprobs)
    assert all(one.top[0].logprob == one.logprob for one in said.logprobs)


def test_without_asking_there_are_none(tiny_chat):
    assert not say(tiny_chat, "Hello").logprobs
