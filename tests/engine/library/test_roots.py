"""Further folders are read and never written; files are referred to only as long as they stay."""

from __future__ import annotations

import os
import re
import threading
from hashlib import sha256

import pytest

from engine.errors import BlobNotFoundError, LibraryError, ModelNotFoundError
from engine.library.links import LINKS_FILE
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type
from engine.library.store import Library
from tests.engine.library.hub import fetch, files_of
from tests.engine.library.test_lock import holder


def install(library, name, data):
    digest, size = library.add_blob([data])
    return register(library, name, digest, size)


def register(library, name, digest, size):
    config_digest, config_size = library.add_blob([b"{}"])
    config = Layer(CONFIG_TYPE, config_digest, config_size)
    library.write_manifest(name, config, [Layer(layer_type("model"), digest, size)])
    return digest


def snapshot(folder):
    return sorted((str(p), p.stat().st_mtime_ns) for p in folder.rglob("*"))


@pytest.fixture
def data(make_gguf):
    return make_gguf().read_bytes()


@pytest.fixture
def extra(tmp_path):
    return Library(tmp_path / "extra")


@pytest.fixture
def both(tmp_path, extra):
    return Library(tmp_path / "models", [extra.root, tmp_path / "missing"])


# several folders


def test_models_of_every_folder_are_listed_and_usable(both, extra, data):
    digest = install(extra, "shared", data)
    install(both, "own", data + b"\0")

    assert {entry.name for entry in both.entries()} == {"own:latest", "shared:latest"}
    entry = both.find("SHARED")
    assert entry.is_readable
    assert entry.model_path == extra.blob_path(digest) == both.blob_path(digest)
    both.check("shared")


def test_the_first_folder_wins(both, extra, data):
    install(extra, "M", data)
    own = install(both, "m", data + b"\0")

    assert [entry.name for entry in both.entries()] == ["m:latest"]
    assert both.find("M").model_digest == own


def test_a_broken_manifest_hides_the_next_folders_in_lists_as_in_use(both, extra, data):
    install(extra, "m", data)
    broken = both.root / "manifests/registry.ollama.ai/library/m/latest"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"{")

    assert both.entries() == []
    with pytest.raises(LibraryError, match="manifest cannot be read"):
        both.find("m")


def test_notes_of_cloud_models_in_a_shared_store_are_no_models(library):
    digest, size = library.add_blob([b'{"remote_host":"https://ollama.com"}'])
    library.write_manifest("big:120b-cloud", Layer(CONFIG_TYPE, digest, size), [])

    assert library.entries() == []
    with pytest.raises(ModelNotFoundError, match="model 'big:120b-cloud' not found"):
        library.find("big:120b-cloud")
    library.delete("big:120b-cloud")


def test_further_folders_are_never_written(both, extra, data):
    digest = install(extra, "m", data)
    before = snapshot(extra.root)

    with pytest.raises(LibraryError, match="in a folder that is only read; delete"):
        both.delete("m")
    both.copy("m", "mine")
    both.add_blob([data], digest)
    both.delete("mine")
    both.tidy()
    both.prune([digest])

    assert snapshot(extra.root) == before
    assert both.find("m").is_readable


def test_what_lies_in_a_further_folder_is_not_pulled_again(both, extra, hub, weights):
    digest = hub.put(weights)
    extra.add_blob([weights])

    fetch(both, hub)

    assert hub.asked("GET", digest) == []
    assert both.find(hub.name()).is_readable


# files by reference


def test_a_file_is_used_where_it_lies(library, make_gguf):
    path = make_gguf()
    digest, size = library.link_blob(path)

    register(library, "m", digest, size)

    assert digest == "sha256:" + sha256(path.read_bytes()).hexdigest()
    assert library.find("m").is_readable
    assert library.blob_path(digest).resolve() == path
    assert library.blob_path(digest).is_symlink()
    library.check("m")


def test_deleting_the_model_leaves_the_file(library, make_gguf):
    path = make_gguf()
    register(library, "m", *library.link_blob(path))

    library.delete("m")

    assert path.exists()
    assert files_of(library) == [LINKS_FILE]
    assert (library.root / LINKS_FILE).read_text() == "{}\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes() + b"x"),
            "has changed since it was linked",
        ),
        (lambda path: os.utime(path, (1, 1)), "has changed since it was linked"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_file_that_changes_is_reported_and_can_be_linked_anew(
    library, make_gguf, change, message
):
    path = make_gguf()
    digest, size = library.link_blob(path)
    register(library, "m", digest, size)
    change(path)

    assert library.find("m").is_readable is False
    for use in (lambda: library.blob_path(digest), lambda: library.check("m")):
        with pytest.raises(LibraryError, match=f"{message}.*create the model again"):
            use()
    path.unlink(missing_ok=True)
    register(library, "m", *library.link_blob(make_gguf()))
    assert library.find("m").is_readable


def test_links_that_nobody_wrote_down_are_refused(library, make_gguf, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"not for everybody")
    digest = "sha256:" + sha256(secret.read_bytes()).hexdigest()
    library.blobs.prepare()
    library.blobs.own_path(digest).symlink_to(secret)

    assert library.has_blob(digest) is False
    with pytest.raises(LibraryError, match="was not made by `create`"):
        library.blob_path(digest)
    with pytest.raises(LibraryError, match="was not made by `create`"):
        library.blobs.read_small(digest)


def test_a_link_of_ours_that_was_bent_is_refused(library, make_gguf, tmp_path):
    digest, _ = library.link_blob(make_gguf())
    own = library.blobs.own_path(digest)
    own.unlink()
    own.symlink_to("/etc/hostname")

    with pytest.raises(LibraryError, match="was not made by `create`"):
        library.blob_path(digest)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"sha256:x": 1}', '{"x": {"path": 3}}'])
def test_a_damaged_list_of_links_permits_nothing(library, make_gguf, text):
    digest, _ = library.link_blob(make_gguf())
    (library.root / LINKS_FILE).write_text(text, encoding="utf-8")

    assert library.has_blob(digest) is False


def test_a_stored_blob_is_not_replaced_by_a_link(library, make_gguf):
    path = make_gguf()
    digest, _ = library.add_blob([path.read_bytes()])

    library.link_blob(path)

    assert library.blob_path(digest).is_symlink() is False


def test_only_files_can_be_linked(library, tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(LibraryError, match=r"is not a file|cannot read"):
            library.link_blob(path)


def test_a_pull_replaces_a_link_that_does_not_count(library, hub, weights, tmp_path):
    digest = hub.put(weights)
    path = tmp_path / "weights"
    path.write_bytes(weights)
    library.link_blob(path)
    path.write_bytes(b"other")

    fetch(library, hub)

    assert library.blob_path(digest).read_bytes() == weights
    assert path.read_bytes() == b"other"


def test_a_manifest_that_is_a_link_out_of_the_store_is_passed_over(library, tmp_path, data):
    install(library, "good", data)
    outside = tmp_path / "outside"
    outside.write_bytes(library.manifest_bytes("good"))
    place = library.root / "manifests/registry.ollama.ai/library/bad"
    place.mkdir()
    (place / "latest").symlink_to(outside)

    assert [entry.name for entry in library.entries()] == ["good:latest"]
    with pytest.raises(ModelNotFoundError):
        library.find("bad")


def test_a_blob_that_changed_its_size_is_named(library, data):
    digest = install(library, "m", data)
    library.blob_path(digest).write_bytes(data[:-1])

    with pytest.raises(LibraryError, match=f"has {len(data) - 1:,} bytes instead of {len(data):,}"):
        library.check("m")
    library.blob_path(digest).unlink()
    with pytest.raises(LibraryError, match="lacks its blob"):
        library.check("m")


# several processes


def test_claims_of_another_process_keep_blobs(library, data):
    digest = install(library, "m", data)
    place = library.root / ".quire-claims"
    with holder(place, "claims", "Claims", f'["{digest}"]') as process:
        library.delete("m")
        assert library.has_blob(digest)
        process.stdin.close()
        process.wait(20)

    library.prune([digest])
    assert library.has_blob(digest) is False


def test_two_libraries_write_one_store_at_once(tmp_path, data):
    stores = [Library(tmp_path / "models") for _ in range(2)]

    def work(store, letter):
        for number in range(10):
            install(store, f"{letter}{number}", data + letter.encode())
            if number % 2:
                store.delete(f"{letter}{number}")

    threads = [
        threading.Thread(target=work, args=(store, letter))
        for store, letter in zip(stores, "ab", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(stores[0].entries()) == 10
    assert all(entry.is_readable for entry in stores[1].entries())


# tidying up


def age(path, seconds):
    then = path.lstat().st_mtime - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_old_leftovers_go_and_everything_else_stays(library, data):
    used = install(library, "m", data)
    unused_old, _ = library.add_blob([b"old"])
    unused_new, _ = library.add_blob([b"new"])
    folder = library.blobs.folder
    for name in ("sha256-abc-new", "sha256-abc-part", "foreign", "sha256-a-partial"):
        (folder / name).write_bytes(b"x")
        age(folder / name, 4000)
    for name in ("sha256-b-partial", "sha256-b-partial-0", "sha256-c-new"):
        (folder / name).write_bytes(b"x")
    age(folder / "sha256-b-partial", 8 * 86_400)
    (library.root / "manifests" / ".new-x").write_bytes(b"x")
    age(library.root / "manifests" / ".new-x", 4000)
    for digest in (used, unused_old):
        age(library.blob_path(digest), 4000)

    library.tidy()

    left = {path.name for path in folder.iterdir()}
    assert {"foreign", "sha256-a-partial", "sha256-c-new"} <= left
    assert not {"sha256-abc-new", "sha256-abc-part", "sha256-b-partial"} & left
    assert [library.has_blob(digest) for digest in (used, unused_old, unused_new)] == [
        True,
        False,
        True,
    ]
    assert not (library.root / "manifests" / ".new-x").exists()


def test_without_pruning_nothing_goes(tmp_path, data):
    library = Library(tmp_path / "models", is_pruning=False)
    old = install(library, "m", data)
    install(library, "m", data + b"\0")
    age(library.blob_path(old), 4000)

    library.tidy()

    assert library.has_blob(old)


def test_tidying_a_missing_folder_creates_nothing(library):
    library.tidy()

    assert not library.root.exists()


def test_missing_blobs_stay_missing(both):
    with pytest.raises(BlobNotFoundError):
        both.blob_path("sha256:" + "0" * 64)


def link_out(library, tmp_path):
    """Put the manifests of one namespace elsewhere, as somebody with a small disk does."""
    inside = library.root / "manifests/registry.ollama.ai/library"
    inside.rename(tmp_path / "elsewhere")
    inside.symlink_to(tmp_path / "elsewhere")


def link_away(library, tmp_path):
    link_out(library, tmp_path)
    (tmp_path / "elsewhere").rename(tmp_path / "away")


def odd_name(library, _):
    inside = library.root / "manifests/registry.ollama.ai/library"
    inside.rename(inside.with_name("not a name"))


def upper_case(library, _):
    path = library.root / "manifests/registry.ollama.ai/library/m/latest"
    raw = path.read_bytes()
    path.write_bytes(re.sub(rb"[0-9a-f]{64}", lambda found: found[0].upper(), raw))


def dashes(library, _):
    path = library.root / "manifests/registry.ollama.ai/library/m/latest"
    path.write_bytes(path.read_bytes().replace(b"sha256:", b"sha256-"))


@pytest.mark.parametrize("change", [link_out, link_away, odd_name, upper_case, dashes])
def test_what_another_program_may_run_is_not_tidied_away(library, data, tmp_path, change):
    digest = install(library, "m", data)
    for path in library.blobs.folder.iterdir():
        age(path, 4000)
    change(library, tmp_path)

    library.tidy()

    assert library.has_blob(digest)


def test_a_pipe_among_the_manifests_blocks_nobody(library, data):
    digest = install(library, "m", data)
    os.mkfifo(library.root / "manifests/registry.ollama.ai/library/m/pipe")

    library.delete("m")

    assert not library.has_blob(digest)


def test_notes_without_their_bytes_go(library, data):
    install(library, "m", data)
    note = library.blobs.folder / f"sha256-{'a' * 64}-partial-0"
    note.write_bytes(b"{}")
    age(note, 4000)

    library.tidy()

    assert not note.exists()


def test_a_claim_is_not_made_in_the_middle_of_a_clean_up(library, data):
    digest = install(library, "m", data)
    made = threading.Event()

    def claim():
        with library.keeping([digest]):
            made.set()

    thread = threading.Thread(target=claim)
    with Library(library.root)._lock.held():  # as another process that cleans up
        thread.start()
        was_early = made.wait(0.2)
    thread.join(20)

    assert (was_early, made.is_set()) == (False, True)


def test_a_damaged_list_of_links_is_not_written_anew(library, make_gguf):
    library.link_blob(make_gguf())
    (library.root / LINKS_FILE).write_text("{", encoding="utf-8")

    with pytest.raises(LibraryError, match="is damaged"):
        library.link_blob(make_gguf("other.gguf", "qwen2"))

    assert (library.root / LINKS_FILE).read_text(encoding="utf-8") == "{"


def test_nothing_is_installed_through_a_link_out_of_the_store(library, data, tmp_path):
    install(library, "m", data)
    link_out(library, tmp_path)
    before = snapshot(tmp_path / "elsewhere")

    for name in ("m", "n"):
        with pytest.raises(LibraryError, match="a link leads out of"):
            install(library, name, data + b"x")

    assert snapshot(tmp_path / "elsewhere") == before
