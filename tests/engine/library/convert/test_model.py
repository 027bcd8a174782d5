"""What a folder must hold, what is refused, and what the GGUF file says in the end."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engine.errors import LibraryError, RequestError
from engine.library.convert import convert
from engine.library.gguf import read_header
from engine.library.starters import find_starter_files
from tests.engine.library.convert.conftest import HEADS
from tests.engine.library.convert.running import Run
from tests.engine.library.convert.tiny_tokenizers import byte_level

BOS_EOS = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}


@pytest.fixture(scope="module")
def llama(make_model):
    return make_model("LlamaForCausalLM", byte_level(), special=BOS_EOS, seed=7, **HEADS)[0]


@pytest.fixture
def folder(llama, tmp_path):
    shutil.copytree(llama, tmp_path / "model")
    return tmp_path / "model"


def edit(path, **changes):
    data = json.loads(path.read_text())
    data.update(changes)
    path.write_text(json.dumps({key: value for key, value in data.items() if value != "gone"}))


def edit_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("file_type", "kind"), [("f32", "F32"), ("f16", "F16"), ("bf16", "BF16"), ("q8_0", "Q8_0")]
)
def test_only_matrices_take_the_wanted_type(folder, tmp_path, file_type, kind):
    convert(folder, tmp_path / "m.gguf", file_type=file_type)

    header = read_header(tmp_path / "m.gguf", max_items=0)
    types = {tensor.name: tensor.type_name for tensor in header.tensors}
    assert types["token_embd.weight"] == types["blk.0.attn_q.weight"] == kind
    assert types["output_norm.weight"] == types["blk.2.ffn_norm.weight"] == "F32"
    assert header.file_type_name == kind
    with Run(tmp_path / "m.gguf") as run:
        assert np.isfinite(run.logits([5, 6, 7])).all()


def test_the_same_folder_gives_the_same_bytes(folder, tmp_path):
    for name in ("a", "b"):
        convert(folder, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_shards_give_the_same_bytes_as_one_file(folder, tmp_path):
    convert(folder, tmp_path / "one.gguf")
    tensors = load_file(folder / "model.safetensors")
    places = {name: f"part-{at % 3}.safetensors" for at, name in enumerate(sorted(tensors))}
    for file in sorted(set(places.values())):
        part = {name: tensors[name] for name, place in places.items() if place == file}
        save_file(part, folder / file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    convert(folder, tmp_path / "three.gguf")

    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "three.gguf").read_bytes()


def test_the_chat_template_goes_along(folder, tmp_path):
    listed = [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]
    edit(folder / "tokenizer_config.json", chat_template=listed)
    convert(folder, tmp_path / "listed.gguf")
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    convert(folder, tmp_path / "file.gguf")

    templates = [
        read_header(tmp_path / name, max_items=0).metadata["tokenizer.chat_template"]
        for name in ("listed.gguf", "file.gguf")
    ]
    assert templates == ["D", "{{ messages }}"]


def test_missing_tensors_are_named(folder, tmp_path):
    def change(tensors):
        for name in [name for name in tensors if "down_proj" in name]:
            del tensors[name]

    edit_tensors(folder, change)

    with pytest.raises(RequestError, match=r"3 tensors are missing: layers.0.mlp.down_proj.weight"):
        convert(folder, tmp_path / "m.gguf")


def test_tensors_without_a_place_are_named_in_a_warning(folder, tmp_path, warnings_of):
    edit_tensors(folder, lambda tensors: tensors.update(extra=np.ones(3, np.float32)))

    convert(folder, tmp_path / "m.gguf")

    assert any("1 tensors of the source are not used: extra" in text for text in warnings_of())


def test_a_value_too_large_for_f16_is_said(folder, tmp_path):
    edit_tensors(folder, lambda tensors: tensors["lm_head.weight"].__setitem__((0, 0), 1e6))

    with pytest.raises(RequestError, match="output.weight has values that f16 cannot hold"):
        convert(folder, tmp_path / "m.gguf")
    convert(folder, tmp_path / "m.gguf", file_type="bf16")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "'GPT2LMHeadModel'.*cannot be converted; supp"),
        ({"architectures": "gone"}, "the architecture None"),
        ({"architectures": [["LlamaForCausalLM"]]}, "cannot be converted; supported"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'; supported: silu"),
        ({"hidden_size": 96}, "has the shape .*; config.json wants"),
        ({"vocab_size": 10**12}, "vocab_size is 1000000000000; a whole number from 1"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000; a whole number from 1"),
        ({"num_hidden_layers": 4}, "are missing: layers.3"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_attention_heads": True}, "num_attention_heads is True"),
        ({"num_key_value_heads": 3}, "do not fit"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan; it must be above 0"),
        ({"rms_norm_eps": "tiny"}, "rms_norm_eps is 'tiny'; a number is needed"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "rope_type is 'longrope'; supported"),
        ({"rope_parameters": {"rope_type": "linear"}}, "factor is None; a number is needed"),
        ({"quantization_config": {"bits": 4}}, "the weights are quantized already"),
    ],
)
def test_a_config_that_cannot_be_right_is_refused(folder, tmp_path, changes, message):
    edit(folder / "config.json", **changes)

    with pytest.raises(RequestError, match=message):
        convert(folder, tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.json", None, "cannot read config.json"),
        ("config.json", "no json", "config.json is not JSON"),
        ("config.json", "[" * 100_000, "config.json is not JSON"),
        ("config.json", "[]", "config.json is not a JSON object"),
        ("tokenizer.json", None, "holds no tokenizer"),
        ("tokenizer.json", '{"model": {"type": "Other"}}', "type 'Other' cannot be converted"),
        ("tokenizer.json", '{"model": {"type": "BPE"}}', "the model has no vocab"),
        (
            "tokenizer.json",
            '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}}',
            "the merge 'a b c' is no pair",
        ),
        (
            "tokenizer.json",
            '{"model": {"type": "BPE", "vocab": {"a": -1}}}',
            "the token 'a' has the number -1",
        ),
        (
            "tokenizer.json",
            '{"model": {"type": "BPE", "vocab": {"a": 2000000000}}}',
            "numbers 1 tokens up to 2,000,000,001",
        ),
        (
            "tokenizer.json",
            '{"model": {"type": "BPE", "byte_fallback": true, "vocab": {"a": 0}}}',
            "lacks 256 tokens for single bytes",
        ),
        ("tokenizer.json", '{"model": {"type": "Unigram", "vocab": [["a"]]}}', "no token with a"),
    ],
)
def test_files_that_cannot_be_right_are_refused(folder, tmp_path, name, text, message):
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text, encoding="utf-8")

    with pytest.raises(RequestError, match=message):
        convert(folder, tmp_path / "m.gguf")


def test_a_large_text_file_is_not_read_whole(folder, tmp_path):
    os.truncate(folder / "tokenizer.json", 1 << 40)

    with pytest.raises(RequestError, match="tokenizer.json has 1,099,511,627,776 bytes; at most"):
        convert(folder, tmp_path / "m.gguf")


def test_an_unknown_type_and_a_target_that_cannot_be_written_are_refused(folder, tmp_path):
    with pytest.raises(RequestError, match="unknown file type 'q9'; supported: f32, f16, bf16"):
        convert(folder, tmp_path / "m.gguf", file_type="q9")
    with pytest.raises(LibraryError, match="cannot write"):
        convert(folder, tmp_path / "no such folder" / "m.gguf")


@pytest.fixture
def minilm(tmp_path):
    files = find_starter_files()
    if files is None:
        pytest.skip("the starter packages are not installed")
    shutil.copytree(files.embedding_folder, tmp_path / "minilm")
    return tmp_path / "minilm"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "only pooling by mean"),
        ("modules.json", '[{"type": "st.models.Dense", "path": "2_Dense"}]', "of the kind Dense"),
        ("modules.json", '[{"type": "x.Pooling", "path": "../.."}]', "leads out of the model's"),
        (
            "tokenizer.json",
            '{"model": {"type": "WordPiece"}, "normalizer": {"type": "NFC"}}',
            "the normalizer is 'NFC'",
        ),
        ("vocab.txt", "[CLS]\n[SEP]\n", r"the vocabulary lacks \[UNK\], \[PAD\]"),
    ],
)
def test_a_sentence_transformer_that_cannot_be_followed_is_refused(minilm, name, text, message):
    (minilm / name).write_text(text, encoding="utf-8")
    if name == "vocab.txt":
        (minilm / "tokenizer.json").unlink()

    with pytest.raises(RequestError, match=message):
        convert(minilm, minilm / "m.gguf")


def test_pooling_comes_from_the_module(minilm):
    (minilm / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}', encoding="utf-8")
    convert(minilm, minilm / "m.gguf", file_type="q8_0")

    header = read_header(minilm / "m.gguf", max_items=0)
    types = {tensor.name: tensor.type_name for tensor in header.tensors}
    assert header.metadata["bert.pooling_type"] == 2
    assert header.metadata["bert.attention.causal"] is False
    assert types["position_embd.weight"] == types["token_types.weight"] == "F32"
    assert (types["blk.0.attn_q.weight"], types["blk.0.attn_v.weight"]) == ("Q8_0", "F16")
