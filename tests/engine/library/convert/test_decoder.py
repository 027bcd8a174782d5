"""Tiny random models answer as they do in transformers, token for token."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.library.convert import convert
from tests.engine.library.convert.conftest import HEADS
from tests.engine.library.convert.running import Run
from tests.engine.library.convert.tiny_tokenizers import byte_level, spaces_bpe

PROMPT = "The quick brown fox 知识库 finds 12345 documents."
BOS_EOS = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
SPACES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
GEMMA = {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 32}

CASES = {
    "llama": ("LlamaForCausalLM", "llama-bpe", HEADS),
    "llama, rotation of Llama 3, tied": (
        "LlamaForCausalLM",
        "llama-bpe",
        {**HEADS, "rope_parameters": LLAMA3_ROPE, "tie_word_embeddings": True},
    ),
    "llama, biases": (
        "LlamaForCausalLM",
        "llama-bpe",
        {**HEADS, "attention_bias": True, "mlp_bias": True},
    ),
    "llama, linear rotation": (
        "LlamaForCausalLM",
        "llama-bpe",
        {**HEADS, "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}},
    ),
    "mistral": ("MistralForCausalLM", "tekken", {**HEADS, "sliding_window": None}),
    "qwen2": ("Qwen2ForCausalLM", "qwen2", {"num_key_value_heads": 2}),
    "qwen2, rotation by YaRN": (
        "Qwen2ForCausalLM",
        "qwen2",
        {"num_key_value_heads": 2, "rope_parameters": YARN},
    ),
    "qwen3": ("Qwen3ForCausalLM", "qwen2", HEADS),
    "gemma": ("GemmaForCausalLM", "spaces", {**HEADS, "hidden_activation": "gelu_pytorch_tanh"}),
    "gemma2": ("Gemma2ForCausalLM", "spaces", {**HEADS, **GEMMA, "sliding_window": 32}),
    "gemma3": ("Gemma3ForCausalLM", "spaces", {**HEADS, **GEMMA, "sliding_window": 32,
        "num_hidden_layers": 7}),
}  # fmt: skip


@pytest.fixture(params=CASES, scope="module")
def case(request, make_model, tmp_path_factory):
    kind, cut, settings = CASES[request.param]
    tokenizer = spaces_bpe(prefix=False) if cut == "spaces" else byte_level(cut)
    special = SPACES if cut == "spaces" else BOS_EOS
    folder, model = make_model(kind, tokenizer, special=special, **settings)
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    convert(folder, path, file_type="f32")
    with Run(path) as run:
        yield model, tokenizer, run


def test_the_prompt_becomes_the_same_tokens(case):
    _, tokenizer, run = case

    assert run.tokens(PROMPT, add_special=True) == tokenizer.encode(PROMPT).ids


def test_scores_are_those_of_transformers(case):
    model, tokenizer, run = case
    tokens = tokenizer.encode(PROMPT).ids

    with torch.no_grad():
        wanted = model(torch.tensor([tokens])).logits[0].numpy()

    assert np.abs(run.logits(tokens) - wanted).max() < 2e-3 * np.abs(wanted).max()


def test_sixty_four_greedy_tokens_are_those_of_transformers(case):
    model, tokenizer, run = case
    prompt = tokenizer.encode(PROMPT).ids

    found = run.greedy(prompt, 64)

    with torch.no_grad():
        logits = model(torch.tensor([prompt + found])).logits[0]
    assert logits[len(prompt) - 1 : -1].argmax(-1).tolist() == found


def test_a_model_for_embedding_pools_as_its_modules_say(make_model, tmp_path):
    tokenizer = byte_level("qwen2")
    folder, model = make_model("Qwen3Model", tokenizer, special=BOS_EOS, **HEADS)
    modules = [{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "1_Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    text = json.dumps({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False})
    (folder / "1_Pooling" / "config.json").write_text(text)
    convert(folder, tmp_path / "model.gguf", file_type="f32")
    tokens = tokenizer.encode(PROMPT).ids

    with torch.no_grad():
        wanted = model(torch.tensor([tokens])).last_hidden_state[0, -1].numpy()
    with Run(tmp_path / "model.gguf", is_embedding=True) as run:
        found = run.vector(tokens)

    assert found @ wanted / np.linalg.norm(wanted) > 0.9999


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
def test_of_a_model_that_sees_the_part_that_reads_is_taken(
    prefix, make_model, tmp_path, warnings_of
):
    settings = {**HEADS, **GEMMA, "sliding_window": 32}
    folder, _ = make_model(
        "Gemma3ForCausalLM", spaces_bpe(prefix=False), special=SPACES, **settings
    )
    convert(folder, tmp_path / "text.gguf")
    config = json.loads((folder / "config.json").read_text())
    whole = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": config}
    (folder / "config.json").write_text(json.dumps(whole))
    tensors = load_file(folder / "model.safetensors")
    renamed = {name.replace("model.", prefix, 1): one for name, one in tensors.items()}
    renamed["vision_tower.encoder.weight"] = torch.zeros(3)
    save_file(renamed, folder / "model.safetensors")

    convert(folder, tmp_path / "whole.gguf")

    assert (tmp_path / "whole.gguf").read_bytes() == (tmp_path / "text.gguf").read_bytes()
    assert any("the part that sees images is left out" in text for text in warnings_of())


def test_a_sliding_window_that_is_lost_is_said(make_model, tmp_path, warnings_of):
    settings = {**HEADS, "sliding_window": 64}
    folder, _ = make_model("MistralForCausalLM", byte_level("tekken"), special=BOS_EOS, **settings)

    convert(folder, tmp_path / "model.gguf")

    assert any("sliding_window 64 is not kept" in text for text in warnings_of())
