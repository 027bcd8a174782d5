"""Whether what computes still does: a step without end and a dead thread are told."""

from types import SimpleNamespace

import pytest

from engine import loading
from engine.config import EngineSettings
from engine.loading import Loader
from engine.runtime.gate import Gate
from engine.types import Priority


@pytest.fixture
def loader(tmp_path):
    found = Loader(EngineSettings(models_dir=tmp_path))
    yield found
    found.close()


def test_the_gate_tells_how_long_a_computation_runs():
    gate = Gate()
    assert gate.held_s() == 0.0

    with gate.hold(Priority.INTERACTIVE):
        assert gate.held_s() >= 0.0
        assert gate._is_held

    assert gate.held_s() == 0.0


def test_a_computation_without_end_is_told(loader, monkeypatch):
    monkeypatch.setattr(loading, "STUCK_S", -1.0)

    assert "has not ended" in loader.sickness()


def test_a_computation_that_runs_is_no_fault(loader):
    with loader._gate.hold(Priority.INTERACTIVE):
        assert loader.sickness() == ""


@pytest.mark.parametrize(("is_alive", "said"), [(True, ""), (False, "m:latest has died")])
def test_a_dead_thread_is_told(loader, monkeypatch, is_alive, said):
    runner = SimpleNamespace(worker=SimpleNamespace(is_alive=is_alive))
    pooling = SimpleNamespace()  # embeds in the threads of its callers
    monkeypatch.setattr(
        loader._pool, "runners", lambda: [("e:latest", pooling), ("m:latest", runner)]
    )

    assert said in loader.sickness()
    assert bool(loader.sickness()) is not is_alive
