"""The native routes about models on disk, on a real library."""

import json
from datetime import datetime

import pytest
from fastapi.testclient import TestClient

from engine.api.show import parameter_lines
from engine.library.create import create
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type
from engine.types import CreateRequest, Message
from tests.engine.api.fakes_engine import CHAT, EMBED, build_app, lines_of, write_gguf
from tests.engine.library.tiny_llama import write_llama

DIGEST = "sha256:" + "0" * 64


def test_tags_list_what_is_installed(client):
    models = client.get("/api/tags").json()["models"]

    assert {one["name"] for one in models} == {CHAT, EMBED}
    one = next(one for one in models if one["name"] == CHAT)
    assert one["model"] == CHAT
    assert len(one["digest"]) == 64
    assert one["size"] > 100
    assert datetime.fromisoformat(one["modified_at"]).tzinfo is not None
    assert one["details"]["format"] == "gguf"
    assert "completion" in one["capabilities"]
    assert client.head("/api/tags").status_code == 200


def test_an_empty_library_is_an_empty_list(client):
    for name in (CHAT, EMBED):
        client.request("DELETE", "/api/delete", json={"model": name})

    assert client.get("/api/tags").json() == {"models": []}
    assert client.get("/v1/models").json() == {"object": "list", "data": []}


@pytest.mark.parametrize("key", ["model", "name"])
def test_show_describes_a_model(client, key):
    shown = client.post("/api/show", json={key: "tiny"}).json()

    assert shown["license"] == "Apache-2.0"
    assert shown["system"] == "Be brief."
    assert shown["template"] == "{{ messages }}"
    assert shown["messages"][0] == {"role": "user", "content": "ping"}
    assert shown["details"]["format"] == "gguf"
    assert shown["model_info"]["general.architecture"] == "llama"
    assert shown["model_info"]["general.parameter_count"] == 32
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert shown["model_info"]["llama.odd"] is None
    assert "tokenizer.chat_template" not in shown["model_info"]
    assert shown["tensors"] == [{"name": "token_embd.weight", "type": "F32", "shape": [8, 4]}]
    assert shown["capabilities"] == ["completion"]
    assert f"{'temperature':<30} 0.5" in shown["parameters"].splitlines()
    assert f'{"stop":<30} "<end>"' in shown["parameters"].splitlines()
    assert f"{'num_ctx':<30} 256" in shown["parameters"].splitlines()
    assert "SYSTEM Be brief." in shown["modelfile"]
    assert "PARAMETER num_ctx 256" in shown["modelfile"]
    assert "modified_at" in shown


def test_show_is_long_when_asked(client):
    shown = client.post("/api/show", json={"model": CHAT, "verbose": True}).json()

    assert len(shown["model_info"]["tokenizer.ggml.tokens"]) == 20


def test_show_puts_the_requests_own_words_into_the_modelfile(client):
    asking = {"model": CHAT, "system": "Sing.", "options": {"num_ctx": 9}}

    shown = client.post("/api/show", json=asking).json()

    assert "SYSTEM Sing." in shown["modelfile"]
    assert "PARAMETER num_ctx 9" in shown["modelfile"]


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("show", {}, 400, "model is required"),
        ("show", {"model": "a b"}, 400, "invalid model name"),
        ("show", {"model": "no"}, 404, "model 'no:latest' not found"),
        ("delete", {}, 400, "model is required"),
        ("delete", {"model": "a b"}, 400, 'name "a b" is invalid'),
        ("delete", {"name": "no"}, 404, "model 'no' not found"),
        ("copy", {"source": "no", "destination": "b"}, 404, 'model "no" not found'),
        ("copy", {"source": "a b", "destination": "b"}, 400, 'source "a b" is invalid'),
        ("copy", {"source": CHAT, "destination": "/"}, 400, 'destination "/" is invalid'),
        ("pull", {}, 400, "invalid model name"),
        ("pull", {"model": "a b"}, 400, "invalid model name"),
        ("push", {}, 400, "model is required"),
        ("create", {}, 400, "invalid model name"),
        ("create", {"model": "n"}, 400, "neither 'from' or 'files' was specified"),
        ("create", {"model": "n", "files": {"../x": DIGEST}}, 400, "file path must be relative"),
        ("create", {"model": "n", "files": {"/x": DIGEST}}, 400, "file path must be relative"),
        ("create", {"model": "n", "files": {"x": "md5:1"}}, 400, "invalid digest format"),
        (
            "create",
            {"model": "n", "from": CHAT, "draft_quantize": "q8_0"},
            400,
            "--draft-quantize requires a DRAFT model",
        ),
        ("create", {"model": "n", "files": {}}, 400, "no files provided to convert"),
        ("create", {"model": "n", "from": "a b"}, 400, "invalid model name"),
        (
            "create",
            {"model": "n", "from": CHAT, "remote_host": "https://far.example"},
            400,
            "remote_host 'https://far.example': this engine runs models of its own machine only; "
            "create the model from a local one",
        ),
        (
            "create",
            {"model": "n", "from": CHAT, "requires": "new"},
            400,
            "requires must be a valid semver (e.g. 0.14.0)",
        ),
    ],
)
def test_wrong_requests_are_refused(client, path, body, status, text):
    method = "DELETE" if path == "delete" else "POST"

    reply = client.request(method, f"/api/{path}", json=body)

    assert (reply.status_code, reply.json()) == (status, {"error": text})


def test_copy_and_delete_answer_with_nothing(client, engine):
    copied = client.post("/api/copy", json={"source": "tiny", "destination": "Other:v1"})
    deleted = client.request("DELETE", "/api/delete", content=json.dumps({"model": "tiny"}))

    assert (copied.status_code, copied.content) == (200, b"")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert {one.name for one in engine.library.entries()} == {"Other:v1", EMBED}


def test_pull_streams_its_steps(client, asked):
    reply = client.post("/api/pull", json={"name": "m", "insecure": True})

    steps = lines_of(reply)
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert steps[0] == {"status": "pulling manifest"}
    assert steps[1] == {
        "status": "pulling aaaaaaaaaaaa",
        "digest": "sha256:" + "a" * 64,
        "total": 10,
    }
    assert steps[2]["completed"] == 10
    assert steps[-1] == {"status": "success"}
    assert asked == [("m", True)]


def test_pull_without_stream_says_success(client):
    reply = client.post("/api/pull", json={"model": "m", "stream": False})

    assert reply.json() == {"status": "success"}


def test_a_pull_that_fails_ends_with_an_error_line_or_status(client):
    text = "pull model manifest: file does not exist"

    streamed = client.post("/api/pull", json={"model": "missing"})
    whole = client.post("/api/pull", json={"model": "missing", "stream": False})

    assert lines_of(streamed)[-1] == {"error": text}
    assert (whole.status_code, whole.json()) == (500, {"error": text})


def test_create_passes_on_what_a_modelfile_says(client, asked):
    body = {
        "model": "mine",
        "from": CHAT,
        "system": "s",
        "template": None,
        "license": "MIT",
        "parameters": {"stop": ["a"]},
        "messages": [{"role": "user", "content": "hi"}],
    }

    steps = lines_of(client.post("/api/create", json=body))

    (wanted,) = asked
    assert steps[-1] == {"status": "success"}
    assert (wanted.model, wanted.from_model, wanted.files) == ("mine", CHAT, None)
    assert (wanted.system, wanted.template, wanted.licenses) == ("s", None, ("MIT",))
    assert wanted.parameters == {"stop": ["a"]}
    assert wanted.messages == (Message("user", "hi"),)


def test_a_file_that_is_no_gguf_is_the_clients_fault(client, engine):
    digest, _ = engine.library.add_blob([b"not a model"])
    body = {"model": "n", "files": {"a.gguf": digest}, "stream": False}

    with TestClient(build_app(engine)) as real:
        reply = real.post("/api/create", json=body)
        streamed = real.post("/api/create", json=body | {"stream": True})

    assert reply.status_code == 400
    assert "error" in lines_of(streamed)[-1]


def test_create_and_show_agree_on_a_real_library(client, engine):
    body = {"model": "mine", "from": CHAT, "system": "Sing.", "parameters": {"num_ctx": 64}}

    with TestClient(build_app(engine)) as real:
        steps = lines_of(real.post("/api/create", json=body))
        shown = real.post("/api/show", json={"model": "mine"}).json()

    assert steps[-1] == {"status": "success"}
    assert shown["system"] == "Sing."
    assert f"{'num_ctx':<30} 64" in shown["parameters"]
    assert f"{'temperature':<30} 0.5" in shown["parameters"]


def test_blobs_are_asked_for_by_digest(client, engine):
    stored = engine.library.find(CHAT).model_digest

    assert client.head(f"/api/blobs/{stored}").status_code == 200
    assert client.head(f"/api/blobs/{DIGEST}").status_code == 404
    assert client.head("/api/blobs/sha256:12").status_code == 400
    reply = client.post("/api/blobs/nonsense", content=b"x")
    assert (reply.status_code, reply.json()) == (400, {"error": "invalid digest format"})


def test_a_text_that_no_modelfile_can_hold_leaves_only_the_modelfile_out(client):
    reply = client.post("/api/show", json={"model": CHAT, "system": 'say """\nnow'})

    assert reply.status_code == 200
    assert "modelfile" not in reply.json()
    assert reply.json()["system"] == 'say """\nnow'


@pytest.mark.parametrize("key", ["quantize", "quantization"])
def test_an_unknown_quantization_lists_the_known_ones(client, key):
    reply = client.post("/api/create", json={"model": "n", "from": CHAT, key: "q9"})

    assert reply.status_code == 500
    text = reply.json()["error"]
    assert text.startswith("unsupported quantization type Q9 - supported types are F32, F16, ")


def test_a_template_that_does_not_parse_is_refused(client):
    body = {"model": "n", "from": CHAT, "template": "{{ if .System }}", "stream": False}

    reply = client.post("/api/create", json=body)

    assert reply.status_code == 400
    assert reply.json()["error"].startswith("template error: ")


def test_everything_that_a_create_request_says_is_passed_on(client, asked):
    body = {
        "model": "mine",
        "files": {"a.gguf": DIGEST},
        "adapters": {"lora.gguf": DIGEST},
        "draft_files": {"d.gguf": DIGEST},
        "quantize": "q4_K_M",
        "draft_quantize": "q8_0",
        "renderer": "r",
        "parser": "p",
        "requires": "0.14.0",
        "info": {"capabilities": ["tools"]},
        "stream": False,
    }

    reply = client.post("/api/create", json=body)

    (wanted,) = asked
    assert reply.json() == {"status": "success"}
    assert wanted.files == {"a.gguf": DIGEST}
    assert wanted.adapters == {"lora.gguf": DIGEST}
    assert wanted.draft_files == {"d.gguf": DIGEST}
    assert (wanted.quantize, wanted.draft_quantize) == ("q4_K_M", "q8_0")
    assert (wanted.renderer, wanted.parser, wanted.requires) == ("r", "p", "0.14.0")
    assert wanted.info == {"capabilities": ["tools"]}


def test_what_cannot_be_quantized_is_told_as_a_failure(client, engine, tmp_path):
    small = write_llama(tmp_path / "q8.gguf", file_type=7)
    digest, _ = engine.library.add_blob([small.read_bytes()])
    body = {"model": "n", "files": {"q8.gguf": digest}, "quantize": "q4_0"}

    with TestClient(build_app(engine)) as real:
        whole = real.post("/api/create", json=body | {"stream": False})
        streamed = real.post("/api/create", json=body)

    text = "quantization is only supported for F16, BF16 and F32 models"
    assert (whole.status_code, whole.json()) == (500, {"error": text})
    assert (streamed.status_code, lines_of(streamed)[-1]) == (200, {"error": text})


def install_part(engine, kind, architecture, folder):
    data = write_gguf(folder / f"{kind}.gguf", architecture, name=kind)
    digest, size = engine.library.add_blob([data])
    return Layer(layer_type(kind), digest, size)


def test_tags_tell_how_long_and_how_wide(client):
    models = client.get("/api/tags").json()["models"]

    assert {one["details"].get("context_length") for one in models} == {512}


def test_tags_tell_two_models_of_one_file_apart(client, engine):
    request = CreateRequest("short", from_model=CHAT, info={"context_length": 99})
    assert list(create(engine.library, request))[-1].status == "success"

    models = client.get("/api/tags").json()["models"]

    lengths = {one["name"]: one["details"]["context_length"] for one in models}
    assert sorted(lengths.values()) == [99, 512, 512]


def test_show_tells_what_else_a_model_is_made_of(client, engine, tmp_path):
    eye = install_part(engine, "projector", "clip", tmp_path)
    lora = install_part(engine, "adapter", "llama", tmp_path)
    draft = install_part(engine, "draft", "llama", tmp_path)
    (model,) = (one for one in engine.library.manifest_layers(CHAT) if one.kind == "model")
    config = json.dumps({"model_family": "llama", "requires": "0.14.0", "renderer": "r"})
    digest, size = engine.library.add_blob([config.encode()])
    engine.library.write_manifest(
        "whole", Layer(CONFIG_TYPE, digest, size), [model, eye, lora, draft]
    )

    shown = client.post("/api/show", json={"model": "whole"}).json()

    path = engine.library.blob_path
    commands = [line for line in shown["modelfile"].splitlines() if line and line[0] != "#"]
    assert commands == [
        f"FROM {path(model.digest)}",
        f"ADAPTER {path(lora.digest)}",
        f"DRAFT {path(draft.digest)}",
        f"FROM {path(eye.digest)}",
        "RENDERER r",
        "REQUIRES 0.14.0",
    ]
    assert shown["requires"] == "0.14.0"
    assert "vision" in shown["capabilities"]
    assert shown["projector_info"]["general.architecture"] == "clip"
    assert shown["projector_info"]["general.parameter_count"] == 32


def test_show_begins_the_modelfile_with_how_to_build_on_it(client):
    modelfile = client.post("/api/show", json={"model": CHAT}).json()["modelfile"]

    head, _, rest = modelfile.partition("\n\n")
    assert head.splitlines()[-1] == f"# FROM {CHAT}"
    assert len(head.splitlines()) == 3
    assert rest.startswith("FROM /")


def test_one_client_is_shown_the_name_that_it_asked_for(client):
    body = {"model": "tiny"}

    plain = client.post("/api/show", json=body).json()
    copilot = client.post("/api/show", json=body, headers={"user-agent": "GitHubCopilotChat/1.0"})

    assert "general.basename" not in plain["model_info"]
    assert copilot.json()["model_info"]["general.basename"] == "tiny"


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("<end>", '"<end>"'),
        ('say "x"\n', '"say \\"x\\"\\n"'),
        ("back\\slash", '"back\\\\slash"'),
        ("\x01\x7f", '"\\x01\\x7f"'),
        ("\u2028", '"\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("grüß", '"grüß"'),
    ],
)
def test_parameters_are_quoted_as_in_go(text, literal):
    assert parameter_lines({"stop": [text]}) == f"{'stop':<30} {literal}"
