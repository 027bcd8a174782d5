"""Models or another server's program in, listening servers out; starts and ends processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import starters

N_SLOTS = 16
N_CTX = 3072  # tokens of one request
EMBED_CTX = 512
START_S = 120.0
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared."""

    name: str
    chat_url: str
    embed_url: str
    embed_path: str
    pids: tuple[int, ...] = ()  # none = we did not start it

    @property
    def cpu_s(self):
        """Processor time that its processes have taken."""
        return sum(_cpu_s(pid) for pid in self.pids)


@dataclass(frozen=True, slots=True)
class Files:
    """Where the starter models lie."""

    models_dir: str
    chat: str
    embedding: str


def install(folder):
    """Install the starter models and tell where their GGUF files lie."""
    from engine.library.starters import CHAT_NAME, EMBEDDING_NAME

    library = starters.install(folder)
    chat, embedding = (str(library.find(one).model_path) for one in (CHAT_NAME, EMBEDDING_NAME))
    return Files(str(folder), chat, embedding)


@contextmanager
def our_side(files, home, *, more=(), env=None):
    """Serve the engine as users do."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "app.cli.main", "serve", "--port", url.rsplit(":", 1)[1]]
    settings = {
        "QUIRE_HOME": str(home),
        "OLLAMA_MODELS": files.models_dir,
        "OLLAMA_NUM_PARALLEL": str(N_SLOTS),
        "OLLAMA_CONTEXT_LENGTH": str(N_CTX),
        "OLLAMA_KEEP_ALIVE": "-1",
    }
    settings |= env or {}
    command += more or ("--engine-only",)
    with _running(command, url, {**os.environ, **settings}) as pid:  # noqa: TID251
        yield Side("ours", url, url, "/api/embed", (pid,))


@contextmanager
def peer_side(binary, files, env):
    """Serve the same files by llama-server: as many slots, the same contexts and threads.

    Args:
        env: the variables as the user set them, without what we set for ourselves.
    """
    from engine.runtime.runners import physical_cores

    n_threads = str(physical_cores())
    common = [binary, "--host", "127.0.0.1", "--no-ui", "-t", n_threads, "-tb", n_threads]
    chat = ["-m", files.chat, "-np", str(N_SLOTS), "-c", str(N_SLOTS * N_CTX)]
    embedding = ["-m", files.embedding, "--embedding", "--pooling", "mean", "-np", str(N_SLOTS)]
    embedding += ["-c", str(N_SLOTS * EMBED_CTX), "-b", "512", "-ub", "512"]
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    pids = []
    with ExitStack() as running:
        for url, model in zip(urls, (chat, embedding), strict=True):
            port = ["--port", url.rsplit(":", 1)[1]]
            pids.append(running.enter_context(_running([*common, *port, *model], url, env)))
        yield Side("llama-server", *urls, "/v1/embeddings", tuple(pids))


def other_side(url):
    """Name a llama-server that runs already; its embeddings come from a second one, if at all."""
    chat_url, _, embed_url = url.partition(",")
    return Side("llama-server", chat_url.rstrip("/"), embed_url.rstrip("/"), "/v1/embeddings")


def _cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as at:
        at.bind(("127.0.0.1", 0))
        return at.getsockname()[1]


@contextmanager
def _running(command, url, env):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=env, **quiet)
    try:
        _await(url, process)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url, process):
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with code {process.returncode}")
        try:
            if httpx.get(f"{url}/v1/models", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{process.args[0]} does not answer at {url} after {START_S:.0f} s")
