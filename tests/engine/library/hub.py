"""A small registry on the loopback that can be told what to do wrong, and remembers what it saw."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64decode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from engine.library.download import Patience
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type, render_manifest
from engine.library.partial import PartSizes
from engine.library.registry import pull

QUICK = Patience(n_tries=4, first_pause_s=0.01)
# A blob of 300 kB comes in four parts.
PARTED = Patience(n_tries=4, first_pause_s=0.01, sizes=PartSizes(4, 10_000, 1_000_000))
# The base64 of the hex SHA-256 of no bytes, as `printf "" | sha256sum` says it.
NOTHING = "ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NQ=="
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Hub:
    """What the server holds, what it shall do wrong, and what it saw."""

    def __init__(self):
        self.manifests, self.blobs, self.uploads = {}, {}, {}
        self.files, self.refusal = {}, None  # plain files; what is said instead of manifests
        self.requests = []  # (method, path, headers)
        self.cuts = []  # bytes after which the next blob answers break off
        self.n_silent = 0  # so many of the next blob answers stop in the middle, without a word
        self.go_on = threading.Event()  # what a silent one waits for
        self.has_ranges, self.content_range = True, None
        self.length = None  # what is claimed instead of a blob's length
        self.failures = []  # statuses of the next answers
        self.token, self.is_signed = None, False  # and whether getting it takes a signature
        self.realm = None
        self.blob_host = None  # where blob requests are redirected to
        self.refuses_head = False  # with 403
        self.encoding = None  # what manifests are said to be packed with
        self.upload_host = None  # where parts of uploads are redirected to
        self.broken_patches = []  # bytes that the next PATCH takes before the connection breaks
        self.patches = []  # (Content-Range, bytes)
        self.can_mount, self.puts, self.lock = False, {}, threading.Lock()
        self.port = 0

    def name(self, text="library/tiny:v1", scheme="http://"):
        return f"{scheme}127.0.0.1:{self.port}/{text}"

    def put(self, model, tag="v1", *, size=None):
        """Offer a model; give the digest of its weights."""
        layers = []
        for data in (model, b'{"model_family":"llama"}'):
            digest = "sha256:" + sha256(data).hexdigest()
            self.blobs[digest] = data
            layers.append(Layer(layer_type("model"), digest, len(data)))
        config = Layer(CONFIG_TYPE, layers[1].digest, layers[1].size_bytes)
        weights = Layer(layers[0].media_type, layers[0].digest, size or layers[0].size_bytes)
        self.manifests[tag] = render_manifest(config, [weights])
        return layers[0].digest

    def asked(self, method, text):
        """List the headers of the requests of a method whose path holds a text."""
        return [h for verb, path, h in self.requests if verb == method and text in path]

    def ranges(self, digest):
        """List the ranges that were asked for, without the question whether there are any."""
        found = [headers.get("Range") for headers in self.asked("GET", digest)]
        return [text for text in found if text != "bytes=0-0"]


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
        with hub.lock:
            failure = hub.failures.pop(0) if hub.failures else None
        if failure is not None:
            self.answer(failure, b"out of order")
            return True
        if self.path.startswith("/token"):
            self.give_token(hub)
            return True
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            realm = hub.realm or f"http://127.0.0.1:{hub.port}/token"
            challenge = f'Bearer realm="{realm}",service="hub",scope="repository:x:pull a:b:c"'
            self.answer(401, WWW_Authenticate=challenge)
            return True
        return False

    def give_token(self, hub):
        if hub.is_signed and not self.has_signature(hub):
            self.answer(401, b"who are you?")
        else:
            self.answer(200, json.dumps({"token": hub.token}).encode())

    def has_signature(self, hub):
        public, _, signed = self.headers.get("Authorization", "").partition(":")
        url = f"http://127.0.0.1:{hub.port}{self.path}"
        try:
            key = load_ssh_public_key(f"ssh-ed25519 {public}".encode())
            key.verify(b64decode(signed), f"GET,{url},{NOTHING}".encode())
        except (ValueError, InvalidSignature):
            return False
        return True

    def do_GET(self):
        hub, last = self.server.hub, self.path.rpartition("/")[2]
        if self.is_refused():
            return
        if (path := urlsplit(self.path).path) in hub.files:
            self.send_blob(hub, hub.files[path])
        elif "/manifests/" in self.path and hub.refusal:
            self.answer(400, hub.refusal)
        elif "/manifests/" in self.path:
            packed = {"Content_Encoding": hub.encoding} if hub.encoding else {}
            status = 200 if last in hub.manifests else 404
            self.answer(status, hub.manifests.get(last, b""), **packed)
        elif "/uploads/" in self.path:
            self.tell_upload(hub)
        elif last not in hub.blobs:
            self.answer(404)
        elif hub.blob_host:
            self.answer(307, Location=f"{hub.blob_host}/blobs/{last}")
        else:
            self.send_blob(hub, hub.blobs[last])

    def do_HEAD(self):
        if self.server.hub.refuses_head:
            self.answer(403)
        else:
            self.do_GET()

    def send_blob(self, hub, data):
        first, end = 0, len(data)
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if asked and hub.has_ranges:
            first, end = int(asked[1]), min(end, int(asked[2] or end - 1) + 1)
        is_part = bool(asked and hub.has_ranges)
        self.send_response(206 if is_part else 200)
        self.send_header("Content-Length", str(hub.length or end - first))
        if is_part:
            extent = hub.content_range or f"bytes {first}-{end - 1}/{len(data)}"
            self.send_header("Content-Range", extent)
        self.end_headers()
        if self.command == "HEAD":
            return
        is_question = self.headers.get("Range") == "bytes=0-0"
        with hub.lock:
            cut = hub.cuts.pop(0) if hub.cuts and not is_question else None
            is_silent = hub.n_silent > 0 and not is_question
            hub.n_silent -= is_silent
        body = data[first:end]
        if is_silent:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            hub.go_on.wait(30)
        elif cut is None:
            self.wfile.write(body)
            return
        else:
            self.wfile.write(body[:cut])
        self.close_connection = True

    def tell_upload(self, hub):
        n_sent = len(hub.uploads.get("u1", b""))
        self.answer(204, Range=f"0-{max(0, n_sent - 1)}", Location=self.path)

    def do_POST(self):
        hub = self.server.hub
        if self.is_refused():
            return
        digest = parse_qs(urlsplit(self.path).query).get("mount", [""])[0]
        if digest and hub.can_mount:
            hub.blobs[digest] = b"mounted"
            self.answer(201)
            return
        hub.uploads["u1"] = b""
        self.answer(202, Location="/v2/library/tiny/blobs/uploads/u1?state=a")

    def do_PATCH(self):
        hub, n_bytes = self.server.hub, int(self.headers["Content-Length"])
        if hub.broken_patches:
            taken = hub.broken_patches.pop(0)
            hub.uploads["u1"] += self.rfile.read(taken)
            self.close_connection = True
            return
        body = self.rfile.read(n_bytes)
        if self.is_refused():
            return
        hub.patches.append((self.headers["Content-Range"], body))
        place = "/v2/library/tiny/blobs/uploads/u1?state=b"
        if hub.upload_host:
            target = f"{hub.upload_host}/part/{len(hub.patches)}"
            self.answer(307, Location=target, Docker_Upload_Location=place)
            return
        hub.uploads["u1"] += body
        self.answer(202, Location=place)

    def do_PUT(self):
        hub, body = self.server.hub, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.is_refused():
            return
        url = urlsplit(self.path)
        if "/manifests/" in url.path:
            hub.manifests[url.path.rpartition("/")[2]] = body
        elif url.path.startswith("/part/"):
            hub.puts[url.path] = body
        else:
            query = parse_qs(url.query)
            digest = query["digest"][0]
            if digest != "sha256:" + sha256(hub.uploads["u1"]).hexdigest() and not hub.upload_host:
                self.answer(400, b"digest invalid")
                return
            hub.blobs[digest] = hub.uploads.pop("u1")
            hub.puts[digest] = query
        self.answer(201)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of clients that go away."""


def serve(hub):
    server = _Server(("127.0.0.1", 0), Handler)
    server.hub, hub.port = hub, server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def fetch(library, hub, patience=QUICK, **named):
    return list(pull(library, hub.name(), insecure=True, patience=patience, **named))


def files_of(library):
    """List the files of a store, but for its lock."""
    found = sorted(p.name for p in library.root.rglob("*") if p.is_file())
    return [name for name in found if name != ".quire.lock"]
