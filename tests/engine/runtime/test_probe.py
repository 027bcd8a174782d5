import signal
from pathlib import Path

import pytest

from engine.errors import LoadError
from engine.runtime import probe
from engine.runtime.probe import Prober


@pytest.fixture
def prober(tmp_path):
    return Prober(tmp_path / "probed.json", "build")


def ask(prober):
    return prober.verdict(Path("m.gguf"), "sha256:1", is_embedding=False, num_gpu=0)


def answer(monkeypatch, *statuses):
    left = list(statuses)
    monkeypatch.setattr(probe, "run_child", lambda _: (left.pop(0), ""))


def test_a_crash_is_remembered(prober, monkeypatch):
    answer(monkeypatch, -signal.SIGSEGV, -signal.SIGABRT)

    for _ in range(2):
        with pytest.raises(LoadError, match="crashed"):
            ask(prober)


def test_a_file_that_only_crashes_with_extra_buffers_is_loaded_without(prober, monkeypatch):
    answer(monkeypatch, -signal.SIGILL, 0)

    assert not ask(prober).has_extra_buffers


@pytest.mark.parametrize("status", [-signal.SIGKILL, -signal.SIGALRM])
def test_a_trial_that_was_cut_short_condemns_no_file(prober, monkeypatch, status):
    answer(monkeypatch, status, status, 0)

    with pytest.raises(LoadError, match="too little memory or time"):
        ask(prober)

    assert ask(prober).has_extra_buffers
