"""The models folder keeps Ollama's layout, survives damage, and loses nothing that is in use."""

from __future__ import annotations

import json
import os
import resource
import stat
from datetime import UTC
from hashlib import sha256

import pytest

from engine.errors import (
    BlobNotFoundError,
    DigestError,
    LibraryError,
    ModelNameError,
    ModelNotFoundError,
)
from engine.library.entry import HeaderCache
from engine.library.manifest import (
    CONFIG_TYPE,
    Layer,
    layer_type,
    parse_digest,
    parse_manifest,
    render_manifest,
)
from engine.library.store import Library
from engine.types import Message


def digest_of(data):
    return "sha256:" + sha256(data).hexdigest()


def install(library, name, model=b"", *, extra=(), config=None):
    digest, size = library.add_blob([model])
    raw = json.dumps(config or {}).encode()
    config_digest, config_size = library.add_blob([raw])
    library.write_manifest(
        name,
        Layer(CONFIG_TYPE, config_digest, config_size),
        [Layer(layer_type("model"), digest, size), *extra],
    )
    return digest


def files_of(library):
    found = (str(p.relative_to(library.root)) for p in library.root.rglob("*") if p.is_file())
    return sorted(name for name in found if name != ".quire.lock")


def test_a_missing_folder_is_an_empty_library_and_stays_missing(library):
    assert library.entries() == []
    with pytest.raises(ModelNotFoundError, match="model 'a' not found"):
        library.find("a")
    assert not library.root.exists()


def test_an_installed_model_is_described_by_its_layers(library, make_gguf):
    template = "{{ if .Tools }}x{{ end }}{{ .Prompt }}{{ .Suffix }}"
    extra = [
        library.add_layer("template", template.encode()),
        library.add_layer("system", b"Be brief."),
        library.add_layer("license", b"free"),
        library.add_layer("params", b'{"temperature":0.5,"stop":["x"]}'),
        library.add_layer("messages", b'[{"role":"user","content":"hi"}]'),
    ]
    install(library, "Me/Tiny:V1", make_gguf().read_bytes(), extra=extra)

    entry = library.find("me/tiny:v1")

    assert entry.name == "Me/Tiny:V1"
    assert entry.details.family == "llama"
    assert entry.details.quantization_level == "F16"
    assert entry.details.parameter_size == "672"
    assert entry.template == template
    assert (entry.system, entry.licenses) == ("Be brief.", ("free",))
    assert entry.params == {"temperature": 0.5, "stop": ["x"]}
    assert entry.messages == (Message("user", "hi"),)
    assert entry.capabilities == ("completion", "tools", "insert")
    assert entry.is_readable
    assert entry.modified_at.tzinfo is UTC
    assert entry.digest == sha256(library.manifest_bytes("me/tiny:v1")).hexdigest()
    assert entry.size_bytes == library.manifest("me/tiny:v1").size_bytes
    assert library.entries() == [entry]


@pytest.mark.parametrize(
    ("architecture", "settings", "config", "capabilities"),
    [
        ("bert", {"bert__pooling_type": 1}, {}, ("embedding",)),
        ("llama", {}, {}, ("completion",)),
        ("llama", {"llama__vision__block_count": 2}, {}, ("completion", "vision")),
        (
            "llama",
            {"tokenizer__chat_template": "{% if tools %}{% endif %}<think></think>"},
            {},
            ("completion", "tools", "thinking"),
        ),
        ("llama", {}, {"capabilities": ["image"]}, ("completion", "image")),
    ],
)
def test_capabilities_follow_from_header_and_config(
    library, make_gguf, architecture, settings, config, capabilities
):
    gguf_file = make_gguf(architecture=architecture, **settings)

    install(library, "m", gguf_file.read_bytes(), config=config)

    assert library.find("m").capabilities == capabilities


def test_the_layout_is_ollamas(library):
    digest = install(library, "m", b"weights")

    assert "manifests/registry.ollama.ai/library/m/latest" in files_of(library)
    assert f"blobs/{digest.replace(':', '-')}" in files_of(library)
    raw = library.manifest_bytes("m")
    assert raw.endswith(b"]}\n")
    assert json.loads(raw)["schemaVersion"] == 2


def test_manifests_are_read_back():
    config = Layer(CONFIG_TYPE, "sha256:" + "a" * 64, 3)
    layers = (Layer(layer_type("model"), "sha256:" + "b" * 64, 5),)

    manifest = parse_manifest(render_manifest(config, layers))

    assert (manifest.config, manifest.layers, manifest.size_bytes) == (config, layers, 8)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"config": 3}',
        b"[" * 100_000,
        b'{"config":{"mediaType":"x","digest":"sha256:../../etc/passwd","size":1}}',
        b'{"config":{"mediaType":"x","digest":"sha256:' + b"a" * 64 + b'","size":-1}}',
    ],
)
def test_a_broken_manifest_harms_only_itself(library, make_gguf, raw):
    install(library, "good", make_gguf().read_bytes())
    broken = library.root / "manifests/registry.ollama.ai/library/broken/latest"
    broken.parent.mkdir()
    broken.write_bytes(raw)

    assert [entry.name for entry in library.entries()] == ["good:latest"]
    with pytest.raises(LibraryError, match="manifest cannot be read"):
        library.find("broken")
    library.delete("broken")
    assert not broken.parent.exists()


def test_foreign_files_among_the_manifests_are_passed_over(library, make_gguf):
    install(library, "good", make_gguf().read_bytes())
    place = library.root / "manifests/registry.ollama.ai/library/good"
    (place / ".DS_Store").write_bytes(b"x")
    (place / "folder").mkdir()
    (library.root / "manifests/stray").write_bytes(b"x")

    assert [entry.name for entry in library.entries()] == ["good:latest"]


def test_newest_models_come_first(library):
    for age, name in enumerate(["a", "b", "c"]):
        install(library, name, b"x")
        path = library.root / "manifests/registry.ollama.ai/library" / name / "latest"
        os.utime(path, (1_000_000 - age, 1_000_000 - age))

    assert [entry.name for entry in library.entries()] == ["a:latest", "b:latest", "c:latest"]


def test_a_model_without_its_blob_is_listed_as_unreadable(library, make_gguf):
    digest = install(library, "m", make_gguf().read_bytes())
    library.blob_path(digest).unlink()

    assert library.find("m").is_readable is False


def test_a_damaged_model_is_listed_as_unreadable(library):
    install(library, "m", b"no gguf at all")

    assert library.find("m").is_readable is False


def test_a_model_that_is_not_gguf_says_so(library):
    config = library.add_layer("license", b"{}")
    library.write_manifest("m", config, [])

    assert library.entries() == []
    with pytest.raises(LibraryError, match="no GGUF file"):
        library.find("m")


def test_a_second_install_keeps_the_first_spelling(library):
    install(library, "Foo", b"one")
    install(library, "foo", b"two")

    assert [entry.name for entry in library.entries()] == ["Foo:latest"]


def test_replacing_a_model_frees_what_only_the_old_one_used(library):
    old = install(library, "m", b"one")
    new = install(library, "m", b"two")

    assert (library.has_blob(old), library.has_blob(new)) == (False, True)


def test_deleting_keeps_blobs_that_another_model_uses(library):
    digest = install(library, "a", b"shared")
    install(library, "b", b"shared")

    library.delete("A")
    assert library.has_blob(digest)
    library.delete("b")

    assert files_of(library) == []
    with pytest.raises(ModelNotFoundError, match="model 'b' not found"):
        library.delete("b")


def test_a_broken_manifest_protects_the_blobs_that_it_mentions(library):
    digest = install(library, "a", b"shared")
    broken = library.root / "manifests/registry.ollama.ai/library/broken/latest"
    broken.parent.mkdir()
    broken.write_text('{"layers": [{"digest": "' + digest + '"', encoding="utf-8")

    library.delete("a")

    assert library.has_blob(digest)


def test_blobs_in_use_by_running_work_are_kept(library):
    digest = install(library, "a", b"shared")

    with library.keeping([digest]):
        library.delete("a")
        assert library.has_blob(digest)
    library.prune([digest])

    assert not library.has_blob(digest)


def test_a_copy_is_the_same_model_under_another_name(library, make_gguf):
    install(library, "a", make_gguf().read_bytes())

    library.copy("a", "me/b:c")

    assert library.find("me/b:c").digest == library.find("a").digest


@pytest.mark.parametrize(
    ("source", "destination", "kind", "message"),
    [
        ("../a", "b", ModelNameError, 'source "../a" is invalid'),
        ("a", "../b", ModelNameError, 'destination "../b" is invalid'),
        ("none", "b", ModelNotFoundError, 'model "none" not found'),
    ],
)
def test_a_copy_that_cannot_be_says_why(library, source, destination, kind, message):
    install(library, "a", b"x")

    with pytest.raises(kind, match=message):
        library.copy(source, destination)


def test_a_bad_name_cannot_be_deleted(library):
    with pytest.raises(ModelNameError, match='name "../x" is invalid'):
        library.delete("../x")


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:",
        "sha256:../../x",
        "sha256-" + "a" * 63 + "/",
        "md5:" + "a" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 64 + "\n",
    ],
)
def test_what_is_no_digest_reaches_no_file(library, digest):
    for use in (library.has_blob, library.blob_path, lambda d: library.add_blob([b""], d)):
        with pytest.raises(DigestError, match="invalid digest format"):
            use(digest)


def test_digests_are_read_in_both_spellings():
    assert parse_digest("sha256-" + "A" * 64) == "sha256:" + "a" * 64


def test_bytes_with_another_digest_are_not_stored(library):
    wanted = digest_of(b"a")

    with pytest.raises(DigestError, match=f'digest mismatch, expected "{wanted}", got'):
        library.add_blob([b"b"], wanted)

    assert files_of(library) == []


def test_a_broken_off_upload_leaves_nothing(library):
    def chunks():
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        library.add_blob(chunks())

    assert files_of(library) == []


def test_a_stored_blob_is_not_read_again(library):
    digest, size = library.add_blob([b"abc"])

    assert library.add_blob(iter(()), digest) == (digest, size)
    with pytest.raises(BlobNotFoundError, match="not found"):
        library.blob_path(digest_of(b"other"))


def test_a_manifest_whose_blobs_are_missing_is_not_written(library):
    layer = Layer(layer_type("model"), digest_of(b"never stored"), 3)

    with pytest.raises(LibraryError, match="no blob"):
        library.write_manifest("m", layer, [layer])

    assert files_of(library) == []


def test_a_folder_that_cannot_be_written_can_be_read(tmp_path, make_gguf):
    library = Library(tmp_path / "models")
    install(library, "m", make_gguf().read_bytes())
    blocked = Library(tmp_path / "file" / "models")
    (tmp_path / "file").write_bytes(b"a file where a folder is needed")

    assert blocked.entries() == []
    with pytest.raises(LibraryError, match="cannot write"):
        blocked.add_blob([b"x"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_refuses_writes_by_name(library, make_gguf):
    install(library, "m", make_gguf().read_bytes())
    folders = [library.root, *(p for p in library.root.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert library.find("m").is_readable
        with pytest.raises(LibraryError):
            library.add_blob([b"new"])
        with pytest.raises(LibraryError):
            library.delete("m")
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)


def test_halves_of_letters_in_a_config_do_not_hide_the_other_models(library, make_gguf):
    install(library, "good", make_gguf().read_bytes())
    install(library, "bad", b"x", config={"model_family": "\ud800"})  # escaped, as strangers may

    found = {entry.name: entry.details.family for entry in library.entries()}

    assert found == {"good:latest": "llama", "bad:latest": "?"}


def test_many_layers_of_one_large_blob_are_not_all_read(library):
    text = library.add_layer("license", b"x" * (20 * 1024 * 1024))
    install(library, "m", b"x", extra=[text] * 50)

    assert len(library.find("m").licenses) == 1


def test_a_header_that_could_not_be_opened_once_is_read_the_next_time(library, make_gguf):
    digest = install(library, "m", make_gguf().read_bytes())
    path, headers = library.blob_path(digest), HeaderCache()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))  # too many open files
    try:
        first = headers.facts(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert first is None
    assert headers.facts(path) is not None


def test_a_config_that_would_fill_the_memory_is_not_read(library):
    digest, size = library.add_blob([b"[" + b"[]," * 1_500_000 + b"[]]"])
    layer = library.add_layer("model", b"x")
    library.write_manifest("m", Layer(CONFIG_TYPE, digest, size), [layer])

    with pytest.raises(LibraryError, match="is larger than"):
        library.blobs.read_json(digest)
    assert library.find("m").config == {}
