"""An adapter added by llama.cpp changes the answers as PEFT would."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.errors import RequestError
from engine.library.convert import convert, convert_adapter
from tests.engine.library.convert.conftest import HEADS
from tests.engine.library.convert.running import Run
from tests.engine.library.convert.tiny_tokenizers import byte_level

BOS_EOS = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
RANK, ALPHA = 4, 12
CONFIG = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none"}
TARGETS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # fmt: skip


@pytest.fixture(scope="module", params=["LlamaForCausalLM", "Qwen3ForCausalLM"])
def base(request, make_model, tmp_path_factory):
    tokenizer = byte_level("llama-bpe" if request.param.startswith("Llama") else "qwen2")
    folder, model = make_model(request.param, tokenizer, special=BOS_EOS, seed=5, **HEADS)
    path = tmp_path_factory.mktemp("base") / "base.gguf"
    convert(folder, path, file_type="f32")
    return model, path


def save_adapter(folder, model, config, targets=TARGETS):
    """Save random factors in PEFT's spelling; return them by module."""
    torch.manual_seed(1)
    factors, tensors = {}, {}
    for name, module in model.named_modules():
        if any(name.endswith(target) for target in targets):
            rows, columns = module.weight.shape
            a, b = torch.randn(RANK, columns) * 0.2, torch.randn(rows, RANK) * 0.2
            factors[name] = (a, b)
            tensors[f"base_model.model.{name}.lora_A.weight"] = a.contiguous()
            tensors[f"base_model.model.{name}.lora_B.weight"] = b.contiguous()
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return factors


def wanted_logits(model, tokens, factors, scale_of):
    """Compute with the adapter merged in, and take it out again."""
    modules = dict(model.named_modules())
    with torch.no_grad():
        before = {name: modules[name].weight.clone() for name in factors}
        for name, (a, b) in factors.items():
            modules[name].weight += scale_of(name) * (b @ a)
        found = model(torch.tensor([tokens])).logits[0].numpy()
        for name, weight in before.items():
            modules[name].weight.copy_(weight)
    return found


@pytest.mark.parametrize(
    ("more", "scale_of"),
    [
        ({}, lambda _: ALPHA / RANK),
        ({"use_rslora": True}, lambda _: ALPHA / math.sqrt(RANK)),
        (
            {"alpha_pattern": {"mlp.down_proj": 2}},
            lambda name: (2 if name.endswith("mlp.down_proj") else ALPHA) / RANK,
        ),
    ],
    ids=["plain", "rank-stabilised", "alpha of one module"],
)
def test_answers_are_those_of_the_merged_model(base, more, scale_of, tmp_path):
    model, path = base
    factors = save_adapter(tmp_path / "adapter", model, {**CONFIG, **more})
    convert_adapter(tmp_path / "adapter", path, tmp_path / "adapter.gguf")
    tokens = list(range(3, 40))

    wanted = wanted_logits(model, tokens, factors, scale_of)
    with Run(path) as plain, Run(path, adapter=tmp_path / "adapter.gguf") as adapted:
        without, found = plain.logits(tokens), adapted.logits(tokens)

    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()
    assert np.abs(without - wanted).max() > 0.1 * np.abs(wanted).max()


def test_an_adapter_may_change_the_embeddings(base, tmp_path):
    model, path = base
    n_vocab, width = model.model.embed_tokens.weight.shape
    torch.manual_seed(2)
    a, b = torch.randn(RANK, n_vocab) * 0.1, torch.randn(width, RANK) * 0.1
    name = "base_model.model.model.embed_tokens.lora_embedding_"
    save_file({name + "A": a, name + "B": b}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(CONFIG))
    convert_adapter(tmp_path, path, tmp_path / "adapter.gguf")
    tokens = list(range(3, 40))

    factors = {"model.embed_tokens": (b.T, a.T)}
    wanted = wanted_logits(model, tokens, factors, lambda _: ALPHA / RANK)
    with Run(path, adapter=tmp_path / "adapter.gguf") as adapted:
        found = adapted.logits(tokens)

    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'; supported: LORA"),
        ({"bias": "all"}, "bias is 'all'; supported: none"),
        ({"use_dora": True}, "use_dora cannot be converted"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"lora_alpha": "high"}, "lora_alpha is 'high'; a number is needed"),
        ({"lora_alpha": 0}, "lora_alpha is 0; it must be above 0"),
    ],
)
def test_other_kinds_of_adapters_are_refused(base, more, message, tmp_path):
    model, path = base
    save_adapter(tmp_path / "adapter", model, {**CONFIG, **more})

    with pytest.raises(RequestError, match=message):
        convert_adapter(tmp_path / "adapter", path, tmp_path / "adapter.gguf")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "the adapter has no tensors"),
        ({"model.norm.weight": (64,)}, "is no factor of a LoRA"),
        ({"x.layers.0.mlp.down_proj.lora_A.weight": (4, 128)}, "only one of the two factors"),
        (
            {
                "x.layers.0.mlp.down_proj.lora_A.weight": (4, 96),
                "x.layers.0.mlp.down_proj.lora_B.weight": (64, 4),
            },
            "another model's adapter",
        ),
        ({"x.layers.9.mlp.down_proj.lora_A.weight": (4, 128)}, "which the model does not have"),
        ({"x.layers.0.mlp.router.lora_A.weight": (4, 128)}, "the adapter changes x.layers.0.mlp"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(base, tensors, message, tmp_path):
    _, path = base
    torch_tensors = {name: torch.zeros(shape) for name, shape in tensors.items()}
    save_file(torch_tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(CONFIG))

    with pytest.raises(RequestError, match=message):
        convert_adapter(tmp_path, path, tmp_path / "adapter.gguf")
