"""Every sampler of llama.cpp on a tiny model."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import FormatError, OptionError
from engine.runtime.grammar import grammar_of
from engine.runtime.sampler_native import Sampler
from engine.types import Options
from tests.engine.runtime.conftest import GREEDY, say

RANDOM = Options(seed=7, temperature=1.0, top_k=0, top_p=1.0)


def said(runner, options, **more):
    return say(runner, "Once upon a time", options, limit=40, **more).text


@pytest.mark.parametrize(
    "changes",
    [
        {"dry_multiplier": 5.0, "dry_allowed_length": 0, "dry_sequence_breakers": ()},
        {"top_n_sigma": 0.5},
        {"xtc_probability": 1.0, "xtc_threshold": 0.01},
        {"dynatemp_range": 0.9},
        {"mirostat": 1, "mirostat_tau": 0.5},
        {"mirostat": 2, "mirostat_tau": 0.5},
        {"adaptive_target": 0.2},
        {"typical_p": 0.2},
        {"min_p": 0.5},
        {"top_k": 2},
        {"top_p": 0.1},
        {"repeat_penalty": 3.0},
        {"presence_penalty": 9.0},
        {"frequency_penalty": 9.0},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_every_option_changes_what_is_said(tiny_chat, changes):
    plain = said(tiny_chat, RANDOM)
    changed = replace(RANDOM, **changes)

    assert said(tiny_chat, RANDOM) == plain  # the seed decides, not chance
    assert said(tiny_chat, changed) != plain
    assert said(tiny_chat, changed) == said(tiny_chat, changed)


def test_neutral_options_change_nothing(tiny_chat):
    neutral = replace(
        RANDOM, dry_base=3.0, xtc_threshold=0.4, mirostat_tau=1.0, adaptive_decay=0.5, min_keep=3
    )

    assert said(tiny_chat, neutral) == said(tiny_chat, RANDOM)


def test_min_keep_leaves_more_than_one(tiny_chat):
    narrow = replace(RANDOM, top_p=0.0)

    assert said(tiny_chat, narrow) == said(tiny_chat, GREEDY)
    assert said(tiny_chat, replace(narrow, min_keep=50)) != said(tiny_chat, GREEDY)


def test_a_bias_forces_or_bans_a_token_by_its_number_or_its_text(tiny_chat):
    letter = tiny_chat.model.tokenize("Z", add_special=False, parse_special=False)[-1]
    for name in ("Z", str(letter)):
        forced = say(tiny_chat, "x", replace(RANDOM, logit_bias=((name, 1000.0),)), limit=3)
        banned = replace(RANDOM, logit_bias=((name, -1e9),))

        assert forced.text == "ZZZ"
        assert letter not in say(tiny_chat, "x", banned, limit=100).final.context


def test_a_bias_for_what_is_no_token_is_refused(tiny_chat):
    with pytest.raises(OptionError, match="names 999999, which is no token of this model"):
        Sampler(tiny_chat.model, replace(RANDOM, logit_bias=(("999999", 1.0),)))


def test_without_an_end_token_the_answer_goes_on(tiny_chat):
    ending = replace(RANDOM, logit_bias=(("2", 1000.0),))

    assert say(tiny_chat, "x", ending).final.n_generated == 0
    assert say(tiny_chat, "x", replace(RANDOM, ignore_eos=True)).final.n_generated == 12


def test_a_grammar_binds_at_once(tiny_chat):
    assert said(tiny_chat, GREEDY, grammar='root ::= "yes" | "no"') in ("yes", "no")


@pytest.mark.parametrize("options", [GREEDY, RANDOM], ids=["greedy", "random"])
def test_a_late_grammar_binds_what_follows_its_mark(tiny_chat, options):
    written = [said(tiny_chat, replace(options, seed=seed), grammar='root ::= "yes" | "no"',
                    grammar_after=mark) for seed, mark in enumerate(" e)?")]  # fmt: skip
    bound = [text for text in written if any(text.rstrip().endswith(one) for one in ("yes", "no"))]

    assert bound or options is GREEDY
    for text, mark in zip(written, " e)?", strict=True):
        if mark in text:
            assert text.partition(mark)[2].strip() in ("yes", "no", "")


def forced(runner, *tokens, grammar, after):
    """Let a sampler draw what a bias forces: the tokens in turn, then what it likes."""
    drawn = []

    class Scores:
        def logits(self, _):
            scores = np.zeros(runner.model.n_vocab, dtype=np.float32)
            if len(drawn) < len(tokens):
                scores[tokens[len(drawn)]] = 100
            return scores

    sampler = Sampler(runner.model, GREEDY, grammar=grammar, grammar_after=after)
    while len(drawn) < len(tokens) + 12 and not (drawn and runner.model.is_end(drawn[-1])):
        drawn.append(sampler.sample(Scores(), 0))
    sampler.close()
    return "".join(runner.model.special_text(one) for one in drawn)


def number_of(runner, text):
    found = [one for one in range(runner.model.n_vocab) if runner.model.special_text(one) == text]
    return found[-1]


@pytest.mark.parametrize(
    ("grammar", "rest"),
    [
        ('root ::= "{" [0-9] "}"', "{0}"),  # what the token holds beyond the mark is taken over
        ('root ::= "[" [0-9] "]"', "[0]"),  # it cannot begin so: another token is drawn
    ],
)
def test_a_token_that_goes_beyond_the_mark_counts_for_the_grammar(tiny_chat, grammar, rest):
    beyond, think = number_of(tiny_chat, "</think>{"), number_of(tiny_chat, "</think>")
    tokens = (beyond,) if rest.startswith("{") else (beyond, think)

    text = forced(tiny_chat, *tokens, grammar=grammar, after="</think>")

    after = text.partition("</think>")[2].removesuffix("</s>").strip()
    assert after.startswith(rest[0])
    assert after.endswith(rest[-1])
    assert len(after) == 3


def test_the_mark_may_be_a_control_token_and_white_space_may_follow(tiny_chat):
    think, newline = number_of(tiny_chat, "</think>"), number_of(tiny_chat, "\n")

    text = forced(tiny_chat, think, newline, newline, grammar='root ::= "ok"', after="</think>")

    assert text.startswith("</think>\n\n")
    assert text.removesuffix("</s>").strip().endswith("ok")


def test_a_broken_grammar_is_refused(tiny_chat):
    for after in (None, "</think>"):
        with pytest.raises(FormatError, match="the grammar cannot be used"):
            Sampler(tiny_chat.model, GREEDY, grammar="root ::= (", grammar_after=after)


@pytest.mark.parametrize(
    "limits", [{"maxLength": 1000}, {"minLength": 4000}, {"minLength": 10, "maxLength": 1000}]
)
def test_the_longest_lengths_that_are_allowed_can_be_read(tiny_chat, limits):
    grammar = grammar_of({"type": "string", **limits})

    assert said(tiny_chat, RANDOM, grammar=grammar).startswith('"')


def test_a_grammar_that_would_end_the_process_is_refused(tiny_chat, monkeypatch):
    monkeypatch.setattr("llama_cpp.llama_sampler_init_grammar", None)  # must not be reached

    with pytest.raises(FormatError, match="nested deeper"):
        Sampler(tiny_chat.model, GREEDY, grammar="root ::= " + "(" * 20_000)


WILD = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -1.0, 1e-45, 3.4e38, -3.4e38, 1.0]),
)
WHOLE = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, -1, 2**31 - 1]))
NUMBERS = (
    "temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty "
    "dry_multiplier dry_base top_n_sigma xtc_probability xtc_threshold dynatemp_range "
    "dynatemp_exponent mirostat_tau mirostat_eta adaptive_target adaptive_decay"
).split()
WHOLES = "seed top_k repeat_last_n min_keep dry_allowed_length dry_penalty_last_n".split()
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NUMBERS, WILD),
        **dict.fromkeys(WHOLES, WHOLE),
        "mirostat": st.sampled_from([0, 0, 1, 2]),
        "ignore_eos": st.booleans(),
        "dry_sequence_breakers": st.lists(st.text(max_size=50), max_size=4),
        "logit_bias": st.lists(st.tuples(st.text(max_size=3), st.floats(-1e9, 1e9)), max_size=4),
    },
)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(CHANGES, min_size=40, max_size=60))
def test_no_option_ends_the_process(tiny, changes):
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.runtime.fuzz_child", str(tiny / "chat.gguf")],
        input=json.dumps(changes),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 0
