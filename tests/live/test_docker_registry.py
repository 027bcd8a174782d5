"""A model travels through a real registry, Debian's docker-registry, and comes back the same."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import replace

import httpx
import pytest

from engine.config import EngineSettings
from engine.engine import Engine
from engine.errors import ModelNotFoundError, RegistryError
from engine.library.download import Patience
from engine.library.partial import PartSizes
from engine.library.registry import pull, push
from engine.library.store import Library
from engine.types import Final, GenerateRequest

CONFIG = """
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: 127.0.0.1:{port}}}
"""
SMALL_PARTS = Patience(first_pause_s=0.05, sizes=PartSizes(6, 1_000_000, 20_000_000))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Give the address of a registry that runs for these tests."""
    binary = shutil.which("docker-registry") or shutil.which("registry")
    if binary is None:
        pytest.skip("NOT TESTED: a real registry; install docker-registry (Debian) to test it")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder / "data", port=port), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, "serve", str(config)], stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/v2/", process, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url, process, log):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if httpx.get(url, trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.05)
    pytest.fail(f"no answer from the registry within 30 s:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture
def library(tmp_path, starter_models, monkeypatch):
    """Give a library that sees the starter models without owning them."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Library(tmp_path / "models", [starter_models])


@pytest.mark.parametrize("patience", [Patience(), SMALL_PARTS], ids=["whole", "parts"])
def test_a_model_comes_back_the_same_and_answers(library, registry, tmp_path, patience):
    name = f"{registry}/me/tiny-{patience.sizes.n_parts}:v1"
    library.copy("smollm2:135m", name)
    sent = library.manifest_bytes(name)

    pushed = [line.status for line in push(library, name, insecure=True, patience=patience)]
    library.delete(name)
    with pytest.raises(ModelNotFoundError):
        library.find(name)
    other = Library(tmp_path / "other")
    pulled = list(pull(other, name, insecure=True, patience=patience))

    assert pushed[0] == "retrieving manifest"
    assert pushed[-2:] == ["pushing manifest", "success"]
    assert pulled[0].status == "pulling manifest"
    assert [line.status for line in pulled[-3:]] == [
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    assert other.manifest_bytes(name) == sent
    for layer in other.manifest(name).all_layers:
        assert (
            other.blob_path(layer.digest).read_bytes()
            == library.blob_path(layer.digest).read_bytes()
        )
    settings = EngineSettings(models_dir=other.root, n_ctx=256, n_parallel=1)
    with Engine(settings) as engine:
        request = GenerateRequest(name, "Rain is", options={"num_predict": 4, "temperature": 0})
        *_, last = engine.generate(request)
    assert isinstance(last, Final)


def test_what_the_registry_has_is_not_sent_again(library, registry):
    name = f"{registry}/me/again:v1"
    library.copy("smollm2:135m", name)
    list(push(library, name, insecure=True))

    lines = list(push(library, name, insecure=True))

    counts = {}
    for line in lines:
        if line.digest:
            counts.setdefault(line.digest, []).append((line.completed_bytes, line.total_bytes))
    assert all(len(seen) == 1 and seen[0][0] == seen[0][1] for seen in counts.values())


def test_a_pull_that_was_closed_goes_on(library, registry, tmp_path):
    name = f"{registry}/me/closed:v1"
    library.copy("smollm2:135m", name)
    list(push(library, name, insecure=True))
    other = Library(tmp_path / "other")
    slow = replace(SMALL_PARTS, note_every_s=0)
    lines = pull(other, name, insecure=True, patience=slow)
    next(line for line in lines if line.completed_bytes)
    lines.close()

    list(pull(other, name, insecure=True, patience=slow))

    other.check(name)
    assert not list(other.blobs.folder.glob("*-partial*"))


def test_what_the_registry_lacks_is_said(library, registry):
    with pytest.raises(RegistryError, match="^pull model manifest: file does not exist$"):
        list(pull(library, f"{registry}/me/none:v1", insecure=True))
