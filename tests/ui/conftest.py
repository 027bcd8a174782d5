"""Fixtures: the small real server, in this process and in one of its own."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from tests.ui.fake_api import World, build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def _no_hunt_for_components():
    """Each AppTest would read what is told of all installed packages, which takes 0.3 s."""
    with pytest.MonkeyPatch.context() as patch:
        where = "streamlit.components.v2.manifest_scanner.scan_component_manifests"
        patch.setattr(where, list)
        yield


@pytest.fixture
def world():
    return World()


@contextmanager
def served(world: World, port: int = 0) -> Iterator[str]:
    """Serve the API in this process; give its address."""
    listening = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(build(world), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        listening.close()


@pytest.fixture
def api(world):
    """The address of a server in this process."""
    with served(world) as address:
        yield address


@pytest.fixture
def closed_address():
    """An address at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def _one_site(tmp_path_factory):
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


@pytest.fixture(scope="module")
def site(_one_site):
    """That address; what the server holds is what it held at first."""
    httpx.post(f"{_one_site}/scene/first", timeout=60, verify=False).raise_for_status()
    return _one_site
