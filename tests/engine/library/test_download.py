"""Large blobs come in parts, over every kind of accident, and never leave a broken store."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from hashlib import sha256

import pytest

from engine.errors import LibraryError, RegistryError
from engine.library import partial as partial_module
from engine.library.download import Fetch, _fetch
from engine.library.jobs import Job
from engine.library.manifest import Layer
from engine.library.partial import Partial
from engine.library.registry import pull
from tests.engine.library.hub import PARTED, QUICK, fetch, files_of

IMPATIENT = replace(PARTED, silence_s=0.3)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def partials(library):
    return [name for name in files_of(library) if "-partial" in name]


def leave_partial(library, digest, parts, data):
    """Leave what an interrupted Ollama leaves: a sparse file and notes."""
    path = library.blobs.partial_path(digest)
    path.parent.mkdir(parents=True)
    sparse = bytearray(len(data))
    for number, (offset, size, completed) in enumerate(parts):
        sparse[offset : offset + completed] = data[offset : offset + completed]
        note = {"N": number, "Offset": offset, "Size": size, "Completed": completed}
        path.with_name(f"{path.name}-{number}").write_text(json.dumps(note), encoding="utf-8")
    path.write_bytes(sparse)


def test_a_large_blob_comes_in_parts(library, hub, weights):
    digest = hub.put(weights)

    lines = fetch(library, hub, PARTED)

    size = -(-len(weights) // 4)
    firsts = range(0, len(weights), size)
    expected = [f"bytes={first}-{min(first + size, len(weights)) - 1}" for first in firsts]
    assert sorted(hub.ranges(digest)) == sorted(expected)
    assert library.blob_path(digest).read_bytes() == weights
    assert partials(library) == []
    counts = [line.completed_bytes for line in lines if line.digest == digest]
    assert counts == sorted(counts)
    assert counts[-1] == len(weights)


def test_parts_that_break_off_are_continued_each(library, hub, weights):
    digest = hub.put(weights)
    hub.cuts = [1000, 2000, 50_000, 0, 7]

    fetch(library, hub, PARTED)

    assert len(hub.ranges(digest)) == 9
    assert library.blob_path(digest).read_bytes() == weights


def test_a_server_without_ranges_sends_one_stream(library, hub, weights):
    digest = hub.put(weights)
    hub.has_ranges = False

    fetch(library, hub, PARTED)

    assert hub.ranges(digest) == [None]
    assert library.blob_path(digest).read_bytes() == weights


def test_what_ollama_left_is_continued(library, hub, weights):
    digest, half = hub.put(weights), 150_000
    rest = len(weights) - half
    leave_partial(library, digest, [(0, half, half), (half, rest, 20_000)], weights)

    fetch(library, hub, PARTED)

    assert hub.ranges(digest) == [f"bytes={half + 20_000}-{len(weights) - 1}"]
    assert library.blob_path(digest).read_bytes() == weights
    assert partials(library) == []


def test_what_we_leave_is_what_ollama_reads(library, hub, weights):
    digest = hub.put(weights)
    hub.cuts = [0] * 4 + [0] * 20

    with pytest.raises(RegistryError, match="goes on from here"):
        fetch(library, hub, PARTED)

    path = library.blobs.partial_path(digest)
    notes = [json.loads(path.with_name(f"{path.name}-{n}").read_bytes()) for n in range(4)]
    size = -(-len(weights) // 4)
    assert [sorted(note) for note in notes] == [["Completed", "N", "Offset", "Size"]] * 4
    assert [note["Offset"] for note in notes] == [0, size, 2 * size, 3 * size]
    assert sum(note["Size"] for note in notes) == path.stat().st_size == len(weights)


@pytest.mark.parametrize(
    "parts",
    [
        [(0, 100, 50)],  # not all of it
        [(0, 150_000, 9), (150_001, 5, 0)],  # a gap
        [(0, 10**9, 0)],  # too much
    ],
)
def test_leftovers_that_do_not_fit_count_for_nothing(library, hub, weights, parts):
    digest = hub.put(weights)
    leave_partial(library, digest, parts, weights)

    fetch(library, hub, PARTED)

    assert library.blob_path(digest).read_bytes() == weights
    assert partials(library) == []


def test_leftovers_without_their_bytes_count_for_nothing(library, hub, weights):
    digest = hub.put(weights)
    leave_partial(library, digest, [(0, len(weights), 200_000)], weights)
    library.blobs.partial_path(digest).write_bytes(b"short")

    fetch(library, hub, PARTED)

    assert library.blob_path(digest).read_bytes() == weights


def test_continuing_with_a_server_without_ranges_starts_anew(library, hub, weights):
    digest = hub.put(weights)
    leave_partial(library, digest, [(0, len(weights), 200_000)], weights)
    hub.has_ranges = False

    fetch(library, hub, PARTED)

    assert hub.ranges(digest) == [None]
    assert library.blob_path(digest).read_bytes() == weights


@pytest.mark.parametrize(
    "extent", ["bytes 5-9/10", "bytes 0-1/300000", "bytes */5", "nonsense", "items 0-1/2"]
)
def test_other_ranges_than_asked_for_are_refused(library, hub, weights, extent):
    hub.put(weights)
    hub.content_range = extent

    with pytest.raises(RegistryError, match="asked for bytes .* the server sends"):
        fetch(library, hub, PARTED)

    assert library.entries() == []


@pytest.mark.parametrize("patience", [QUICK, PARTED], ids=["whole", "parts"])
def test_a_corrupted_blob_is_not_kept_and_can_be_fetched_again(library, hub, weights, patience):
    digest = hub.put(weights)
    hub.blobs[digest] = b"x" * len(weights)

    with pytest.raises(RegistryError, match="digest mismatch, file must be downloaded again: want"):
        fetch(library, hub, patience)
    assert files_of(library) == []
    hub.blobs[digest] = weights

    assert fetch(library, hub, patience)[-1].status == "success"


@pytest.mark.parametrize("patience", [QUICK, PARTED], ids=["whole", "parts"])
@pytest.mark.parametrize("length", [10**15, 5])
def test_another_length_than_promised_is_refused(library, hub, weights, patience, length):
    hub.put(weights)
    hub.length = length

    with pytest.raises(RegistryError, match="that the manifest promises"):
        fetch(library, hub, patience)

    assert library.entries() == []


def test_a_manifest_with_a_wrong_size_does_not_harm_the_stored_blob(library, hub, weights):
    digest = hub.put(weights)
    fetch(library, hub)
    hub.put(weights, size=5)

    with pytest.raises(RegistryError, match="not the 5 that the manifest promises"):
        fetch(library, hub)

    assert library.blob_path(digest).read_bytes() == weights
    assert library.find(hub.name()).is_readable


def test_a_stored_blob_that_was_cut_short_is_fetched_again(library, hub, weights):
    digest = hub.put(weights)
    fetch(library, hub)
    library.blob_path(digest).write_bytes(weights[:1000])

    fetch(library, hub)

    assert library.blob_path(digest).read_bytes() == weights


def test_a_promise_that_no_disk_holds_is_refused(library, hub, weights):
    hub.put(weights, size=2**60)

    with pytest.raises(RegistryError, match="manifest cannot be read: a layer has the size"):
        fetch(library, hub)


def test_a_silent_part_is_asked_for_again(library, hub, weights):
    digest = hub.put(weights)
    hub.n_silent = 2

    fetch(library, hub, IMPATIENT)

    assert len(hub.ranges(digest)) == 6
    assert library.blob_path(digest).read_bytes() == weights


def test_a_redirect_is_resolved_once_and_gets_no_token(library, hub, make_hub, weights):
    digest, other = hub.put(weights), make_hub()
    other.blobs = hub.blobs
    hub.token = "t0ken"
    hub.blob_host = f"http://localhost:{other.port}"

    fetch(library, hub, PARTED)

    assert library.blob_path(digest).read_bytes() == weights
    assert len(other.ranges(digest)) == 4
    assert all("Authorization" not in headers for _, _, headers in other.requests)
    asked = [headers.get("Range") for headers in hub.asked("GET", digest) if headers]
    assert set(asked) == {"bytes=0-0"}


def test_a_redirect_that_expires_is_asked_for_anew(library, hub, make_hub, weights):
    digest, other = hub.put(weights), make_hub()
    other.blobs = hub.blobs
    hub.blob_host = f"http://localhost:{other.port}"
    lines = pull(library, hub.name(), insecure=True, patience=PARTED)
    other.n_silent, other.failures = 4, []
    with closing(lines):
        next(line for line in lines if line.completed_bytes)
        other.failures = [403] * 4
        other.go_on.set()

        assert [line.status for line in lines][-1] == "success"

    assert library.blob_path(digest).read_bytes() == weights


def test_a_redirect_in_a_circle_ends(library, hub, weights):
    digest = hub.put(weights)
    hub.blob_host = f"http://127.0.0.1:{hub.port}"

    with pytest.raises(RegistryError, match="redirect"):
        fetch(library, hub, PARTED)

    assert len(hub.asked("HEAD", digest)) <= 4 * 11


def test_an_impossible_redirect_is_a_failure_not_a_crash(library, hub, weights):
    hub.put(weights)
    hub.blob_host = "gopher://[bad"

    with pytest.raises(RegistryError):
        fetch(library, hub, PARTED)


def test_a_full_disk_leaves_the_store_as_it_was(library, hub, weights, monkeypatch):
    hub.put(weights)
    written = []

    def pwrite(number, data, position):
        if len(written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(position)
        return real(number, data, position)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)

    with pytest.raises(LibraryError, match="No space left on device; free space and try again"):
        fetch(library, hub, PARTED)

    assert files_of(library) == []


def test_a_closed_pull_stops_at_once_and_can_be_continued(library, hub, weights):
    digest = hub.put(weights)
    hub.n_silent = 4
    lines = pull(library, hub.name(), insecure=True, patience=PARTED)
    next(line for line in lines if line.completed_bytes >= len(weights) // 2)
    began = time.monotonic()

    lines.close()

    assert time.monotonic() - began < 5  # though the server says nothing for 30 s
    assert library.entries() == []
    assert len(partials(library)) == 5
    hub.requests.clear()
    fetch(library, hub, PARTED)
    size = -(-len(weights) // 4)
    starts = [int(text.removeprefix("bytes=").split("-")[0]) for text in hub.ranges(digest)]
    assert len(starts) == 4
    assert all(start % size for start in starts)  # none from its part's beginning
    assert library.blob_path(digest).read_bytes() == weights


def test_a_download_goes_on_until_its_last_client_leaves(library, hub, weights):
    digest = hub.put(weights)
    hub.n_silent = 4
    first = pull(library, hub.name(), insecure=True, patience=PARTED)
    next(line for line in first if line.completed_bytes)
    second = pull(library, hub.name(), insecure=True, patience=PARTED)
    next(line for line in second if line.completed_bytes)

    first.close()
    hub.go_on.set()

    assert [line.status for line in second][-1] == "success"
    assert library.blob_path(digest).read_bytes() == weights
    assert len(hub.asked("HEAD", digest)) == 1


CHILD = """
import sys
from pathlib import Path
from engine.library.registry import pull
from engine.library.store import Library
from tests.engine.library.hub import PARTED
from dataclasses import replace
for line in pull(
    Library(Path(sys.argv[1])), sys.argv[2], insecure=True, patience=replace(PARTED, note_every_s=0)
):
    print(line.status, line.completed_bytes, flush=True)
"""


def child(library, hub):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(library.root), hub.name()],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},  # noqa: TID251
    )


def test_a_killed_process_is_continued_by_the_next(library, hub, weights):
    digest = hub.put(weights)
    hub.n_silent = 4
    with child(library, hub) as process:
        for line in process.stdout:
            if int(line.split()[-1]) >= len(weights) // 2:
                break
        process.send_signal(signal.SIGKILL)
    assert library.entries() == []
    hub.requests.clear()

    fetch(library, hub, PARTED)

    size = -(-len(weights) // 4)
    starts = [int(text.removeprefix("bytes=").split("-")[0]) for text in hub.ranges(digest)]
    assert all(start % size for start in starts)
    assert library.blob_path(digest).read_bytes() == weights
    assert partials(library) == []


def test_two_processes_share_one_download(library, hub, weights):
    digest = hub.put(weights)
    hub.n_silent = 4
    with child(library, hub) as process:
        wait_for(lambda: len(hub.ranges(digest)) == 4)
        results = []
        thread = threading.Thread(
            target=lambda: results.append(fetch(library, hub, PARTED)[-1].status)
        )
        thread.start()
        wait_for(lambda: len(hub.asked("GET", "/manifests/")) == 2)
        hub.go_on.set()
        thread.join(30)
        said = process.stdout.read()

    assert results == ["success"]
    assert said.splitlines()[-1] == "success 0"
    assert len(hub.ranges(digest)) == 8  # each part once broken off, once continued
    assert library.blob_path(digest).read_bytes() == weights


def test_bytes_after_a_discard_go_nowhere(tmp_path):
    path = tmp_path / ("sha256-" + "a" * 64 + "-partial")
    with path.open("w+b") as file:
        partial = Partial(path, file, 10)
        partial.load(PARTED.sizes)
        partial.discard()

        partial.write(partial.parts[0], b"abc")
        partial.note(partial.parts[0])

    assert list(tmp_path.iterdir()) == []


def test_an_empty_blob_is_a_blob(library, hub, weights):
    digest = "sha256:" + sha256(b"").hexdigest()
    hub.put(weights)
    hub.blobs[digest] = b""
    layer = json.loads(hub.manifests["v1"])
    layer["layers"].append(
        {"mediaType": "application/vnd.ollama.image.license", "digest": digest, "size": 0}
    )
    hub.manifests["v1"] = json.dumps(layer).encode()

    fetch(library, hub, PARTED)

    assert library.blob_path(digest).read_bytes() == b""


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "sha256-" + "a/" * 32])
def test_a_digest_that_leads_elsewhere_is_refused(library, hub, digest):
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": 3}
    hub.manifests["v1"] = json.dumps({"config": layer, "layers": [layer]}).encode()

    with pytest.raises(RegistryError, match="invalid digest format"):
        fetch(library, hub)

    assert not library.root.exists()


def test_a_manifest_without_end_is_refused(library, hub):
    hub.manifests["v1"] = b" " * (9 * 1024 * 1024)

    with pytest.raises(RegistryError, match="more than 8,388,608 bytes"):
        fetch(library, hub)


def test_a_storage_that_answers_only_get_is_enough(library, hub, make_hub, weights):
    storage, digest = make_hub(), hub.put(weights)
    storage.blobs, storage.refuses_head = hub.blobs, True  # as addresses signed for GET do
    hub.blob_host = f"http://127.0.0.1:{storage.port}"

    fetch(library, hub, PARTED)

    assert len(storage.ranges(digest)) == 4
    assert library.blob_path(digest).read_bytes() == weights


class LateJob(Job):
    """Looks for the first time just when another process has finished the download."""

    def __init__(self, finish):
        super().__init__()
        self._finish = finish

    @property
    def is_stopped(self):
        self._finish()
        return super().is_stopped


def test_a_blob_that_another_process_has_just_finished_is_not_fetched_again(library, weights):
    digest = f"sha256:{sha256(weights).hexdigest()}"
    layer = Layer("x", digest, len(weights))

    job = LateJob(lambda: library.add_blob([weights]))

    _fetch(Fetch(library.blobs, None, layer, QUICK), job)  # there is no source to ask

    assert library.blob_path(digest).read_bytes() == weights
    assert partials(library) == []


def test_only_a_full_disk_gives_up_what_was_fetched(library, hub, weights, monkeypatch):
    digest = hub.put(weights)
    hub.cuts = [1000]
    with closing(pull(library, hub.name(), insecure=True, patience=QUICK)) as lines:

        def refuse(**_):
            raise OSError(errno.EMFILE, "too many open files")

        next(lines)
        monkeypatch.setattr(partial_module.tempfile, "mkstemp", refuse)
        with pytest.raises(LibraryError, match="too many open files"):
            list(lines)

    assert library.blobs.partial_path(digest).exists()
