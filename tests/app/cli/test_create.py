"""A Modelfile becomes a request; what it names goes up first."""

from __future__ import annotations

import hashlib
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.cli.create import Uploads, body_of, read_modelfile
from engine.api.show import modelfile_of
from engine.errors import ModelfileError
from engine.library.blobs import file_chunks
from engine.library.create import create
from engine.library.modelfile import Modelfile, parse_modelfile
from engine.library.store import Library
from engine.types import CreateRequest, Message
from tests.engine.library.tiny_llama import write_llama

GGUF = b"GGUF and more"


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def sent():
    return {}


@pytest.fixture
def body(tmp_path, sent):
    def make(parsed, **more):
        uploads = Uploads(lambda digest, path: sent.__setitem__(digest, path.read_bytes()), **more)
        return body_of("m", parsed, tmp_path, uploads)

    return make


def test_a_name_is_a_model_and_a_path_is_a_file(tmp_path, body, sent):
    (tmp_path / "a.gguf").write_bytes(GGUF)

    assert body(Modelfile(("llama3.2",))) == {"model": "m", "from": "llama3.2"}
    assert body(Modelfile(("./a.gguf",))) == {"model": "m", "files": {"a.gguf": digest_of(GGUF)}}
    assert sent == {digest_of(GGUF): GGUF}


def test_everything_that_is_said_goes_into_the_request(tmp_path, body):
    for name in ("a.gguf", "lora.gguf", "d.gguf"):
        (tmp_path / name).write_bytes(GGUF + name.encode())
    parsed = Modelfile(
        ("a.gguf",),
        adapters=("lora.gguf",),
        draft="d.gguf",
        template="{{ .Prompt }}",
        system="s",
        licenses=("l",),
        parameters={"top_k": 3},
        messages=(Message("user", "hi"),),
        renderer="r",
        parser="p",
        requires="0.14.0",
    )

    assert body(parsed) == {
        "model": "m",
        "files": {"a.gguf": digest_of(GGUF + b"a.gguf")},
        "adapters": {"lora.gguf": digest_of(GGUF + b"lora.gguf")},
        "draft_files": {"d.gguf": digest_of(GGUF + b"d.gguf")},
        "template": "{{ .Prompt }}",
        "system": "s",
        "license": ["l"],
        "parameters": {"top_k": 3},
        "messages": [{"role": "user", "content": "hi"}],
        "renderer": "r",
        "parser": "p",
        "requires": "0.14.0",
    }


def test_a_folder_gives_its_weights_and_what_belongs_to_them(tmp_path, body, sent):
    names = {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "1_Pooling/config.json",
    }
    (tmp_path / "1_Pooling").mkdir()
    for name in (*names, "README.md", "pytorch_model.bin"):
        (tmp_path / name).write_text(name)

    files = body(Modelfile((".",)))["files"]

    assert set(files) == names
    assert files["1_Pooling/config.json"] == digest_of(b"1_Pooling/config.json")
    assert set(sent) == set(files.values())


def test_gguf_files_can_be_linked_instead_of_sent(tmp_path, body, sent):
    (tmp_path / "a.gguf").write_bytes(GGUF)
    linked = {}

    body(Modelfile(("a.gguf",)), link=linked.__setitem__)

    assert linked == {digest_of(GGUF): tmp_path / "a.gguf"}
    assert sent == {}


@pytest.mark.parametrize(
    ("parsed", "told"),
    [
        (Modelfile(("./missing.gguf",)), "there is no such file"),
        (Modelfile(("missing.gguf",)), "there is no such file"),
        (Modelfile(("a", "b")), "several models: a, b"),
        (Modelfile(("a",), adapters=("./lora",)), "ADAPTER ./lora: there is no such file"),
        (Modelfile(("a",), draft="d.gguf"), "DRAFT d.gguf: there is no such file"),
        (Modelfile((".",)), "no safetensors or GGUF files"),
    ],
)
def test_what_is_not_there_is_named(body, parsed, told):
    with pytest.raises(ModelfileError, match=told):
        body(parsed)


def test_the_command_sends_files_then_the_request(server, quire, tmp_path):
    (tmp_path / "a.gguf").write_bytes(GGUF)
    (tmp_path / "Mine").write_text("FROM ./a.gguf\nSYSTEM Be kind.\n")
    server.steps = [{"status": "writing manifest"}, {"status": "success"}]

    done = quire("create", "m", "-f", str(tmp_path / "Mine"), "-q", "q4_K_M")

    assert done.stderr.splitlines() == ["writing manifest", "success"]
    assert server.blobs == {digest_of(GGUF): GGUF}
    assert server.bodies("/api/create") == [
        {
            "model": "m",
            "files": {"a.gguf": digest_of(GGUF)},
            "system": "Be kind.",
            "quantize": "q4_K_M",
        }
    ]


def test_a_modelfile_may_come_from_a_pipe(server, quire):
    quire("create", "m", "-f", "-", stdin="FROM base\nPARAMETER top_k 3\n")

    assert server.bodies("/api/create") == [
        {"model": "m", "from": "base", "parameters": {"top_k": 3}}
    ]


def test_a_linked_file_stays_where_it_is(server, quire, tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    file = write_llama(tmp_path / "a.gguf")
    (tmp_path / "Mine").write_text("FROM ./a.gguf\n")

    quire("create", "m", "--link", "-f", str(tmp_path / "Mine"))

    (digest,) = server.bodies("/api/create")[0]["files"].values()
    assert server.blobs == {}
    assert Library(tmp_path / "models").blob_path(digest).resolve() == file


def test_without_a_modelfile_the_folder_is_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelfileError, match="no Modelfile or safetensors files found"):
        read_modelfile("")
    (tmp_path / "model.safetensors").write_bytes(b"w")

    assert read_modelfile("") == (Modelfile((".",)), tmp_path)


def test_what_show_prints_makes_the_same_model_again(tmp_path):
    library = Library(tmp_path / "models")
    digests = [
        library.add_blob(file_chunks(write_llama(tmp_path / f"{n}.gguf", seed=n, **more)))[0]
        for n, more in ((1, {}), (2, {"general__type": "adapter"}), (3, {}))
    ]
    request = CreateRequest(
        "first",
        files={"a.gguf": digests[0]},
        adapters={"l.gguf": digests[1]},
        draft_files={"d.gguf": digests[2]},
        template='{{ if .System }}"{{ .System }}"\n{{ end }}{{ .Prompt }} ',
        system=' You are\n\n  "kind". \n',
        licenses=("free\nfor all\n", "MIT"),
        parameters={"temperature": 1.0, "top_p": 0.3, "stop": ["<|a|>", " b ", '"'], "seed": -1},
        messages=(Message("user", 'say "hi"'), Message("assistant", "hi\n")),
        renderer="r",
        parser="p",
        requires="0.14.0",
    )
    list(create(library, request))
    first = library.find("first")

    again = body_of(
        "again",
        parse_modelfile(modelfile_of(first)),
        tmp_path,
        Uploads(lambda digest, path: library.add_blob(file_chunks(path), digest)),
    )
    client = TestClient(api_of(library))
    reply = client.post("/api/create", json=json.loads(json.dumps(again)) | {"stream": False})

    assert reply.json() == {"status": "success"}
    assert library.manifest("again") == library.manifest("first")
    assert library.find("again").digest == first.digest


def api_of(library):
    from tests.engine.api.fakes_engine import FakeEngine, build_app

    app: FastAPI = build_app(FakeEngine(library))
    return app
