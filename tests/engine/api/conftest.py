"""A client of a scripted engine, without a socket."""

import shutil

import pytest
from fastapi.testclient import TestClient

from engine.library.store import Library
from tests.engine.api.fakes_engine import (
    GIFTED,
    FakeEngine,
    build_app,
    fake_verbs,
    install_gifted,
    tiny_library,
)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    return tiny_library(tmp_path_factory.mktemp("tiny")).root


@pytest.fixture
def engine(tiny_models, tmp_path):
    shutil.copytree(tiny_models, tmp_path / "models")
    return FakeEngine(Library(tmp_path / "models"))


@pytest.fixture
def gifted(engine, tmp_path):
    """The name of a model that can do everything a chat model can."""
    install_gifted(engine.library, tmp_path)
    return GIFTED


@pytest.fixture
def asked():
    return []


@pytest.fixture
def client(engine, asked):
    with TestClient(build_app(engine, fake_verbs(asked)), raise_server_exceptions=False) as client:
        yield client
