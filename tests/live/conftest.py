"""A real `quire` process in a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

START_S = 90


class Quire:
    """One server process; it can be killed and started again over the same home."""

    def __init__(self, home: Path, models: Path, verb: str = "serve", *flags: str) -> None:
        self.home = home
        self._command = [sys.executable, "-m", "app.cli.main", verb, "--port", "0", *flags]
        self._env = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},  # noqa: TID251
            "HOME": str(home.parent),
            "QUIRE_HOME": str(home),
            "QUIRE_OFFLINE": "1",
            "OLLAMA_MODELS": str(models),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._clients: list[httpx.Client] = []

    def start(self) -> httpx.Client:
        """Start the process; return a client once it is ready."""
        address = self.home / "server.url"
        address.unlink(missing_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                pytest.fail(
                    f"quire ended with {self._process.returncode}:\n{self.output()[-2000:]}"
                )
            if self._is_ready(address):
                self._clients.append(httpx.Client(base_url=self.url, timeout=120))
                return self._clients[-1]
            time.sleep(0.1)
        pytest.fail(f"quire is not ready after {START_S} s:\n{self.output()[-2000:]}")

    def _is_ready(self, address: Path) -> bool:
        if not address.exists():
            return False
        self.url = address.read_text(encoding="utf-8").split()[0].rstrip("/")
        try:
            # Without certificates: reading them takes more than the rest of a look.
            return httpx.get(f"{self.url}/readyz", timeout=5, verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, how: signal.Signals) -> int:
        """Send a signal; return the exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(60)

    def output(self) -> str:
        """Return what the process said."""
        return (self.home / "output.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End the process if it still runs."""
        for client in self._clients:
            client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)


@pytest.fixture
def quire(tmp_path, starter_models):
    """Make `quire(verb, *flags)` processes; they end with the test."""
    made = []

    def make(verb="serve", *flags):
        process = Quire(tmp_path / "home" / "quire", starter_models, verb, *flags)
        made.append(process)
        return process

    yield make
    for process in made:
        process.stop()


@contextmanager
def one_quire(home: Path, models: Path, verb: str, *flags: str) -> Iterator[Quire]:
    """Make a process that several tests share; the developer's own variables stay out of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):  # noqa: TID251
            if name.startswith(("QUIRE_", "OLLAMA_")):
                patch.delenv(name)
        process = Quire(home, models, verb, *flags)
    try:
        yield process
    finally:
        process.stop()


def finished(client: httpx.Client, job_id: str, patience_s: float = 120) -> dict:
    """Wait for a job."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        job = client.get(f"/kb/jobs/{job_id}").json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"job {job_id} is not finished: {job}")


def settled(client: httpx.Client, patience_s: float = 120) -> None:
    """Wait until no job is queued or running."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        jobs = client.get("/kb/status").json()["jobs"]
        if not jobs["queued"] and not jobs["running"]:
            return
        time.sleep(0.1)
    raise AssertionError(f"jobs do not end: {jobs}")


def all_documents(client: httpx.Client, collection: str) -> list[dict]:
    """List a collection."""
    params = {"collection": collection, "limit": 1000}
    return client.get("/kb/documents", params=params).json()["documents"]


@pytest.fixture(scope="session")
def client_server(starter_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose models may be changed, one of which calls tools."""
    from engine.config import EngineSettings
    from engine.engine import Engine
    from tests.engine.api.fakes_engine import build_app, served
    from tests.live.clients import CHAT, EXAMPLES, TEMPLATE, TOOLS

    folder = tmp_path_factory.mktemp("clients") / "models"
    shutil.copytree(starter_models, folder, copy_function=os.link)
    settings = EngineSettings(models_dir=folder, keep_alive_s=-1, n_ctx=2048, n_parallel=4)
    with Engine(settings) as engine, served(build_app(engine)) as url:
        body = {"model": TOOLS, "from": CHAT, "template": TEMPLATE, "messages": EXAMPLES}
        reply = httpx.post(f"{url}/api/create", json=body | {"stream": False}, timeout=60)
        assert reply.status_code == 200, reply.text
        yield url
