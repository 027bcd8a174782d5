"""Models are made from files and from other models, keeping what is not replaced."""

from __future__ import annotations

import pytest

from engine.errors import (
    BlobNotFoundError,
    DigestError,
    GgufError,
    ModelNameError,
    OptionError,
    RequestError,
)
from engine.library.blobs import file_chunks
from engine.library.create import create
from engine.types import CreateRequest, Message


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


def test_a_part_of_a_split_model_is_refused(library, make_gguf):
    digest = library.add_blob(file_chunks(make_gguf(split__count=3)))[0]

    with pytest.raises(GgufError, match="one of 3 parts"):
        make(library, "m", files={"x.gguf": digest})
