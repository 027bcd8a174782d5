"""What all tests share: calm threads, a home of their own, an engine with the starter models."""

from __future__ import annotations

import gc
import itertools
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from engine.config import EngineSettings, calm_openmp

calm_openmp(os.environ)  # noqa: TID251 - before any test imports llama_cpp
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # noqa: TID251


# Few tests that take long: begun last, they would keep one worker busy while the others are done.
FIRST = (
    "test_browser_story.py", "test_crash.py", "test_whole_story.py", "test_disk_full.py",
    "test_bad_engine_input_models.py", "test_following.py", "test_cli.py", "test_exam.py",
    "test_shutdown.py", "test_docker_registry.py", "test_libreoffice.py", "test_short_context.py",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Give whole files to workers in the order of the tests, not by the number of tests in them."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(FIRST)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without looking for garbage; what they are made of stays to the end.

    A quarter of the time that it takes to gather the tests went into looking, and each look later
    on would go through all of them again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


_numbers = itertools.count()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for one test.

    pytest's own looks through the folders of all tests before for a number that is free, which is
    dear after some thousand of them.
    """
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}{next(_numbers)}"
    folder.mkdir(mode=0o700)
    return folder


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
