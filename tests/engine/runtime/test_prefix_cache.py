from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import engine_settings_from
from engine.runtime.prefix_cache import PrefixCache
from engine.runtime.seating import common_prefix


def state(size):
    return np.zeros(size, np.uint8)


def kept(cache):
    return [one.tokens for one in cache]


def test_the_longest_unused_leaves_first():
    cache = PrefixCache(30)
    for at in range(3):
        cache.put([at], state(10))
    cache.touch(next(iter(cache)))

    cache.put([7], state(10))

    assert kept(cache) == [(2,), (0,), (7,)]
    assert cache.n_bytes == 30


def test_a_longer_one_takes_the_place_of_its_own_beginning():
    cache = PrefixCache(100)
    cache.put([1, 2], state(10))
    cache.put([1, 2, 3], state(15))

    assert kept(cache) == [(1, 2, 3)]
    assert cache.n_bytes == 15


def test_what_is_held_already_is_not_wanted_again_but_counts_as_used():
    cache = PrefixCache(100)
    cache.put([1, 2, 3], state(10))
    cache.put([9], state(10))

    assert not cache.wants([1, 2], 5)
    assert kept(cache) == [(9,), (1, 2, 3)]


def test_nothing_that_exceeds_the_budget_is_wanted_nor_pushes_others_out():
    cache = PrefixCache(20)
    cache.put([1], state(20))

    assert not cache.wants([2], 21)
    cache.put([2], state(21))

    assert kept(cache) == [(1,)]
    assert not PrefixCache(0).wants([1], 1)


def test_room_is_made_before_it_is_needed():
    cache = PrefixCache(20)
    cache.put([1], state(10))
    cache.put([2], state(10))

    cache.make_room(5)

    assert (kept(cache), cache.n_bytes) == ([(2,)], 10)


def test_an_entry_can_be_let_go_once():
    cache = PrefixCache(20)
    cache.put([1], state(10))
    (only,) = cache

    cache.drop(only)
    cache.drop(only)

    assert (len(cache), cache.n_bytes) == (0, 0)


@given(
    st.lists(st.tuples(st.lists(st.integers(0, 2), max_size=5), st.integers(1, 30)), max_size=30)
)
def test_the_budget_holds_and_no_entry_begins_another(puts):
    cache = PrefixCache(60)
    for tokens, size in puts:
        cache.put(tokens, state(size))

        assert cache.n_bytes == sum(one.state.nbytes for one in cache) <= 60
        for one in cache:
            others = [other.tokens for other in cache if other is not one]
            assert all(common_prefix(one.tokens, other) < len(one.tokens) for other in others)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 512 << 20),
        ("0", 0),
        ("2GB", 2_000_000_000),
        ("1.5GiB", 3 << 29),
        ("64m", 64 << 20),
        ("1000000", 1_000_000),
    ],
)
def test_the_memory_for_prefixes_is_a_size(text, size):
    settings = engine_settings_from({"OLLAMA_PREFIX_CACHE": text}, home=Path("/models"))

    assert settings.prefix_cache_bytes == size


@pytest.mark.parametrize("text", ["much", "-1", "1e9", "5 apples", "off"])
def test_a_size_that_is_none_is_refused_with_its_name(text):
    with pytest.raises(ValueError, match="OLLAMA_PREFIX_CACHE=.*512MiB"):
        engine_settings_from({"OLLAMA_PREFIX_CACHE": text}, home=Path("/models"))
