"""Blobs are sent in parts, continued after accidents, and never sent for nothing."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from hashlib import md5

import pytest

from engine.errors import LibraryError, RegistryError
from engine.library.registry import push
from engine.library.store import Library
from tests.engine.library.hub import PARTED, fetch


@pytest.fixture
def installed(library, hub, weights):
    """Install a model that the registry does not have; give its digest."""
    digest = hub.put(weights)
    fetch(library, hub)
    hub.manifests.clear()
    hub.blobs.clear()
    hub.requests.clear()
    return digest


def send(library, hub):
    return list(push(library, hub.name(), insecure=True, patience=PARTED))


def test_a_blob_is_sent_in_parts_that_follow_each_other(library, hub, weights, installed):
    lines = send(library, hub)

    size = -(-len(weights) // 4)
    firsts = range(0, len(weights), size)
    parts = [weights[first : first + size] for first in firsts]
    sent = hub.patches[:4]
    assert [extent for extent, _ in sent] == [
        f"{first}-{first + len(part) - 1}" for first, part in zip(firsts, parts, strict=True)
    ]
    sums = b"".join(md5(part).digest() for part in parts)
    assert hub.puts[installed]["etag"] == [f"{md5(sums).hexdigest()}-4"]
    assert hub.puts[installed]["state"] == ["b"]
    assert hub.blobs[installed] == weights
    assert {h["X-Redirect-Uploads"] for h in hub.asked("PATCH", "/uploads/")} == {"1"}
    counts = [line.completed_bytes for line in lines if line.digest == installed]
    assert counts == sorted(counts)
    assert counts[-1] == len(weights)


@pytest.mark.parametrize("taken", [0, 1, 20_000, 75_000])
def test_a_part_that_breaks_off_is_continued(library, hub, weights, installed, taken):
    hub.broken_patches = [taken]

    send(library, hub)

    assert hub.blobs[installed] == weights


def test_an_upload_that_keeps_breaking_is_named(library, hub, installed):
    hub.broken_patches = [0] * 50

    with pytest.raises(RegistryError, match="upload was interrupted"):
        send(library, hub)

    assert hub.manifests == {}


def test_parts_go_where_the_registry_redirects_them_without_the_token(
    library, hub, make_hub, weights, installed
):
    other = make_hub()
    hub.upload_host, hub.token = f"http://localhost:{other.port}", "t0ken"
    other.failures = [503]

    send(library, hub)

    arrived = [other.puts[f"/part/{number}"] for number in range(1, 5)]
    assert b"".join(arrived) == weights
    assert all("Authorization" not in headers for _, _, headers in other.requests)


def test_a_blob_of_another_repository_is_mounted(library, hub, installed):
    raw = json.loads(library.manifest_bytes(hub.name()))
    raw["layers"][0]["from"] = f"127.0.0.1:{hub.port}/library/base:v2"
    library.write_manifest_bytes(hub.name(), json.dumps(raw).encode())
    hub.can_mount = True

    send(library, hub)

    assert hub.blobs[installed] == b"mounted"
    asked = [path for method, path, _ in hub.requests if method == "POST"]
    assert "from=library%2Fbase" in asked[0]


def test_a_layer_from_another_registry_is_sent_whole(library, hub, weights, installed):
    raw = json.loads(library.manifest_bytes(hub.name()))
    raw["layers"][0]["from"] = "library/base:v2"
    library.write_manifest_bytes(hub.name(), json.dumps(raw).encode())
    hub.can_mount = True

    send(library, hub)

    assert hub.blobs[installed] == weights


def test_passing_failures_are_tried_again(library, hub, weights, installed):
    hub.failures = [503, 500, 429]

    send(library, hub)

    assert hub.blobs[installed] == weights


def test_a_refusal_is_told(library, hub, installed):
    hub.failures = [403]

    with pytest.raises(RegistryError, match="403: Forbidden"):
        send(library, hub)


def test_a_damaged_blob_is_not_sent(library, hub, installed):
    library.blob_path(installed).write_bytes(b"short")

    with pytest.raises(LibraryError, match="has 5 bytes instead of"):
        send(library, hub)

    assert hub.requests == []


def test_a_closed_push_stops(library, hub, installed):
    lines = push(library, hub.name(), insecure=True, patience=PARTED)
    next(line for line in lines if line.digest)

    with closing(lines):
        pass

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("transfer")]


def test_what_was_pushed_is_the_same_elsewhere(library, hub, installed, tmp_path):
    send(library, hub)

    other = Library(tmp_path / "other")
    fetch(other, hub)

    assert other.manifest_bytes(hub.name()) == library.manifest_bytes(hub.name())
