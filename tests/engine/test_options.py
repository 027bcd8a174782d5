import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import OptionError
from engine.options import merge_options
from engine.types import Options


def test_request_wins_over_model_over_default():
    model = merge_options(Options(), {"temperature": 0.1, "top_k": 5})

    merged = merge_options(model, {"top_k": 7})

    assert (merged.temperature, merged.top_k, merged.top_p) == (0.1, 7, 0.9)


def test_stop_of_a_request_replaces_the_models():
    model = merge_options(Options(), {"stop": ["a", "b"]})

    assert merge_options(model, {"stop": "c"}).stop == ("c",)


def test_floats_are_cut_to_whole_numbers_and_none_is_skipped():
    merged = merge_options(Options(), {"num_ctx": 100.9, "seed": None})

    assert (merged.num_ctx, merged.seed) == (100, -1)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("num_ctx", "many", 'option "num_ctx" must be of type integer'),
        ("num_ctx", True, 'option "num_ctx" must be of type integer'),
        ("num_ctx", float("inf"), 'option "num_ctx" must be of type integer'),
        ("temperature", "hot", 'option "temperature" must be of type float32'),
        ("use_mmap", 1, 'option "use_mmap" must be of type boolean'),
        ("stop", 3, 'option "stop" must be of type array'),
        ("stop", ["a", 3], 'option "stop" must be of an array of strings'),
    ],
)
def test_wrong_types_are_refused_in_ollamas_words(name, value, text):
    with pytest.raises(OptionError) as caught:
        merge_options(Options(), {name: value})

    assert str(caught.value) == text


@given(st.dictionaries(st.text(max_size=12), st.integers() | st.text(max_size=5), max_size=4))
def test_unknown_names_change_nothing(given_options):
    known = set(Options.__dataclass_fields__)

    unknown = {name: value for name, value in given_options.items() if name not in known}

    assert merge_options(Options(), unknown) == Options()
