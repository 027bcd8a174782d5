"""Rules of Ollama's contract about variables and contexts, by table."""

from pathlib import Path

import pytest

from engine.config import engine_settings_from
from engine.runtime.placement import choose_ctx


def settings(**env):
    return engine_settings_from(env, home=Path("/models"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 300), ("10m", 600), ("90", 90), ("0", 0), (" '1h' ", 3600), ("-1", -1), ("-5m", -1)],
)
def test_the_usual_stay_is_a_duration_or_seconds(text, seconds):
    assert settings(OLLAMA_KEEP_ALIVE=text).keep_alive_s == seconds


def test_without_variables_the_defaults_hold():
    plain = settings()

    assert (plain.models_dir, plain.keep_alive_s, plain.max_queue) == (Path("/models"), 300, 512)
    assert (plain.n_ctx, plain.max_loaded_models, plain.origins) == (0, 3, ())
    assert (plain.go_template, plain.is_pruning) == (None, True)
    assert plain.n_parallel == 4  # Ollama's is 1


@pytest.mark.parametrize(
    ("text", "is_go"), [("", None), ("0", False), ("false", False), ("1", True), ("yes", True)]
)
def test_the_kind_of_template_is_chosen_or_left_open(text, is_go):
    assert settings(OLLAMA_GO_TEMPLATE=text).go_template is is_go


@pytest.mark.parametrize(
    ("wanted", "default", "trained", "given"),
    [
        (0, 0, 131_072, 4096),  # Ollama's lowest tier; it has higher ones for large GPUs
        (0, 0, 2048, 2048),
        (0, 8192, 131_072, 8192),
        (512, 8192, 131_072, 512),
        (3, 0, 2048, 4),
        (10**6, 0, 2048, 2048),
        (10**6, 0, 0, 10**6),
    ],
)
def test_the_context_is_what_is_asked_within_what_was_trained(wanted, default, trained, given):
    assert choose_ctx(wanted, default, trained) == given
