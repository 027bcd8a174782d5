"""Findings with their cures."""

from __future__ import annotations

from app.config import settings_from
from app.doctor import examine, judge_disk, judge_machine, judge_models, judge_port, judge_python
from app.machine import GIB, Machine


def test_an_old_python_is_bad():
    assert judge_python((3, 10, 1)).level == "bad"
    assert judge_python((3, 11, 0)).level == "ok"


def test_a_full_disk_is_warned_of():
    finding = judge_disk("/data", GIB)

    assert (finding.level, "QUIRE_HOME" in finding.cure) == ("warn", True)


def test_a_small_machine_is_warned_of():
    assert judge_machine(Machine(GIB, 1), "m")[0].level == "warn"
    assert judge_machine(Machine(8 * GIB, 4), "m")[0].level == "ok"


def test_models_that_are_set_but_missing_are_bad():
    findings = judge_models([], ("bge-m3", ""))

    assert [one.level for one in findings] == ["warn", "warn", "bad"]
    assert findings[-1].cure == "run `quire pull bge-m3`"


def test_a_foreign_listener_is_named():
    finding = judge_port("http://127.0.0.1:1", "an Ollama (version 1.2.3)", is_ours=False)

    assert finding.level == "warn"
    assert "Ollama (version 1.2.3)" in finding.what
    assert "QUIRE_PORT" in finding.cure


def test_a_fresh_home_is_examined_without_a_stumble(tmp_path):
    settings = settings_from({"QUIRE_HOME": str(tmp_path / "home"), "QUIRE_PORT": "1"})

    findings = examine(settings)

    assert not [one for one in findings if one.level == "bad"]
    assert any("no library yet" in one.what for one in findings)
    assert not (tmp_path / "home").exists()


def test_models_of_further_folders_count_as_installed(tmp_path, starter_models):
    named = {
        "QUIRE_HOME": str(tmp_path / "home"),
        "QUIRE_PORT": "1",
        "OLLAMA_MODELS": str(tmp_path / "own"),
        "OLLAMA_MODELS_EXTRA": str(starter_models),
        "QUIRE_CHAT_MODEL": "smollm2:135m",
    }

    findings = examine(settings_from(named, user_home=tmp_path))

    assert not [
        one.what for one in findings if "is not installed" in one.what and "model" in one.what
    ]
    assert any("completion models: smollm2:135m" in one.what for one in findings)
