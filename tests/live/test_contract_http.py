"""Ollama's contract on a real server: routes, bodies, framing, names (its sections 1 and 2)."""

import json
import re
from datetime import datetime

import httpx
import pytest

from tests.live.clients import CHAT, EMBED, HELLO
from tests.live.contract import GREEDY, lines_of, refusal

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z")
ABSENT = "sha256:" + "0" * 64
NOWHERE = {"name": "none:8b-cloud"}  # what no registry has, known without asking one


@pytest.fixture(scope="module")
def api(client_server):
    with httpx.Client(base_url=client_server, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[(method, path) for path in ("/api/version", "/api/tags") for method in ("HEAD", "GET")],
        ("GET", "/api/status"),
        ("GET", "/api/ps"),
        *[("POST", f"/api/{verb}") for verb in ("show", "create", "copy", "pull", "push")],
        *[("POST", f"/api/{verb}") for verb in ("generate", "chat", "embed", "embeddings")],
        ("DELETE", "/api/delete"),
        ("HEAD", "/api/blobs/sha256:0"),
        ("POST", f"/api/blobs/{ABSENT}"),
        ("POST", "/api/me"),
        ("POST", "/api/signout"),
        ("DELETE", "/api/user/keys/k"),
        ("POST", "/api/experimental/web_search"),
        ("POST", "/api/experimental/web_fetch"),
        ("GET", "/api/experimental/model-recommendations"),
        *[("POST", f"/v1/{verb}") for verb in ("chat/completions", "completions", "embeddings")],
        *[("POST", f"/v1/{verb}") for verb in ("responses", "audio/transcriptions", "messages")],
        ("GET", "/v1/models"),
        ("GET", f"/v1/models/{CHAT}"),
    ],
)
def test_every_route_is_there(api, method, path):
    reply = api.request(method, path, **({} if method in ("HEAD", "GET") else {"json": {}}))

    assert reply.status_code != 405
    assert "page not found" not in reply.text
    if method == "GET" and "experimental" not in path:
        assert reply.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/none", 404),
        ("POST", "/v1/images/generations", 404),
        ("GET", "/api/chat", 405),
        ("POST", "/api/tags", 405),
        ("POST", "/api/delete", 405),
        ("PUT", "/v1/models", 405),
    ],
)
def test_what_is_not_there_is_said_plainly(api, method, path, status):
    reply = api.request(method, path)

    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/plain")


def test_each_line_of_a_stream_is_one_compact_object(api):
    body = {"model": CHAT, "prompt": "Say <b> & hello.", "options": GREEDY}

    reply = api.post("/api/generate", json=body)

    *lines, rest = reply.content.split(b"\n")
    assert rest == b""
    for line in lines:
        compact = json.dumps(json.loads(line), separators=(",", ":"), ensure_ascii=False)
        assert line.decode() == compact


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("generate", {"model": CHAT, "prompt": "hi", "options": GREEDY}),
        ("chat", {"model": CHAT, "messages": HELLO, "options": GREEDY}),
        ("create", {"model": "contract-copy", "from": CHAT}),
        ("pull", NOWHERE),
        ("push", NOWHERE),
    ],
)
def test_native_routes_stream_unless_told_otherwise(api, path, body):
    streamed = api.post(f"/api/{path}", json=body)
    whole = api.post(f"/api/{path}", json=body | {"stream": False})

    last = lines_of(streamed)[-1]
    assert streamed.status_code == 200
    assert last.get("done") or last.get("status") == "success" or "error" in last
    assert whole.headers["content-type"] == "application/json; charset=utf-8"
    assert (whole.status_code >= 400) == ("error" in last)


def test_the_v1_routes_do_not_stream_unless_told(api):
    asked = {"model": CHAT, "max_tokens": 2}
    for path, more in (
        ("chat/completions", {"messages": HELLO}),
        ("completions", {"prompt": "hi"}),
        ("responses", {"input": "hi", "max_output_tokens": 2}),
        ("messages", {"messages": HELLO}),
    ):
        reply = api.post(f"/v1/{path}", json=asked | more)
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"].startswith("application/json")


def test_times_are_rfc_3339_and_durations_whole_nanoseconds(api):
    body = {"model": CHAT, "prompt": "hi", "stream": False, "options": GREEDY}

    reply = api.post("/api/generate", json=body).json()
    listed = api.get("/api/tags").json()["models"]

    assert UTC_TIME.fullmatch(reply["created_at"])
    durations = [reply[name] for name in reply if name.endswith("_duration")]
    assert len(durations) >= 3
    assert all(type(one) is int and one > 0 for one in durations)
    assert reply["total_duration"] >= reply["eval_duration"]
    assert all(datetime.fromisoformat(one["modified_at"]).tzinfo for one in listed)


def test_unknown_fields_and_those_of_old_clients_are_ignored(api):
    gone = {"width": 64, "height": 64, "steps": 4, "future": {"a": [1]}}

    body = {"model": CHAT, "prompt": "hi", "stream": False, "options": GREEDY}
    reply = api.post("/api/generate", json=body | gone)

    assert reply.status_code == 200
    assert reply.json()["done_reason"] in ("stop", "length")


def zstd_frame(data):
    """Frame bytes as zstd does, uncompressed: one raw block that is also the last.

    Source: RFC 8878, sections 3.1.1.1 and 3.1.1.2.
    """
    assert len(data) < 256
    header = b"\x28\xb5\x2f\xfd" + b"\x20" + bytes([len(data)])  # single segment, size in a byte
    return header + (len(data) << 3 | 1).to_bytes(3, "little") + data


def test_a_body_compressed_with_zstd_is_read(api):
    body = {"model": CHAT, "input": "hi", "max_output_tokens": 2}
    headers = {"content-encoding": "zstd", "content-type": "application/json"}

    reply = api.post(
        "/v1/responses", content=zstd_frame(json.dumps(body).encode()), headers=headers
    )

    assert reply.status_code == 200, reply.text
    assert reply.json()["object"] == "response"


# Names.


@pytest.mark.parametrize(
    "name",
    [
        CHAT,
        "SmolLM2:135M",
        "library/smollm2:135m",
        "registry.ollama.ai/library/smollm2:135m",
        "https://registry.ollama.ai/library/smollm2:135m",
        "smollm2:135m:local",
    ],
)
def test_one_model_has_many_spellings_and_the_answer_repeats_the_clients(api, name):
    reply = api.post("/api/generate", json={"model": name})

    assert reply.status_code == 200, reply.text
    assert (reply.json()["model"], reply.json()["done_reason"]) == (name, "load")


def test_a_name_is_shown_short_with_its_tag(api):
    names = {one["name"] for one in api.get("/api/tags").json()["models"]}

    assert {CHAT, EMBED} <= names
    assert all(":" in name and not name.startswith("registry.") for name in names)


BOTH = 'use either :local or :cloud, not both: "m:cloud:local"'
INVALID = (400, "invalid model name")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("generate", {"model": "m:cloud", "prompt": "x"}, (404, "model 'm:cloud' not found")),
        ("chat", {"model": "m:8b-cloud"}, (404, "model 'm:8b-cloud' not found")),
        ("generate", {"model": "m:cloud:local"}, (400, BOTH)),
        ("show", {"model": "m:cloud:local"}, (400, BOTH)),
        ("generate", {"model": "Mine"}, (404, "model 'Mine' not found")),
        ("generate", {"model": "m@sha256:1"}, INVALID),
        ("generate", {"model": "x" * 81}, INVALID),
        ("generate", {"model": "me.x/m"}, INVALID),
        ("chat", {"model": "a/../b"}, INVALID),
        ("embed", {"model": "m:"}, INVALID),
        ("embeddings", {"model": "/m"}, INVALID),
        ("embeddings", {"model": "no"}, (404, 'model "no" not found, try pulling it first')),
        ("show", {"name": "a//b"}, INVALID),
        ("show", {"model": "No"}, (404, "model 'No:latest' not found")),
        ("push", {"model": "a b"}, INVALID),
        ("push", {"model": "no", "stream": False}, (404, "couldn't retrieve manifest")),
        ("pull", {"name": "a b"}, INVALID),
        ("create", {"model": "a b", "from": CHAT}, INVALID),
        ("copy", {"source": CHAT, "destination": "a:"}, (400, 'destination "a:" is invalid')),
    ],
)
def test_each_endpoint_has_its_words_for_a_wrong_name(api, path, body, expected):
    assert refusal(api.post(f"/api/{path}", json=body)) == expected


def test_a_model_that_is_not_there_is_pulled_by_create(api):
    body = {"model": "contract-new", "from": NOWHERE["name"], "stream": False}

    status, text = refusal(api.post("/api/create", json=body))

    assert status == 500
    assert text.startswith("pull model manifest: file does not exist")
