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
        ("dry_sequence_breakers", 3, 'option "dry_sequence_breakers" must be of type array'),
        ("ignore_eos", "yes", 'option "ignore_eos" must be of type boolean'),
        ("logit_bias", [1], 'option "logit_bias" must be of type object'),
        ("logit_bias", {"5": "much"}, 'option "logit_bias" must be of an object of numbers'),
        ("logit_bias", {"5": True}, 'option "logit_bias" must be of an object of numbers'),
        ("mirostat", "on", 'option "mirostat" must be of type integer'),
        ("draft_num", "four", 'option "draft_num" must be of type integer'),
        ("draft_model", 3, 'option "draft_model" must be of type string'),
        ("temperature", 10**400, 'option "temperature" must be of type float32'),
    ],
)
def test_wrong_types_are_refused_in_ollamas_words(name, value, text):
    with pytest.raises(OptionError) as caught:
        merge_options(Options(), {name: value})

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("temperature", float("nan"), 'option "temperature" must be a finite number, got nan'),
        ("top_p", float("inf"), 'option "top_p" must be a finite number, got inf'),
        (
            "repeat_penalty",
            0,
            'option "repeat_penalty" must be greater than 0, got 0; 1 turns it off',
        ),
        ("mirostat", 3, 'option "mirostat" must be 0, 1 or 2, got 3'),
        ("timeout", -1, 'option "timeout" must be 0 or more seconds, got -1; 0 is no limit'),
        (
            "logit_bias",
            {"5": float("nan")},
            'option "logit_bias" must hold numbers from -1e+09 to 1e+09, got nan',
        ),
    ],
)
def test_what_no_sampler_can_follow_is_refused(name, value, text):
    with pytest.raises(OptionError) as caught:
        merge_options(Options(), {name: value})

    assert str(caught.value) == text


def test_biases_are_read_by_number_and_by_text():
    given_biases = {"50256": -100, "Paris": 1.5, "ban": False}

    merged = merge_options(Options(), {"logit_bias": given_biases})

    assert merged.logit_bias == (("50256", -100.0), ("Paris", 1.5), ("ban", -1e9))


def test_options_that_only_other_programs_follow_change_nothing():
    assert merge_options(Options(), {"draft_num_predict": 4, "low_vram": True}) == Options()


@given(st.dictionaries(st.text(max_size=12), st.integers() | st.text(max_size=5), max_size=4))
def test_unknown_names_change_nothing(given_options):
    known = set(Options.__dataclass_fields__)

    unknown = {name: value for name, value in given_options.items() if name not in known}

    assert merge_options(Options(), unknown) == Options()
