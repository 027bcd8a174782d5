"""Models are made from files and from other models, keeping what is not replaced."""

from __future__ import annotations

import pytest

from engine.errors import (
    BlobNotFoundError,
    ChatTemplateError,
    DigestError,
    EngineError,
    GgufError,
    ModelNameError,
    OptionError,
    RequestError,
)
from engine.library.blobs import file_chunks, file_digest
from engine.library.convert import convert
from engine.library.create import create
from engine.library.create.sources import Converters
from engine.library.starters import find_starter_files
from engine.library.store import Library
from engine.types import CreateRequest, Message
from tests.engine.library.tiny_llama import write_llama


@pytest.fixture
def digest(library, make_gguf):
    return library.add_blob(file_chunks(make_gguf()))[0]


def make(library, model, **fields):
    return list(create(library, CreateRequest(model, **fields)))


def test_a_model_is_made_from_a_file(library, digest):
    lines = make(
        library,
        "mine",
        files={"tiny.gguf": digest},
        system="Be kind.",
        template="{{ .Prompt }}",
        licenses=("free",),
        parameters={"temperature": 0.1, "stop": "x"},
        messages=(Message("user", "hi"),),
    )

    entry = library.find("mine")
    assert [lines[0].status, lines[-2].status, lines[-1].status] == [
        "parsing GGUF",
        "writing manifest",
        "success",
    ]
    assert entry.is_readable
    assert entry.details.quantization_level == "F16"
    assert (entry.system, entry.template, entry.licenses) == (
        "Be kind.",
        "{{ .Prompt }}",
        ("free",),
    )
    assert entry.params == {"temperature": 0.1, "stop": ["x"]}
    assert entry.messages == (Message("user", "hi"),)
    assert [layer.kind for layer in library.manifest_layers("mine")] == [
        "model",
        "template",
        "system",
        "license",
        "params",
        "messages",
    ]


def test_a_model_made_from_another_keeps_what_is_not_named(library, digest):
    make(
        library,
        "base",
        files={"tiny.gguf": digest},
        system="old",
        licenses=("one",),
        parameters={"temperature": 0.1, "top_k": 3},
    )

    make(
        library,
        "child",
        from_model="base",
        system="new",
        licenses=("two",),
        parameters={"top_k": 7},
    )

    child, base = library.find("child"), library.find("base")
    assert (base.system, child.system) == ("old", "new")
    assert child.params == {"temperature": 0.1, "top_k": 7}
    assert child.licenses == ("one", "two")
    assert child.model_digest == base.model_digest
    assert child.details == base.details


def test_a_model_can_be_remade_from_itself(library, digest):
    make(library, "m", files={"tiny.gguf": digest})

    make(library, "m", from_model="m", system="now with system")

    assert library.find("m").system == "now with system"
    assert library.find("m").is_readable


def test_remaking_from_files_starts_anew(library, digest):
    make(library, "m", files={"tiny.gguf": digest}, system="old")

    make(library, "m", files={"tiny.gguf": digest})

    assert library.find("m").system is None


def test_an_adapter_becomes_an_adapter_layer(library, digest, make_gguf):
    lora = make_gguf("lora.gguf", general__type="adapter")
    lora_digest = library.add_blob(file_chunks(lora))[0]

    make(library, "m", files={"a.gguf": digest, "lora.gguf": lora_digest})

    assert [layer.kind for layer in library.manifest_layers("m")] == ["model", "adapter"]


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"model": "../x"}, ModelNameError, "invalid model name"),
        ({}, RequestError, "neither 'from' or 'files' was specified"),
        ({"files": {}}, RequestError, "no files provided to convert"),
        ({"files": {"../x.gguf": "sha256:" + "a" * 64}}, RequestError, "must be relative"),
        ({"files": {"/x.gguf": "sha256:" + "a" * 64}}, RequestError, "must be relative"),
        ({"files": {"C:\\x.gguf": "sha256:" + "a" * 64}}, RequestError, "must be relative"),
        ({"files": {"x.gguf": "nonsense"}}, DigestError, "invalid digest format"),
        ({"files": {"x.gguf": "sha256:" + "a" * 64}}, BlobNotFoundError, "not found"),
        ({"from_model": "a", "parameters": {"top_k": "many"}}, OptionError, "top_k"),
        ({"from_model": "a", "messages": (Message("boss", "x"),)}, RequestError, "role"),
        ({"from_model": "a", "template": "{{ if }}"}, ChatTemplateError, "template error: "),
        ({"from_model": "a b"}, ModelNameError, "invalid model name"),
        ({"from_model": "a", "requires": "new"}, RequestError, "must be a valid semver"),
        ({"from_model": "a", "draft_quantize": "q8_0"}, RequestError, "requires a DRAFT model"),
        ({"from_model": "a", "quantize": "q9"}, EngineError, "unsupported quantization type Q9"),
        ({"from_model": "a", "info": {"capabilities": "all"}}, RequestError, "capabilities"),
        ({"from_model": "a", "info": {"model_family": 3}}, RequestError, "type string"),
        ({"from_model": "a", "info": {"context_length": "8"}}, RequestError, "type number"),
        ({"from_model": "a", "info": {"context_length": float("nan")}}, RequestError, "length"),
        (
            {"from_model": "a", "adapters": {"../x": "sha256:" + "a" * 64}},
            RequestError,
            "must be relative",
        ),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_written(library, fields, kind, message):
    with pytest.raises(kind, match=message):
        make(library, **({"model": "m"} | fields))

    assert not library.root.exists()


def test_a_file_that_is_not_gguf_is_refused(library):
    digest = library.add_blob([b"just text"])[0]

    with pytest.raises(GgufError, match="supplied file was not in GGUF format"):
        make(library, "m", files={"x.gguf": digest})


def test_files_of_no_known_type_are_refused(library):
    digest = library.add_blob([b"just text"])[0]

    with pytest.raises(RequestError, match="unknown type"):
        make(library, "m", files={"notes.txt": digest})


@pytest.fixture
def lora(library, make_gguf):
    return library.add_blob(file_chunks(make_gguf("lora.gguf", general__type="adapter")))[0]


def test_an_adapter_is_laid_over_an_installed_model(library, digest, lora):
    make(library, "base", files={"a.gguf": digest})

    make(library, "m", from_model="base", adapters={"lora.gguf": lora})

    assert [layer.digest for layer in library.manifest_layers("m")] == [digest, lora]
    assert library.find("m").adapter_paths == (library.blob_path(lora),)


def test_a_second_adapter_takes_the_place_of_the_first(library, digest, lora, make_gguf):
    other = make_gguf("other.gguf", general__type="adapter", general__name="other")
    other_digest = library.add_blob(file_chunks(other))[0]
    make(library, "m", files={"a.gguf": digest}, adapters={"lora.gguf": lora})

    make(library, "m", from_model="m", adapters={"other.gguf": other_digest})

    assert [layer.digest for layer in library.manifest_layers("m")] == [digest, other_digest]


def test_only_one_adapter_is_taken(library, digest, lora):
    with pytest.raises(RequestError, match="only one adapter is currently supported"):
        make(library, "m", files={"a.gguf": digest}, adapters={"1.gguf": lora, "2.gguf": lora})


def test_a_model_is_no_adapter(library, digest):
    with pytest.raises(RequestError, match="b.gguf is a model, not a LoRA adapter"):
        make(library, "m", files={"a.gguf": digest}, adapters={"b.gguf": digest})


def test_a_draft_model_becomes_a_draft_layer(library, digest, make_gguf):
    draft = library.add_blob(file_chunks(make_gguf("d.gguf", general__name="draft")))[0]

    make(library, "m", files={"a.gguf": digest}, draft_files={"d.gguf": draft})

    entry = library.find("m")
    assert entry.draft_path == library.blob_path(draft)
    assert entry.details.families == ("llama",)


def test_a_projector_is_added_to_an_installed_model(library, digest, make_gguf):
    eye = library.add_blob(file_chunks(make_gguf("mmproj.gguf", architecture="clip")))[0]
    make(library, "base", files={"a.gguf": digest})

    make(library, "m", from_model="base", files={"mmproj.gguf": eye})

    assert [layer.kind for layer in library.manifest_layers("m")] == ["model", "projector"]
    assert "vision" in library.find("m").capabilities


def test_a_model_has_one_source(library, digest):
    make(library, "base", files={"a.gguf": digest})

    with pytest.raises(RequestError, match="contradict each other"):
        make(library, "m", from_model="base", files={"a.gguf": digest})


def test_a_folder_of_safetensors_is_converted_under_its_own_names(library, make_gguf):
    seen = {}

    def convert(folder, target, wanted):
        assert wanted == ""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        seen.update({str(path.relative_to(folder)): path.read_bytes() for path in paths})
        target.write_bytes(make_gguf().read_bytes())

    files = {"model.safetensors": b"weights", "config.json": b"{}", "1_Pooling/config.json": b"[]"}
    digests = {name: library.add_blob([data])[0] for name, data in files.items()}

    request = CreateRequest("m", files=digests)
    lines = list(create(library, request, converters=Converters(convert, convert)))

    assert seen == files
    assert library.find("m").is_readable
    assert [lines[0].status, lines[1].status] == ["converting model", "verifying conversion"]


def test_a_conversion_makes_the_wanted_type_at_once_if_it_can(library, tmp_path):
    def convert(folder, target, wanted):
        assert wanted == "Q8_0"
        write_llama(target, file_type=7)

    digest = library.add_blob([b"weights"])[0]
    request = CreateRequest("m", files={"model.safetensors": digest}, quantize="q8_0")

    lines = [line.status for line in create(library, request, converters=Converters(convert, None))]

    assert library.find("m").details.quantization_level == "Q8_0"
    assert not any("quantizing" in line for line in lines)


def test_a_real_folder_is_converted_as_the_starter_is(library, tmp_path):
    files = find_starter_files()
    names = ("config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json")
    digests = {
        name: library.add_blob(file_chunks(files.embedding_folder / name))[0] for name in names
    }

    make(library, "mini", files=digests)

    entry = library.find("mini")
    assert (entry.details.family, entry.details.quantization_level) == ("bert", "F16")
    assert entry.capabilities == ("embedding",)
    convert(files.embedding_folder, tmp_path / "same.gguf", file_type="f16")
    assert entry.model_digest == file_digest(tmp_path / "same.gguf")


def test_an_adapter_of_safetensors_is_converted_for_its_base(library, digest, make_gguf):
    bases = []

    def convert(folder, base, target):
        bases.append((base, (folder / "adapter_config.json").read_bytes()))
        target.write_bytes(make_gguf("l.gguf", general__type="adapter").read_bytes())

    made = {"adapter_model.safetensors": b"w", "adapter_config.json": b"{}"}
    adapters = {name: library.add_blob([data])[0] for name, data in made.items()}
    request = CreateRequest("m", files={"a.gguf": digest}, adapters=adapters)

    lines = list(create(library, request, converters=Converters(lambda *_: None, convert)))

    assert bases == [(library.blob_path(digest), b"{}")]
    assert "converting adapter" in [line.status for line in lines]
    assert [layer.kind for layer in library.manifest_layers("m")] == ["model", "adapter"]


def test_the_config_says_what_info_and_codecs_say(library, digest):
    make(
        library,
        "m",
        files={"a.gguf": digest},
        renderer="qwen3",
        parser="qwen3",
        requires="0.14.0",
        info={"model_family": "mine", "capabilities": ["tools"], "context_length": 7.0},
    )
    make(library, "child", from_model="m", info={"capabilities": ["vision"]}, parser="other")

    config = library.find("child").config
    assert (config["renderer"], config["parser"], config["requires"]) == (
        "qwen3",
        "other",
        "0.14.0",
    )
    assert config["capabilities"] == ["tools", "vision"]
    assert (config["model_family"], config["model_families"]) == ("mine", ["mine"])
    assert config["context_length"] == 7
    assert config["rootfs"] == {"type": "layers", "diff_ids": [digest]}


def test_layers_are_written_byte_for_byte_as_ollama_writes_them(library, digest):
    make(
        library,
        "m",
        files={"a.gguf": digest},
        parameters={"top_k": 3.0, "stop": ["<|end|>"], "temperature": 0.5},
        messages=(Message("user", "a & b"),),
    )

    by_kind = {layer.kind: layer.digest for layer in library.manifest_layers("m")}
    assert library.blobs.read_small(by_kind["params"]) == (
        b'{"stop":["\\u003c|end|\\u003e"],"temperature":0.5,"top_k":3}\n'
    )
    assert library.blobs.read_small(by_kind["messages"]) == (
        b'[{"role":"user","content":"a \\u0026 b"}]\n'
    )


def test_new_layers_are_told_from_those_that_were_there(library, digest):
    first = make(library, "m", files={"a.gguf": digest}, system="x")
    second = make(library, "n", files={"a.gguf": digest}, system="x", template="{{ .Prompt }}")

    model, system = library.manifest_layers("m")
    assert f"using existing layer {model.digest}" in [line.status for line in first]
    assert f"creating new layer {system.digest}" in [line.status for line in first]
    assert f"using existing layer {system.digest}" in [line.status for line in second]


def test_what_the_old_model_alone_used_is_deleted(library, digest):
    make(library, "m", files={"a.gguf": digest}, system="old")
    old = library.find("m")
    layers = library.manifest_layers("m")

    make(library, "m", files={"a.gguf": digest}, system="new")

    assert library.has_blob(old.model_digest)
    assert not library.has_blob(layers[1].digest)


def test_with_pruning_off_everything_stays(tmp_path, make_gguf):
    library = Library(tmp_path / "kept", is_pruning=False)
    digest = library.add_blob(file_chunks(make_gguf()))[0]
    make(library, "m", files={"a.gguf": digest}, system="old")
    layers = library.manifest_layers("m")

    make(library, "m", files={"a.gguf": digest}, system="new")

    assert library.has_blob(layers[1].digest)


def test_names_that_cannot_lie_beside_each_other_are_refused(library):
    blob, _ = library.add_blob([b"{}"])

    with pytest.raises(RequestError, match="a/b.safetensors stands twice"):
        make(library, "m", files={"a": blob, "a/b.safetensors": blob})


def test_a_source_that_is_deleted_meanwhile_is_used_to_the_end(library, digest, lora):
    make(library, "m", files={"m.gguf": digest})

    for line in create(library, CreateRequest("n", from_model="m", adapters={"a.gguf": lora})):
        if line.status == "parsing GGUF":
            Library(library.root).delete("m")  # as another process

    assert library.find("n").is_readable


class Swept(Library):
    """A library that another process cleans up after every new blob."""

    def add_blob(self, chunks, digest=None):
        found = super().add_blob(chunks, digest)
        Library(self.root).prune([found[0]])
        return found


def test_new_layers_survive_a_clean_up_at_the_wrong_moment(library, digest):
    make(Swept(library.root), "m", files={"m.gguf": digest}, system="short", licenses=("a", "b"))

    assert library.find("m").licenses == ("a", "b")


@pytest.mark.parametrize("value", [float("inf"), {"a": [float("nan")]}, 10**400])
def test_numbers_that_would_make_the_model_unreadable_are_refused(library, digest, value):
    with pytest.raises(OptionError, match='option "unknown" holds a number'):
        make(library, "m", files={"m.gguf": digest}, parameters={"unknown": value})
