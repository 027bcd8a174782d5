"""Whatever stands in a model's JSON files, the answer is a file or a reason, never a crash."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.library.convert import convert
from engine.library.gguf import read_header
from tests.engine.library.convert.conftest import HEADS
from tests.engine.library.convert.tiny_tokenizers import (
    byte_level,
    spaces_bpe,
    unigram,
    wordpiece,
)

MODELS = {
    "llama": ("LlamaForCausalLM", byte_level, HEADS),
    "gemma": ("Gemma2ForCausalLM", spaces_bpe, {**HEADS, "query_pre_attn_scalar": 32}),
    "bert": ("BertModel", wordpiece, {}),
    "xlm-roberta": ("XLMRobertaModel", unigram, {"pad_token_id": 1}),
}
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**31, 2**64, 10**400, 0.5, float("nan"), float("inf"), 1e300]),
    st.sampled_from(["", "a", "\0", "\ud800", "Sequence", "gelu", "../..", "[CLS]"]),
    st.sampled_from([[], {}, [[]], [None], ["a", "b"], {"type": "Sequence"}, {"content": 3}]),
)


@pytest.fixture(params=MODELS, scope="module")
def folder(request, make_model, tmp_path_factory):
    kind, make_tokenizer, sizes = MODELS[request.param]
    source, _ = make_model(kind, make_tokenizer(), **{**sizes, "num_hidden_layers": 1})
    target = tmp_path_factory.mktemp("strange")
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


def strange(n_examples):
    """Give a test that many examples of anything anywhere."""
    checks = [HealthCheck.function_scoped_fixture]
    chosen = settings(max_examples=n_examples, deadline=None, suppress_health_check=checks)
    return lambda test: given(data=st.data())(chosen(test))


@strange(40)
def test_any_value_anywhere_is_refused_or_converted(data, folder):
    check(data, folder)


@pytest.mark.slow
@strange(400)
def test_any_of_many_values_anywhere_is_refused_or_converted(data, folder):
    check(data, folder)


def check(data, folder):
    path = folder / data.draw(st.sampled_from(FILES))
    before = path.read_text(encoding="utf-8")
    whole = json.loads(before)
    change(whole, data)
    try:
        path.write_text(json.dumps(whole), encoding="utf-8")
        with suppress(RequestError):
            convert(folder, folder / "model.gguf", file_type="f16")
            read_header(folder / "model.gguf")
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        ("config.json", ("architectures",)),
        ("config.json", ("model_type",)),
        ("config.json", ("hidden_act",)),
        ("config.json", ("rope_parameters",)),
        ("tokenizer.json", ("model", "type")),
        ("tokenizer.json", ("model", "vocab")),
        ("tokenizer.json", ("normalizer",)),
        ("tokenizer.json", ("pre_tokenizer",)),
        ("tokenizer.json", ("post_processor",)),
        ("tokenizer.json", ("added_tokens",)),
        ("tokenizer_config.json", ("chat_template",)),
        ("tokenizer_config.json", ("unk_token",)),
    ],
)
def test_a_key_of_the_wrong_kind_is_refused_or_passed_over(file, keys, folder):
    path = folder / file
    before = path.read_text(encoding="utf-8")
    for value in ([], {}, [[]], {"type": []}, {"type": {}, "pattern": 3}, 7, ""):
        whole = json.loads(before)
        inner = whole
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        try:
            path.write_text(json.dumps(whole), encoding="utf-8")
            with suppress(RequestError):
                convert(folder, folder / "model.gguf")
        finally:
            path.write_text(before, encoding="utf-8")


def change(node, data):
    """Put something else at a place that is drawn step by step."""
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys[:40]))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 3)):
            node = node[key]
            continue
        node[key] = data.draw(ANYTHING)
        return
