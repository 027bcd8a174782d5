"""Models travel to and from a real registry server on the loopback, over every kind of accident."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from engine.errors import LibraryError, ModelNameError, ModelNotFoundError, RegistryError
from engine.library import download as download_module
from engine.library.download import Patience
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type, render_manifest
from engine.library.registry import pull, push
from engine.library.store import Library

QUICK = Patience(n_tries=4, first_pause_s=0.01)


class Hub:
    """What the server holds, what it shall do wrong, and what it saw."""

    def __init__(self):
        self.manifests, self.blobs, self.uploads = {}, {}, {}
        self.requests = []  # (method, path, headers)
        self.cuts = []  # bytes after which the next blob answers break off
        self.has_ranges = True
        self.failures = []  # statuses of the next answers
        self.token = None
        self.blob_host = None  # where blob requests are redirected to
        self.port = 0

    def name(self, text="library/tiny:v1", scheme="http://"):
        return f"{scheme}127.0.0.1:{self.port}/{text}"

    def put(self, model, tag="v1"):
        """Offer a model; give the digest of its weights."""
        layers = []
        for data in (model, b'{"model_family":"llama"}'):
            digest = "sha256:" + sha256(data).hexdigest()
            self.blobs[digest] = data
            layers.append(Layer(layer_type("model"), digest, len(data)))
        config = Layer(CONFIG_TYPE, layers[1].digest, layers[1].size_bytes)
        self.manifests[tag] = render_manifest(config, layers[:1])
        return layers[0].digest


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def is_refused(self):
        hub = self.server.hub
        hub.requests.append((self.command, self.path, dict(self.headers)))
        if hub.failures:
            self.answer(hub.failures.pop(0), b"out of order")
            return True
        if self.path.startswith("/token"):
            self.answer(200, json.dumps({"token": hub.token}).encode())
            return True
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            realm = f"http://127.0.0.1:{hub.port}/token"
            challenge = f'Bearer realm="{realm}",service="hub",scope="repository:x:pull"'
            self.answer(401, WWW_Authenticate=challenge)
            return True
        return False

    def do_GET(self):
        hub, last = self.server.hub, self.path.rpartition("/")[2]
        if self.is_refused():
            return
        if "/manifests/" in self.path:
            self.answer(200 if last in hub.manifests else 404, hub.manifests.get(last, b""))
        elif last not in hub.blobs:
            self.answer(404)
        elif hub.blob_host:
            self.answer(307, Location=f"{hub.blob_host}/blobs/{last}")
        else:
            self.send_blob(hub, hub.blobs[last])

    do_HEAD = do_GET  # noqa: N815

    def send_blob(self, hub, data):
        start, asked = 0, self.headers.get("Range", "")
        if asked and hub.has_ranges:
            start = int(asked.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if hub.cuts:
            self.wfile.write(data[start : start + hub.cuts.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(data[start:])

    def do_POST(self):
        if not self.is_refused():
            self.server.hub.uploads["u1"] = b""
            self.answer(202, Location="/v2/library/tiny/blobs/uploads/u1?state=a")

    def do_PATCH(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_refused():
            self.server.hub.uploads["u1"] += body
            self.answer(202, Location="/v2/library/tiny/blobs/uploads/u1?state=b")

    def do_PUT(self):
        hub, body = self.server.hub, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.is_refused():
            return
        if "/manifests/" in self.path:
            hub.manifests[self.path.rpartition("/")[2]] = body
        else:
            digest = self.path.partition("digest=")[2].partition("&")[0].replace("%3A", ":")
            hub.blobs[digest] = hub.uploads.pop("u1")
        self.answer(201)


def serve(hub):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hub, hub.port = hub, server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    hub = Hub()
    with closing(serve(hub)) as server:
        server.close = lambda: (server.shutdown(), server.server_close())
        yield hub


@pytest.fixture
def weights(make_gguf):
    return make_gguf().read_bytes() + b"\0" * 300_000


def fetch(library, hub, **named):
    return list(pull(library, hub.name(), insecure=True, patience=QUICK, **named))


def files_of(library):
    return sorted(p.name for p in library.root.rglob("*") if p.is_file())


def test_a_pull_installs_the_same_bytes_and_tells_its_steps(library, hub, weights):
    digest = hub.put(weights)

    lines = fetch(library, hub)

    assert list(dict.fromkeys(line.status for line in lines))[:2] == [
        "pulling manifest",
        f"pulling {digest[7:19]}",
    ]
    assert [line.status for line in lines][-3:] == [
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    last = [line for line in lines if line.digest == digest][-1]
    assert (last.completed_bytes, last.total_bytes) == (len(weights), len(weights))
    assert library.manifest_bytes(hub.name()) == hub.manifests["v1"]
    assert library.blob_path(digest).read_bytes() == weights
    assert library.find(hub.name()).is_readable


def test_what_is_stored_is_not_fetched_again(library, hub, weights):
    digest = hub.put(weights)
    fetch(library, hub)
    hub.requests.clear()

    lines = fetch(library, hub)

    assert [path for _, path, _ in hub.requests] == ["/v2/library/tiny/manifests/v1"]
    assert [line.completed_bytes for line in lines if line.digest == digest] == [len(weights)]


def test_a_cut_connection_is_continued_where_it_broke(library, hub, weights):
    digest = hub.put(weights)
    hub.cuts = [100_000, 50_000]

    fetch(library, hub)

    ranges = [h.get("Range") for _, path, h in hub.requests if digest in path]
    assert ranges[0] is None
    assert all(asked.startswith("bytes=") for asked in ranges[1:])
    assert library.blob_path(digest).read_bytes() == weights


def test_a_server_without_ranges_is_asked_from_the_start(library, hub, weights):
    digest = hub.put(weights)
    hub.cuts, hub.has_ranges = [100_000], False

    fetch(library, hub)

    assert library.blob_path(digest).read_bytes() == weights


def test_a_pull_that_failed_is_continued_by_the_next(library, hub, weights):
    digest = hub.put(weights)
    hub.cuts = [100_000, 0, 0, 0, 0, 0]
    with pytest.raises(RegistryError, match="goes on from here"):
        fetch(library, hub)
    assert library.entries() == []
    hub.cuts, hub.requests = [], []

    fetch(library, hub)

    ranges = [h.get("Range") for _, path, h in hub.requests if digest in path]
    assert ranges == ["bytes=100000-"]
    assert library.blob_path(digest).read_bytes() == weights
    assert not [name for name in files_of(library) if name.endswith("-part")]


def test_a_pull_that_is_closed_can_be_continued(library, hub, weights):
    hub.put(weights)
    lines = pull(library, hub.name(), insecure=True, patience=QUICK)
    next(lines), next(lines)
    lines.close()

    assert fetch(library, hub)[-1].status == "success"


def test_other_bytes_than_promised_are_not_kept(library, hub, weights):
    digest = hub.put(weights)
    hub.blobs[digest] = b"x" * len(weights)

    with pytest.raises(RegistryError, match="digest mismatch, file must be downloaded again"):
        fetch(library, hub)

    assert files_of(library) == []


def test_more_bytes_than_promised_are_not_kept(library, hub, weights):
    digest = hub.put(weights)
    hub.blobs[digest] = weights + b"x"

    with pytest.raises(RegistryError, match="more than the"):
        fetch(library, hub)

    assert files_of(library) == []


def test_a_disk_without_room_leaves_the_store_as_it_was(library, hub, weights, monkeypatch):
    hub.put(weights)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: usage)

    with pytest.raises(LibraryError, match="no room"):
        fetch(library, hub)

    assert library.entries() == []
    assert sum(p.stat().st_size for p in library.root.rglob("*") if p.is_file()) == 0


def test_an_unknown_model_is_said_to_be_missing(library, hub):
    with pytest.raises(RegistryError, match="^pull model manifest: file does not exist$"):
        fetch(library, hub)

    assert not library.root.exists()


def test_a_missing_blob_is_said_to_be_missing(library, hub, weights):
    hub.blobs.pop(hub.put(weights))

    with pytest.raises(RegistryError, match="file does not exist"):
        fetch(library, hub)


@pytest.mark.parametrize("raw", [b"<html>", b"{}", b'{"config":{"mediaType":"a"}}'])
def test_a_manifest_that_is_none_is_refused(library, hub, raw):
    hub.manifests["v1"] = raw

    with pytest.raises(RegistryError, match="pull model manifest"):
        fetch(library, hub)


def test_passing_failures_are_tried_again(library, hub, weights):
    hub.put(weights)
    hub.failures = [503, 502]

    assert fetch(library, hub)[-1].status == "success"


def test_a_registry_that_stays_out_of_order_is_named(library, hub, weights):
    hub.put(weights)
    hub.failures = [503] * 9

    with pytest.raises(RegistryError, match="503: out of order"):
        fetch(library, hub)


def test_a_challenge_is_answered_with_a_token(library, hub, weights):
    hub.put(weights)
    hub.token = "t0ken"

    fetch(library, hub)

    asked = [path for _, path, _ in hub.requests if path.startswith("/token")]
    assert len(asked) == 1
    assert "service=hub" in asked[0]


def test_a_token_that_is_not_enough_is_a_refusal(library, hub, weights):
    hub.put(weights)
    hub.token = "t0ken"
    hub.failures = [401]

    with pytest.raises(RegistryError, match="unauthorized: access denied"):
        fetch(library, hub)


def test_a_redirect_is_followed_without_the_token(library, hub, weights):
    digest = hub.put(weights)
    other = Hub()
    other.blobs = hub.blobs
    hub.token = "t0ken"
    server = serve(other)
    try:
        hub.blob_host = f"http://localhost:{other.port}"
        fetch(library, hub)
    finally:
        server.shutdown()
        server.server_close()

    assert library.blob_path(digest).read_bytes() == weights
    assert all("Authorization" not in headers for _, _, headers in other.requests)


def test_plain_http_must_be_allowed(library, hub, weights):
    hub.put(weights)

    with pytest.raises(RegistryError, match="insecure protocol http"):
        list(pull(library, hub.name()))


def test_without_a_scheme_an_insecure_registry_may_speak_plain_http(library, hub, weights):
    hub.put(weights)

    lines = list(pull(library, hub.name(scheme=""), insecure=True, patience=QUICK))

    assert lines[-1].status == "success"


def test_a_bad_name_is_refused(library):
    with pytest.raises(ModelNameError, match="invalid model name"):
        list(pull(library, "../x"))


def test_a_new_version_replaces_the_old_one(library, hub, weights):
    old = hub.put(weights)
    fetch(library, hub)
    new = hub.put(weights + b"new")

    lines = fetch(library, hub)

    assert "removing unused layers" in [line.status for line in lines]
    assert (library.has_blob(old), library.has_blob(new)) == (False, True)


def test_two_pulls_at_once_share_one_download(library, hub, weights):
    digest = hub.put(weights * 20)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch(library, hub)[-1].status))
        for _ in range(3)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert results == ["success"] * 3
    assert len([path for _, path, _ in hub.requests if digest in path]) == 1


def test_a_pushed_model_can_be_pulled_elsewhere(library, hub, weights, tmp_path):
    hub.put(weights)
    fetch(library, hub)
    hub.manifests.clear()
    hub.blobs.clear()

    lines = list(push(library, hub.name(), insecure=True, patience=QUICK))

    assert [lines[0].status, lines[-2].status, lines[-1].status] == [
        "retrieving manifest",
        "pushing manifest",
        "success",
    ]
    other = Library(tmp_path / "other")
    assert fetch(other, hub)[-1].status == "success"
    assert other.find(hub.name()).digest == library.find(hub.name()).digest


def test_what_the_registry_has_is_not_pushed_again(library, hub, weights):
    hub.put(weights)
    fetch(library, hub)
    hub.requests.clear()

    list(push(library, hub.name(), insecure=True, patience=QUICK))

    assert {method for method, _, _ in hub.requests} == {"HEAD", "PUT"}


def test_a_model_that_is_not_installed_cannot_be_pushed(library):
    with pytest.raises(ModelNotFoundError, match="couldn't retrieve manifest"):
        list(push(library, "none"))
