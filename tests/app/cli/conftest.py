"""The command line against a scripted server."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli.main import build
from tests.app.cli.fake_server import serving


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a script at the address that the settings name."""
    with serving(tmp_path) as (script, port):
        monkeypatch.setenv("QUIRE_HOME", str(tmp_path))
        monkeypatch.setenv("QUIRE_PORT", str(port))
        script.port = port
        yield script


@pytest.fixture
def quire(server):
    """Run a command in this process; standard input and output are no terminal."""

    def run(*words, stdin=""):
        return CliRunner().invoke(build(), words, input=stdin)

    return run
