import signal
from pathlib import Path

import pytest

from engine.errors import LoadError
from engine.runtime import probe
from engine.runtime.probe import Prober, Trial


@pytest.fixture
def prober(tmp_path):
    return Prober(tmp_path / "probed.json", "build")


def ask(prober):
    return prober.verdict(Trial(Path("m.gguf"), "sha256:1", "chat", num_gpu=0))


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


def trial(tiny, model, **more):
    return Trial(tiny / model, "sha256:1", more.pop("kind", "chat"), num_gpu=0, **more)


def test_whatever_belongs_to_a_model_is_tried_with_it(prober, tiny):
    assert prober.verdict(trial(tiny, "chat.gguf", adapters=(tiny / "lora.gguf",)))
    assert prober.verdict(trial(tiny, "chat.gguf", projectors=(tiny / "gemma3.gguf",)))
    assert prober.verdict(trial(tiny, "reranker.gguf", kind="rerank"))


def test_a_projector_that_crashes_takes_only_the_child_with_it(prober, tiny):
    with pytest.raises(LoadError, match="crashed llama.cpp when it was tried"):
        prober.verdict(trial(tiny, "mrope.gguf", projectors=(tiny / "crash.gguf",)))

    assert prober.verdict(trial(tiny, "mrope.gguf"))


@pytest.mark.parametrize(
    "more", [{"adapters": ("other-lora.gguf",)}, {"projectors": ("other-mlp.gguf",)}]
)
def test_what_does_not_fit_is_refused_with_the_reason(prober, tiny, more):
    files = {name: tuple(tiny / one for one in ones) for name, ones in more.items()}

    with pytest.raises(LoadError, match="other-.*: (llama.cpp|libmtmd) cannot"):
        prober.verdict(trial(tiny, "chat.gguf", **files))


@pytest.mark.parametrize("text", ["[]", "null", "{", "1"])
def test_a_damaged_memory_is_no_memory(prober, monkeypatch, tmp_path, text):
    (tmp_path / "probed.json").write_text(text, encoding="utf-8")
    answer(monkeypatch, 0)

    assert ask(prober) == ask(prober)
