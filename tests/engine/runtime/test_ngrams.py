"""Where the end of a sequence stood before, and what followed there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runtime.ngrams import LONGEST, Match, Ngrams


def drafted(tokens, n_most=4):
    ngrams = Ngrams(tokens)
    match = ngrams.match()
    return ngrams.draft(match, n_most) if match is not None else None


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], None),
        ([1], None),
        ([1, 2, 3, 4], None),
        ([1, 2, 3, 4, 5, 6, 1, 2], [3, 4, 5, 6]),
        ([1, 2, 7, 9, 9, 1, 2, 8, 9, 9, 1, 2], [8, 9, 9, 1]),  # the newest of equals
        ([5, 1, 2, 7, 9, 1, 2, 8, 9, 5, 1, 2], [7, 9, 1, 2]),  # the longest before the newest
        ([1, 2, 3, 1, 2, 3, 1, 2], [3, 1, 2, 3]),  # goes round where it meets the end
        ([4, 4, 4], [4, 4, 4, 4]),
        ([1, -9, 5, 1, -9], None),  # a picture is no text
        ([1, 2, -9, 5, 1, 2], []),
        ([1, 2, 5, -9, 5, 1, 2], [5]),
    ],
)
def test_what_followed_the_last_time_is_drafted(tokens, expected):
    assert drafted(tokens) == expected


def test_a_match_tells_how_much_reads_alike():
    assert Ngrams([1, 2, 3, 4, 9, 1, 2, 3, 4]).match() == Match(3, 4)
    assert Ngrams([*range(50), *range(50)]).match().n_alike == LONGEST


@settings(deadline=None)
@given(st.lists(st.integers(-1, 3), max_size=60), st.integers(0, 60))
def test_token_by_token_is_the_same_as_all_at_once(tokens, cut):
    at_once, grown = Ngrams(tokens), Ngrams(tokens[:cut])

    grown.extend(tokens[cut:])

    assert grown.match() == at_once.match()
    assert len(grown) == len(at_once)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=40))
def test_a_match_is_one(tokens):
    match = Ngrams(tokens).match()
    pairs = list(zip(tokens, tokens[1:], strict=False))
    if match is None:
        assert pairs[-1] not in pairs[:-1]
    else:
        end, n = match.end, match.n_alike
        assert end < len(tokens) - 1
        assert tokens[end + 1 - n : end + 1] == tokens[-n:]


def test_a_long_text_of_one_pair_is_not_searched_to_its_beginning():
    ngrams = Ngrams([1, 2] * 15_000)

    assert ngrams.match().n_alike == LONGEST
    assert ngrams.draft(ngrams.match(), 3) == [1, 2, 1]
