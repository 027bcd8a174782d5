"""Findings about the system and the settings, with their cures."""

import pytest

from app.config import known_names, settings_from
from app.doctor_system import (
    judge_access,
    judge_files,
    judge_permissions,
    judge_programs,
    judge_settings,
    judge_use,
    system_findings,
)


@pytest.mark.parametrize(
    ("limit", "level"), [(None, None), (1024, None), (4096, None), (1023, "warn"), (256, "warn")]
)
def test_few_open_files_are_warned_of(limit, level):
    found = judge_files(limit)

    assert [one.level for one in found] == ([level] if level else [])
    assert all("ulimit" in one.cure for one in found)


@pytest.mark.parametrize(
    ("mode", "is_reachable", "level"),
    [
        (0o700, True, None),
        (0o750, True, None),
        (0o755, True, "warn"),
        (0o701, True, "warn"),
        (0o777, True, "bad"),
        (0o755, False, None),
    ],
)
def test_a_data_directory_that_others_can_read_is_told(mode, is_reachable, level):
    found = judge_permissions("/data", mode, is_reachable=is_reachable)

    assert [one.level for one in found] == ([level] if level else [])
    assert all(one.cure == "run `chmod 700 /data`" for one in found)


KNOWN = {"QUIRE_PORT", "QUIRE_HOST", "OLLAMA_MODELS"}


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("QUIRE_PORT", None),
        ("QUIRE_PROT", "did you mean QUIRE_PORT?"),
        ("quire_port", "did you mean QUIRE_PORT?"),
        ("OLLAMA_MODEL", "did you mean OLLAMA_MODELS?"),
        ("OLLAMA_DEBUG", None),
        ("QUIRE_SOMETHING_ELSE", "remove it; the README has a table of all settings"),
    ],
)
def test_a_misspelled_setting_is_told(name, cure):
    assert [one.cure for one in judge_settings([name], KNOWN)] == ([cure] if cure else [])


def test_every_setting_that_is_read_is_known():
    assert {"QUIRE_HOME", "QUIRE_PORT", "OLLAMA_MODELS", "OLLAMA_ORIGINS"} <= known_names()


@pytest.mark.parametrize(
    ("auth", "host", "level"),
    [
        ("auto", "127.0.0.1", "ok"),
        ("auto", "0.0.0.0", "ok"),
        ("on", "127.0.0.1", "ok"),
        ("off", "::1", "ok"),
        ("off", "0.0.0.0", "bad"),
        ("off", "", "bad"),
    ],
)
def test_a_server_that_lets_everybody_in_is_bad(auth, host, level):
    (found,) = judge_access(auth, host)

    assert found.level == level
    assert bool(found.cure) == (level == "bad")


def test_programs_that_are_missing_are_told_with_what_they_are_for():
    with_one = judge_programs({"tesseract": True, "soffice": False})

    assert [one.level for one in with_one] == ["ok", "warn"]
    assert "apt install" in with_one[1].cure
    assert ".doc" in with_one[1].what


def test_the_parts_of_the_library_are_told_the_largest_first():
    (found,) = judge_use({"models": 3 << 30, "catalogue": 5 << 20, "inbox": 0})

    assert found.what.endswith("models 3.0 GiB, catalogue 5.0 MiB")
    assert judge_use({"models": 0}) == []


def test_settings_of_the_environment_and_of_the_file_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("QUIRE_PROT", "8000")
    (tmp_path / "quire.toml").write_text("QUIRE_HOSTT = 'x'\n", encoding="utf-8")
    (tmp_path / "kb.sqlite3").write_bytes(b"x" * 2048)

    found = system_findings(settings_from({"QUIRE_HOME": str(tmp_path)}))

    cures = [one.cure for one in found]
    assert {"did you mean QUIRE_PORT?", "did you mean QUIRE_HOST?"} <= set(cures) or {
        "did you mean QUIRE_PORT?",
        "did you mean QUIRE_HOSTS?",
    } <= set(cures)
    assert any("catalogue 0.0 MiB" in one.what for one in found)
