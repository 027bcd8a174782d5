import os
from pathlib import Path

import pytest

from engine.config import (
    calm_openmp,
    engine_settings_from,
    parse_duration,
    parse_flag,
    parse_host,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("-1m", -60), ("0", 0), ("1.5s", 1.5), ("250ms", 0.25)],
)
def test_reads_go_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("42", 'missing unit in duration "42"'),
        ("", "invalid duration"),
        ("1x", "invalid duration"),
        ("m", "invalid duration"),
    ],
)
def test_refuses_what_is_no_duration(text, message):
    with pytest.raises(ValueError, match=message):
        parse_duration(text)


def test_reads_every_variable(tmp_path):
    env = {
        "OLLAMA_MODELS": str(tmp_path),
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_CONTEXT_LENGTH": "8192",
        "OLLAMA_NUM_PARALLEL": '"2"',
        "OLLAMA_MAX_QUEUE": " 7 ",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_ORIGINS": "http://a.example, app://b",
        "OLLAMA_MODELS_EXTRA": f"/a{os.pathsep}~/b{os.pathsep}",
        "OLLAMA_NOPRUNE": "1",
    }

    settings = engine_settings_from(env, home=Path("/unused"))

    assert settings.models_dir == tmp_path
    assert settings.keep_alive_s == -1
    assert (settings.n_ctx, settings.n_parallel, settings.max_queue) == (8192, 2, 7)
    assert settings.max_loaded_models == 1
    assert settings.origins == ("http://a.example", "app://b")
    assert settings.extra_models_dirs == (Path("/a"), Path("~/b").expanduser())
    assert settings.is_pruning is False
    assert settings.key_path == Path("~/.ollama/id_ed25519").expanduser()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("0", True),
        ("false", True),
        ("F", True),
        ("1", False),
        ("true", False),
        ("on", False),
    ],
)
def test_a_switch_is_off_only_if_it_says_so(text, expected):
    settings = engine_settings_from({"OLLAMA_NOPRUNE": text}, home=Path("/unused"))

    assert settings.is_pruning is expected


@pytest.mark.parametrize(
    ("text", "is_on"),
    [
        *((one, False) for one in ("", "0", "f", "F", "false", "False", "FALSE", " 0 ", '"false"')),
        *((one, True) for one in ("1", "t", "T", "true", "True", "TRUE", "yes", "no", "fAlse")),
    ],
)
def test_a_flag_is_read_as_go_reads_it_and_what_go_cannot_read_is_on(text, is_on):
    assert parse_flag(text) is is_on


def test_limits_that_would_refuse_everything_are_not_taken():
    env = {"OLLAMA_MAX_QUEUE": "0", "OLLAMA_MAX_LOADED_MODELS": "-1", "OLLAMA_NUM_PARALLEL": "0"}

    settings = engine_settings_from(env, home=Path("/unused"))

    assert (settings.max_queue, settings.max_loaded_models, settings.n_parallel) == (1, 3, 1)


def test_settings_of_memory_and_devices_are_read():
    env = {
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_KV_CACHE_TYPE": "Q8_0",
        "OLLAMA_LOAD_TIMEOUT": "90s",
        "OLLAMA_GPU_OVERHEAD": "536870912",
        "OLLAMA_SCHED_SPREAD": "true",
    }

    settings = engine_settings_from(env, home=Path("/unused"))

    assert (settings.flash_attention, settings.cache_type) == (True, "q8_0")
    assert (settings.load_timeout_s, settings.gpu_overhead_bytes) == (90, 1 << 29)
    assert settings.is_spread
    plain = engine_settings_from({}, home=Path("/unused"))
    assert (plain.flash_attention, plain.cache_type, plain.is_spread) == (None, "f16", False)
    assert (plain.load_timeout_s, plain.gpu_overhead_bytes) == (300, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OLLAMA_KV_CACHE_TYPE", "q5_1"),
        ("OLLAMA_GPU_OVERHEAD", "much"),
        ("OLLAMA_LOAD_TIMEOUT", "soon"),
    ],
)
def test_a_setting_of_memory_that_cannot_be_read_ends_the_start(name, value):
    with pytest.raises(ValueError, match=f"{name}='{value}'"):
        engine_settings_from({name: value}, home=Path("/unused"))


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("-1", 0), ("2m", 120)])
def test_a_load_may_be_given_for_ever(text, seconds):
    settings = engine_settings_from({"OLLAMA_LOAD_TIMEOUT": text}, home=Path("/unused"))

    assert settings.load_timeout_s == seconds


def test_a_bad_value_names_the_variable_and_the_value():
    with pytest.raises(ValueError, match="OLLAMA_MAX_QUEUE='many'"):
        engine_settings_from({"OLLAMA_MAX_QUEUE": "many"}, home=Path("/unused"))


def test_openmp_is_calmed_unless_the_user_chose():
    untouched: dict[str, str] = {}
    chosen = {"OMP_WAIT_POLICY": "active"}

    calm_openmp(untouched)
    calm_openmp(chosen)

    assert "GOMP_SPINCOUNT" in untouched
    assert "GOMP_SPINCOUNT" not in chosen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("0.0.0.0:8080", ("0.0.0.0", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("example.org", ("example.org", 11434)),
        ("http://example.org", ("example.org", 80)),
        ("https://example.org", ("example.org", 443)),
        ("https://example.org:8443/path", ("example.org", 8443)),
        ("example.org:99999", ("example.org", 11434)),
        ("example.org:port", ("example.org", 11434)),
        ("[::1]", ("::1", 11434)),
        ("[::1]:8080", ("::1", 8080)),
        (' "localhost:1" ', ("localhost", 1)),
    ],
)
def test_the_host_is_read_as_ollama_reads_it(text, expected):
    assert parse_host(text) == expected


@pytest.mark.parametrize(("said", "is_on"), [({}, True), ("auto", True), ("off", False)])
def test_speculation_is_chosen_by_the_engine_or_off(tmp_path, said, is_on):
    env = {"OLLAMA_SPECULATION": said} if said else {}

    assert engine_settings_from(env, home=tmp_path).is_speculating == is_on


def test_speculation_takes_no_other_word(tmp_path):
    with pytest.raises(ValueError, match=r"OLLAMA_SPECULATION='maybe': expected auto or off"):
        engine_settings_from({"OLLAMA_SPECULATION": "maybe"}, home=tmp_path)
