"""What all tests share: calm threads, a home of their own, an engine with the starter models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import EngineSettings, calm_openmp

calm_openmp(os.environ)  # noqa: TID251 - before any test imports llama_cpp
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # noqa: TID251


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own variables and home out of every test."""
    for name in list(os.environ):  # noqa: TID251
        if name.startswith(("QUIRE_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("QUIRE_HOME", str(tmp_path / "quire-home"))


@pytest.fixture(scope="session")
def starter_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder that holds `smollm2:135m` and `all-minilm:latest`; read only, please."""
    from engine.library.starters import install_starters
    from engine.library.store import Library

    folder = tmp_path_factory.mktemp("models")
    for _ in install_starters(Library(folder)):
        pass
    return folder


@pytest.fixture(scope="session")
def starter_engine(starter_models: Path) -> Iterator:
    """An engine on the starter models, shared by the whole run."""
    from engine.engine import Engine

    settings = EngineSettings(models_dir=starter_models, keep_alive_s=-1, n_ctx=2048, n_parallel=4)
    with Engine(settings) as engine:
        yield engine
