import math
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.sampling import tamed
from engine.types import Options


def test_usual_options_pass_unchanged():
    assert tamed(Options(dry_penalty_last_n=64)) == Options(dry_penalty_last_n=64)


def test_minus_one_means_the_whole_context():
    found = tamed(Options(repeat_last_n=-1, dry_penalty_last_n=-1), n_ctx=100)

    assert (found.repeat_last_n, found.dry_penalty_last_n) == (100, 100)


def test_nobody_looks_back_further_than_the_context():
    assert tamed(Options(repeat_last_n=2**40), n_ctx=100).repeat_last_n == 100
    assert tamed(Options(repeat_last_n=2**40)).repeat_last_n < 2**31


def test_a_temperature_that_no_float_can_divide_by_is_none():
    assert tamed(Options(temperature=1e-30)).temperature == 0


NUMBERS = [field.name for field in fields(Options) if field.type == "float"]


@given(st.dictionaries(st.sampled_from(NUMBERS), st.floats()))
def test_no_number_stays_infinite_or_undefined(changes):
    found = tamed(Options(**changes))

    assert all(math.isfinite(getattr(found, name)) for name in NUMBERS)
