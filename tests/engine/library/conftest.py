"""Small real GGUF files, a library in a temporary folder, a registry on the loopback."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

from engine.library.store import Library
from tests.engine.library.hub import Hub, serve


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "models")


@pytest.fixture
def make_gguf(tmp_path):
    """Give a function that writes a tiny GGUF file and returns its path."""

    def make(name="tiny.gguf", architecture="llama", **settings):
        path = tmp_path / name
        writer = gguf.GGUFWriter(path, architecture)
        writer.add_file_type(1)
        writer.add_context_length(128)
        writer.add_embedding_length(32)
        writer.add_token_list([f"token{number}" for number in range(20)])
        for key, value in settings.items():
            key = key.replace("__", ".")
            if isinstance(value, str):
                writer.add_string(key, value)
            elif isinstance(value, bool):
                writer.add_bool(key, value)
            else:
                writer.add_uint32(key, value)
        writer.add_tensor("token_embd.weight", np.ones((20, 32), dtype=np.float16))
        writer.add_tensor("output_norm.weight", np.ones(32, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return make


@pytest.fixture
def make_hub(monkeypatch):
    """Give a function that starts a registry."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    servers = []

    def make():
        hub = Hub()
        servers.append(serve(hub))
        return hub

    yield make
    for server in servers:
        server.hub.go_on.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def hub(make_hub):
    return make_hub()


@pytest.fixture
def weights(make_gguf):
    """Give a GGUF file of a little more than 300 kB."""
    return make_gguf().read_bytes() + bytes(range(256)) * 1200
