"""Ollama's contract on a real server: tags, show, create, blobs, copy, delete, pull (7 to 11)."""

import json
from datetime import datetime
from hashlib import sha256

import httpx
import pytest

from tests.engine.library.hub import Hub, serve
from tests.engine.runtime.tiny_models import write_bert, write_chat, write_lora
from tests.live.clients import CHAT, EMBED, TOOLS
from tests.live.contract import lines_of, make, make_from_files, refusal, upload

TINY = "tiny:latest"
ABSENT = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def api(client_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_from_files(client, TINY, write_chat(folder / "tiny.gguf"))
        yield client


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    hub = Hub()
    server = serve(hub)
    yield hub
    server.shutdown()
    server.server_close()


def show(api, model, **more):
    return api.post("/api/show", json={"model": model} | more).json()


def delete(api, model):
    return api.request("DELETE", "/api/delete", json={"model": model})


# What is listed and shown.


def test_models_are_listed_newest_first_with_all_there_is_to_tell(api):
    make(api, "newest")

    models = api.get("/api/tags").json()["models"]

    assert models[0]["name"] == "newest:latest"
    times = [datetime.fromisoformat(one["modified_at"]) for one in models]
    assert times == sorted(times, reverse=True)
    for one in models:
        assert {"name", "model", "modified_at", "size", "digest", "details"} <= set(one)
        assert one["name"] == one["model"]
        assert len(one["digest"]) == 64
    (chat,) = (one for one in models if one["name"] == CHAT)
    assert (chat["details"]["context_length"], chat["details"]["embedding_length"]) == (8192, 576)
    assert chat["size"] > 90_000_000
    assert chat["capabilities"] == ["completion"]


@pytest.mark.parametrize(
    ("model", "abilities"),
    [(CHAT, ["completion"]), (EMBED, ["embedding"]), (TOOLS, ["completion", "tools"])],
)
def test_show_tells_what_a_model_is_and_can_do(api, model, abilities):
    shown = show(api, model)

    assert shown["capabilities"] == abilities
    assert shown["model_info"]["general.parameter_count"] > 0
    assert not {"general.name", "tokenizer.chat_template"} & set(shown["model_info"])
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert shown["tensors"][0].keys() == {"name", "type", "shape"}
    assert datetime.fromisoformat(shown["modified_at"]).tzinfo


def test_show_gives_long_lists_when_asked(api):
    found = show(api, TINY, verbose=True)["model_info"]["tokenizer.ggml.tokens"]

    assert len(found) > 300


def test_what_show_prints_makes_the_same_model_again(api):
    fields = {"system": 'Say "hi".\nNow.', "parameters": {"stop": ["<a>", "b c "], "top_k": 3}}
    make(api, "whole", **{"from": TINY}, template="{{ .Prompt }}", license="MIT", **fields)

    shown = show(api, "whole")

    commands = [line for line in shown["modelfile"].splitlines() if not line.startswith("#")][1:]
    assert commands[0].startswith("FROM /")
    assert commands[1:] == [
        "TEMPLATE {{ .Prompt }}",
        'SYSTEM """Say "hi".',
        'Now."""',
        "PARAMETER stop <a>",
        'PARAMETER stop "b c "',
        "PARAMETER top_k 3",
        "LICENSE MIT",
    ]
    assert shown["modelfile"].splitlines()[2] == "# FROM whole:latest"
    assert set(shown["parameters"].splitlines()) == {
        f'{"stop":<30} "<a>"', f'{"stop":<30} "b c "', f"{'top_k':<30} 3",
    }  # fmt: skip


def test_show_shows_the_requests_own_words(api):
    asked = {"system": "Sing.", "template": "<{{ .Prompt }}>", "options": {"num_ctx": 9}}

    modelfile = show(api, TINY, **asked)["modelfile"]

    for line in ("SYSTEM Sing.", "TEMPLATE <{{ .Prompt }}>", "PARAMETER num_ctx 9"):
        assert line in modelfile.splitlines()


# Create.


def test_create_tells_its_steps(api, tmp_path):
    digest = upload(api, write_chat(tmp_path / "new.gguf", seed=9))
    body = {"model": "stepwise", "files": {"new.gguf": digest}, "system": "Unheard of so far."}

    steps = [line["status"] for line in lines_of(api.post("/api/create", json=body))]

    assert steps[0] == "parsing GGUF"
    assert steps[-2:] == ["writing manifest", "success"]
    assert all(step.startswith(("using existing layer sha256:", "creating new layer sha256:"))
               for step in steps[1:-2])  # fmt: skip
    assert any(step.startswith("creating") for step in steps)


def test_a_child_keeps_what_it_does_not_replace(api):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    make(api, "parent", **{"from": TINY}, template="{{ .Prompt }}!", system="old", license=["one"],
         parameters={"top_k": 3, "stop": "x"}, messages=turns, requires="0.14.0")  # fmt: skip

    make(api, "child", **{"from": "parent"}, system="new", license="two",
         parameters={"stop": ["y", "z"]})  # fmt: skip
    make(api, "orphan", **{"from": "parent"}, messages=turns[:1])

    child = show(api, "child")
    assert (child["system"], child["template"]) == ("new", "{{ .Prompt }}!")
    assert child["license"] == "one\ntwo"
    assert child["messages"] == turns
    assert child["requires"] == "0.14.0"
    assert f"{'top_k':<30} 3" in child["parameters"]
    assert '"y"' in child["parameters"]
    assert '"x"' not in child["parameters"]
    assert show(api, "orphan")["messages"] == turns[:1]


def test_rebuilding_from_files_starts_clean(api, tmp_path):
    path = write_chat(tmp_path / "again.gguf", seed=11)
    digest = upload(api, path)
    body = {"model": "again", "files": {"again.gguf": digest}, "stream": False}

    first = api.post("/api/create", json=body | {"system": "old"})
    assert first.json() == {"status": "success"}
    assert show(api, "again")["system"] == "old"
    digest = upload(api, path)
    assert api.post("/api/create", json=body).json() == {"status": "success"}

    assert "system" not in show(api, "again")


def test_an_adapter_is_laid_over_a_model(api, tmp_path):
    digest = upload(api, write_lora(tmp_path / "lora.gguf"))

    assert make(api, "tuned", **{"from": TINY}, adapters={"lora.gguf": digest}).status_code == 200

    assert "ADAPTER /" in show(api, "tuned")["modelfile"]
    plain, tuned = (
        api.post("/api/generate", json={"model": name, "prompt": "ab", "raw": True, "stream": False,
                                        "options": {"temperature": 0, "num_predict": 12}}).json()
        for name in (TINY, "tuned")
    )  # fmt: skip
    assert tuned["response"] != plain["response"]


def test_a_vector_model_is_told_by_its_pooling(api, tmp_path):
    make_from_files(api, "vectors", write_bert(tmp_path / "bert.gguf"))

    assert show(api, "vectors")["capabilities"] == ["embedding"]


FILES = {"a.gguf": ABSENT}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "neither 'from' or 'files' was specified"),
        ({"files": {}}, 400, "no files provided to convert"),
        ({"files": {"/a.gguf": ABSENT}}, 400, "file path must be relative"),
        ({"files": {"../a.gguf": ABSENT}}, 400, "file path must be relative"),
        ({"files": {"a.gguf": "sha256:1"}}, 400, "invalid digest format"),
        ({"from": TINY, "template": "{{ if }}"}, 400, "template error: "),
        ({"from": TINY, "draft_quantize": "q8_0"}, 400, "--draft-quantize requires a DRAFT model"),
        ({"from": TINY, "requires": "new"}, 400, "requires must be a valid semver (e.g. 0.14.0)"),
        ({"from": TINY, "info": {"capabilities": 5}}, 400, "info "),
        ({"from": CHAT, "quantize": "q8_0"}, 500, "quantization is only supported for F16, "),
        ({"from": TINY, "quantize": "q9"}, 500, "unsupported quantization type Q9 - supported "),
        ({"from": TINY, "quantization": "x"}, 500, "unsupported quantization type X - supported "),
        ({"from": TINY, "parameters": {"top_k": "x"}}, 500, 'option "top_k" must be of type'),
    ],
)
def test_what_create_refuses_it_refuses_in_ollamas_words(api, body, status, text):
    found = refusal(api.post("/api/create", json={"model": "no", "stream": False} | body))

    assert found[0] == status
    assert found[1].startswith(text)


def test_a_file_of_another_kind_is_refused(api, tmp_path):
    (tmp_path / "a.gguf").write_text("not a model")
    digest = upload(api, tmp_path / "a.gguf")

    wrong = api.post("/api/create", json={"model": "n", "files": {"a.gguf": digest},
                                          "stream": False})  # fmt: skip
    digest = upload(api, tmp_path / "a.gguf")
    other = api.post("/api/create", json={"model": "n", "files": {"a.txt": digest},
                                          "stream": False})  # fmt: skip

    for reply, text in ((wrong, "supplied file was not in GGUF format"), (other, "unknown type")):
        assert refusal(reply)[0] == 400
        assert refusal(reply)[1].startswith(text)


# Blobs, copies, deletion.


def test_a_blob_is_stored_once_and_checked(api):
    data = b"some bytes that nobody has"
    digest = "sha256:" + sha256(data).hexdigest()
    path = f"/api/blobs/{digest}"

    statuses = [
        api.head(path).status_code,
        api.post(path, content=data).status_code,
        api.post(path, content=b"ignored").status_code,
        api.head(path).status_code,
        api.head(path.replace(":", "-")).status_code,
    ]
    wrong = api.post(f"/api/blobs/{ABSENT}", content=data)

    assert statuses == [404, 201, 200, 200, 200]
    text = f'digest mismatch, expected "{ABSENT}", got "{digest}"'
    assert refusal(wrong) == (400, text)
    for bad in ("sha256:12", "md5:" + "0" * 64, "sha256:" + "g" * 64):
        assert refusal(api.post(f"/api/blobs/{bad}")) == (400, "invalid digest format")
        assert api.head(f"/api/blobs/{bad}").status_code == 400


def test_copies_and_deletions_are_answered_with_nothing(api):
    copied = api.post("/api/copy", json={"source": TINY, "destination": "me/Second:v1"})
    names = {one["name"] for one in api.get("/api/tags").json()["models"]}
    deleted = delete(api, "ME/second:V1")

    assert (copied.status_code, copied.content) == (200, b"")
    assert "me/Second:v1" in names
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert show(api, TINY)["details"]["family"] == "llama"  # the shared file is still there
    assert refusal(delete(api, "me/second:v1")) == (404, "model 'me/second:v1' not found")


def test_deleting_the_last_user_of_a_file_deletes_the_file(api, tmp_path):
    path = write_chat(tmp_path / "sole.gguf", seed=21)
    make_from_files(api, "sole", path)
    blob = f"/api/blobs/sha256:{sha256(path.read_bytes()).hexdigest()}"
    assert api.head(blob).status_code == 200

    delete(api, "sole")

    assert api.head(blob).status_code == 404


# Pulling and pushing.


def test_a_pull_tells_its_steps_and_installs_the_registrys_bytes(api, hub, tmp_path):
    weights = write_chat(tmp_path / "far.gguf", seed=31).read_bytes()
    digest = hub.put(weights)
    name = hub.name(scheme="")

    steps = lines_of(api.post("/api/pull", json={"name": name, "insecure": True}))
    again = lines_of(api.post("/api/pull", json={"model": name, "insecure": True}))

    assert steps[0] == {"status": "pulling manifest"}
    layer = [one for one in steps if one.get("digest") == digest]
    assert {one["status"] for one in layer} == {f"pulling {digest[7:19]}"}
    assert layer[-1]["completed"] == layer[-1]["total"] == len(weights)
    assert all(one.get("completed", 1) for one in steps)  # nothing yet is not said
    assert [one["status"] for one in steps[-3:]] == [
        "verifying sha256 digest", "writing manifest", "success",
    ]  # fmt: skip
    assert [one["completed"] for one in again if one.get("digest") == digest] == [len(weights)]
    (listed,) = (one for one in api.get("/api/tags").json()["models"] if one["name"] == name)
    assert listed["digest"] == sha256(hub.manifests["v1"]).hexdigest()
    delete(api, name)


def test_a_pull_of_nothing_is_an_error(api, hub):
    body = {"model": hub.name("library/none:v1", scheme=""), "insecure": True}
    text = "pull model manifest: file does not exist"

    streamed = lines_of(api.post("/api/pull", json=body))
    whole = api.post("/api/pull", json=body | {"stream": False})

    assert streamed[-1] == {"error": text}
    assert refusal(whole) == (500, text)


def test_plain_http_is_spoken_only_to_whom_it_is_allowed(api, hub):
    status, text = refusal(api.post("/api/pull", json={"model": hub.name(), "stream": False}))

    assert status == 500
    assert "insecure protocol http" in text
    assert hub.requests == []


def test_a_push_tells_its_steps_and_sends_the_manifest_last(api, hub):
    name = hub.name("library/tiny:v2", scheme="")
    assert api.post("/api/copy", json={"source": TINY, "destination": name}).status_code == 200

    steps = lines_of(api.post("/api/push", json={"model": name, "insecure": True}))

    assert steps[0] == {"status": "retrieving manifest"}
    assert [one["status"] for one in steps[-2:]] == ["pushing manifest", "success"]
    sent = [one for one in steps if one["status"].startswith("pushing ") and "digest" in one]
    assert all(one["status"] == f"pushing {one['digest'][7:19]}" for one in sent)
    manifest = json.loads(hub.manifests["v2"])
    assert {layer["digest"] for layer in manifest["layers"]} <= set(hub.blobs)
    assert [method for method, path, _ in hub.requests if "/manifests/" in path] == ["PUT"]
    delete(api, name)


def test_what_is_not_installed_cannot_be_pushed(api):
    assert lines_of(api.post("/api/push", json={"name": "none"}))[-1] == {
        "error": "couldn't retrieve manifest"
    }
    assert refusal(api.post("/api/push", json={})) == (400, "model is required")
