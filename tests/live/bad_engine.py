"""A real engine process, and models put into its folder behind its back."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import httpx

from tests.engine.runtime import tiny_models
from tests.live.conftest import Quire

HEALTHY = "healthy:latest"


class EngineProcess(Quire):
    """`quire serve --engine-only` in a home of its own."""

    def __init__(self, home: Path, models: Path, **variables: str) -> None:
        super().__init__(home, models, "serve", "--engine-only")
        self.models = models
        self._env |= variables

    def _is_ready(self, address: Path) -> bool:
        found = re.findall(r"engine at (http\S+),", self.output())
        if not found:
            return False
        self.url = found[-1]
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def start(self) -> httpx.Client:
        (self.home / "output.log").unlink(missing_ok=True)
        return super().start()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


def write_tiny(folder: Path) -> dict[str, Path]:
    """Write one valid model of each kind."""
    made = {f"{arch}": folder / f"{arch}.gguf" for arch in ("llama", "qwen2vl", "qwen3")}
    for arch, path in made.items():
        tiny_models.write_chat(path, arch=arch)
    made["bert"] = tiny_models.write_bert(folder / "bert.gguf")
    made["reranker"] = tiny_models.write_reranker(folder / "reranker.gguf")
    return made


def install(client: httpx.Client, name: str, path: Path) -> None:
    """Install a valid model as a client does."""
    data = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert client.post(f"/api/blobs/{digest}", content=data).status_code in (200, 201)
    body = {"model": name, "files": {path.name: digest}, "stream": False}
    answer = client.post("/api/create", json=body)
    assert answer.status_code == 200, answer.text


def smuggle(models: Path, like: str, name: str, data: bytes, *, n_zeros: int = 0) -> str:
    """Put a file into the models folder under a new name, described as another model is.

    Args:
        n_zeros: how many bytes follow the data; they take no room on the disk.
    Returns:
        the file's digest.
    """
    manifests = models / "manifests" / "registry.ollama.ai" / "library"
    manifest = json.loads((manifests / like / "latest").read_text(encoding="utf-8"))
    digest = hashlib.sha256(data + str(n_zeros).encode() * bool(n_zeros)).hexdigest()
    blob = models / "blobs" / f"sha256-{digest}"
    with blob.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + n_zeros)
    for layer in manifest["layers"]:
        if layer["mediaType"] == "application/vnd.ollama.image.model":
            layer["digest"], layer["size"] = f"sha256:{digest}", len(data) + n_zeros
    target = manifests / name / "latest"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(manifest), encoding="utf-8")
    return f"sha256:{digest}"


def remove(models: Path, name: str, digest: str) -> None:
    """Take such a model away again."""
    shutil.rmtree(models / "manifests" / "registry.ollama.ai" / "library" / name)
    (models / "blobs" / digest.replace(":", "-")).unlink(missing_ok=True)
