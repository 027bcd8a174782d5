import pytest

from app.config import ConfigError, settings_from


def settings(tmp_path, **variables):
    return settings_from({"QUIRE_HOME": str(tmp_path), **variables})


@pytest.mark.parametrize(
    ("text", "is_polling"),
    [("", None), ("auto", None), ("Auto", None), ("on", True), ("1", True), ("off", False)],
)
def test_whether_folders_are_polled_is_said_or_left_open(tmp_path, text, is_polling):
    assert settings(tmp_path, QUIRE_WATCH_POLLING=text).is_polling is is_polling


def test_a_word_that_says_neither_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(ConfigError, match="QUIRE_WATCH_POLLING='maybe': expected auto, on or off"):
        settings(tmp_path, QUIRE_WATCH_POLLING="maybe")


@pytest.mark.parametrize(
    ("text", "has_history"),
    [
        ("", True),
        ("0", True),
        ("f", True),
        ("FALSE", True),
        ('"0"', True),
        ("1", False),
        ("no", False),
    ],
)
def test_ollamas_switches_are_read_as_the_engine_reads_its_own(tmp_path, text, has_history):
    found = settings(tmp_path, OLLAMA_NOHISTORY=text, OLLAMA_NOPRUNE=text)

    assert (found.has_history, found.engine.is_pruning) == (has_history, has_history)


@pytest.mark.parametrize(("text", "has"), [("", True), ("1", True), ("off", False), ("0", False)])
def test_collections_are_models_unless_that_is_turned_off(tmp_path, text, has):
    assert settings(tmp_path, QUIRE_KB_MODELS=text).has_kb_models is has
