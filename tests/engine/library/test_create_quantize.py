"""Models are quantized to every type that llama.cpp makes, in a process of their own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from engine.errors import EngineError, GgufError
from engine.library.blobs import file_chunks
from engine.library.create import create
from engine.library.create.quantize import NO_DIGEST, quantization, quantize
from engine.library.gguf import read_header
from engine.library.gguf_types import FILE_TYPES
from engine.types import CreateRequest
from tests.engine.library.tiny_llama import write_llama


@pytest.fixture
def model(tmp_path):
    return write_llama(tmp_path / "f16.gguf")


@pytest.fixture
def digest(library, model):
    return library.add_blob(file_chunks(model))[0]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("q4_k_m", "Q4_K_M"),
        ("Q4_K", "Q4_K_M"),
        ("q5_k", "Q5_K_M"),
        (" f16 ", "F16"),
        ("bf16", "BF16"),
    ],
)
def test_types_have_short_names_in_any_case(asked, name):
    assert quantization(asked) == name


@pytest.mark.parametrize("asked", ["q9", "NVFP4", "Q4_K_XL"])
def test_an_unknown_type_is_refused_with_the_list(asked):
    with pytest.raises(EngineError) as refused:
        quantization(asked)

    text = str(refused.value)
    assert text.startswith(
        f"unsupported quantization type {asked.upper()} - supported types are F32, F16, "
    )
    assert "Q4_K_M" in text
    assert "IQ4_XS" in text


@pytest.mark.parametrize("name", ["Q4_K_M", "Q8_0", "IQ2_XXS"])
def test_a_file_is_quantized_and_progress_is_told(tmp_path, model, name):
    target = tmp_path / "small.gguf"

    lines = list(quantize(model, target, read_header(model), name))

    assert read_header(target).file_type_name == name
    assert target.stat().st_size < model.stat().st_size
    assert {(line.status, line.digest) for line in lines} == {
        (f"quantizing F16 model to {name}", NO_DIGEST)
    }
    done = [line.completed_bytes for line in lines]
    assert done == sorted(done)
    assert done[-1] == lines[-1].total_bytes == model.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in FILE_TYPES.values() if one != "NVFP4"])
def test_every_type_is_made(tmp_path, model, name):
    target = tmp_path / "small.gguf"

    for _ in quantize(model, target, read_header(model), name):
        pass

    assert read_header(target).file_type_name == name


def test_what_llama_cpp_refuses_is_told_in_its_words(tmp_path, model, make_gguf):
    incomplete = make_gguf("incomplete.gguf")

    with pytest.raises(GgufError, match="cannot quantize to Q8_0: .+"):
        list(quantize(incomplete, tmp_path / "small.gguf", read_header(incomplete), "Q8_0"))


def test_a_crash_of_llama_cpp_is_an_error_and_no_crash_of_ours(tmp_path, model):
    crash = ("/bin/sh", "-c", "kill -ABRT $$")

    with pytest.raises(GgufError, match=f"ended by signal {int(signal.SIGABRT)}"):
        list(quantize(model, tmp_path / "x.gguf", read_header(model), "Q8_0", child=crash))


def test_leaving_early_ends_the_child(tmp_path, model):
    endless = ("/bin/sh", "-c", 'echo "1 2"; exec sleep 100')
    steps = quantize(model, tmp_path / "x.gguf", read_header(model), "Q8_0", child=endless)
    next(steps)
    next(steps)

    steps.close()  # would wait for the child, were it not killed


def test_a_model_is_created_quantized(library, digest):
    request = CreateRequest("m", files={"f16.gguf": digest}, quantize="q4_K_M")

    lines = [line.status for line in create(library, request)]

    entry = library.find("m")
    assert entry.is_readable
    assert entry.details.quantization_level == "Q4_K_M"
    assert entry.model_digest != digest
    assert lines[0] == "parsing GGUF"
    assert lines[1] == "quantizing F16 model to Q4_K_M"
    assert f"creating new layer {entry.model_digest}" in lines


def test_an_installed_model_is_quantized_too(library, digest):
    list(create(library, CreateRequest("m", files={"f16.gguf": digest}, system="Be kind.")))

    list(create(library, CreateRequest("small", from_model="m", quantize="Q8_0")))

    small = library.find("small")
    assert (small.details.quantization_level, small.system) == ("Q8_0", "Be kind.")
    assert library.find("m").details.quantization_level == "F16"
    assert [layer.kind for layer in library.manifest_layers("small")] == ["model", "system"]


def test_the_type_that_it_has_already_changes_nothing(library, digest):
    request = CreateRequest("m", files={"f16.gguf": digest}, quantize="f16")

    lines = [line.status for line in create(library, request)]

    assert library.find("m").model_digest == digest
    assert not any("quantizing" in line for line in lines)


def test_what_is_quantized_already_is_not_quantized_again(library, tmp_path):
    small = write_llama(tmp_path / "q8.gguf", file_type=7)
    digest = library.add_blob(file_chunks(small))[0]
    request = CreateRequest("m", files={"q8.gguf": digest}, quantize="Q4_0")

    with pytest.raises(
        EngineError, match="quantization is only supported for F16, BF16 and F32 models"
    ):
        list(create(library, request))

    assert library.entries() == []
    assert sorted(path.name for path in library.blobs.folder.iterdir()) == [
        digest.replace(":", "-")
    ]


def test_a_draft_model_is_quantized_by_its_own_type(library, digest, tmp_path):
    draft = library.add_blob(file_chunks(write_llama(tmp_path / "d.gguf", seed=2)))[0]
    request = CreateRequest(
        "m", files={"f16.gguf": digest}, draft_files={"d.gguf": draft}, draft_quantize="q8_0"
    )

    list(create(library, request))

    entry = library.find("m")
    assert entry.model_digest == digest
    assert entry.draft_path is not None
    assert read_header(entry.draft_path).file_type_name == "Q8_0"


def test_the_child_ends_when_nobody_listens_any_more(tmp_path, model):
    command = [sys.executable, "-m", "engine.runtime.quantize_native", model, tmp_path / "x", "15"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        child.stdout.close()  # as if the server had been killed

        assert child.wait(60) == 3
