"""Models travel to and from a real registry server on the loopback, over every kind of accident."""

from __future__ import annotations

import gzip
import re
import threading
from unittest import mock

import pytest

from engine.errors import LibraryError, ModelNameError, ModelNotFoundError, RegistryError
from engine.library import download as download_module
from engine.library.registry import pull, push
from engine.library.store import Library
from tests.engine.library.hub import QUICK, Hub, fetch, files_of, serve


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

    ranges = hub.ranges(digest)
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

    assert hub.ranges(digest) == [f"bytes=100000-{len(weights) - 1}"]
    assert library.blob_path(digest).read_bytes() == weights
    assert not [name for name in files_of(library) if "-partial" in name]


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

    with pytest.raises(RegistryError, match="not the .* that the manifest promises"):
        fetch(library, hub)

    assert files_of(library) == []


def test_a_disk_without_room_leaves_the_store_as_it_was(library, hub, weights, monkeypatch):
    hub.put(weights)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: usage)

    with pytest.raises(LibraryError, match="no room"):
        fetch(library, hub)

    assert library.entries() == []
    files = {p.name: p.stat().st_size for p in library.root.rglob("*") if p.is_file()}
    assert {name: size for name, size in files.items() if size} == {".quire.lock": mock.ANY}


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
    assert "service=hub&scope=repository%3Ax%3Apull&scope=a%3Ab%3Ac&ts=" in asked[0]


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


def test_a_cloud_model_cannot_be_pulled(library, hub):
    with pytest.raises(RegistryError, match="pull model manifest: file does not exist"):
        list(pull(library, hub.name("library/big:120b-cloud"), insecure=True))

    assert hub.requests == []


def test_models_of_several_registries_lie_side_by_side(library, hub, make_hub, weights):
    other = make_hub()
    hub.put(weights)
    other.put(weights + b"other")

    fetch(library, hub)
    fetch(library, other)

    names = {f"127.0.0.1:{port}/library/tiny:v1" for port in (hub.port, other.port)}
    assert {entry.name for entry in library.entries()} == names


def test_a_proxy_of_the_environment_is_used(library, hub, weights, monkeypatch):
    hub.put(weights)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{hub.port}")

    lines = list(pull(library, "http://r.example/library/tiny:v1", insecure=True, patience=QUICK))

    assert lines[-1].status == "success"
    assert all(path.startswith("http://r.example/v2/") for _, path, _ in hub.requests)


def test_requests_say_who_asks_and_what_for(library, hub, weights):
    hub.put(weights)

    fetch(library, hub)

    [asked] = hub.asked("GET", "/manifests/")
    assert re.fullmatch(r"ollama/[\d.]+ \(\w+ \w+\) quire", asked["User-Agent"])
    assert asked["Accept"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_files_of_other_names_come_from_where_the_name_says(library, monkeypatch, hub, weights):
    hub.put(weights, "Q4_K_M")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{hub.port}")

    fetched = pull(library, "http://hf.co/user/repo:Q4_K_M", insecure=True, patience=QUICK)

    assert [line.status for line in fetched][-1] == "success"
    assert hub.requests[0][1] == "http://hf.co/v2/user/repo/manifests/Q4_K_M"
    assert library.entries()[0].name == "hf.co/user/repo:Q4_K_M"


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


def test_a_packed_answer_is_not_unpacked(library, hub, weights):
    hub.put(weights)
    hub.encoding = "gzip, gzip"
    hub.manifests["v1"] = gzip.compress(gzip.compress(hub.manifests["v1"]))  # or of gigabytes

    with pytest.raises(RegistryError, match="an answer comes as gzip, gzip"):
        fetch(library, hub)

    assert hub.asked("GET", "/manifests/")[0]["Accept-Encoding"] == "identity"
