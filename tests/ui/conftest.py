"""Fixtures: the small real server, in this process and in one of its own."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import uvicorn

from tests.ui.fake_api import World, build

ROOT = Path(__file__).parents[2]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def api(world):
    """The address of a server in this process."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build(world), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listening.close()


@pytest.fixture
def closed_address():
    """An address at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a server with the interface at /ui, in a process and folder of its own."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    code += "from tests.ui.fake_api import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://")
        yield address
        process.terminate()
