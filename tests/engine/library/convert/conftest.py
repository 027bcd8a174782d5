"""Tiny random models in the form of Hugging Face, made in the test."""

from __future__ import annotations

import logging

import pytest

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
HEADS = {"num_key_value_heads": 2, "head_dim": 32}


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    """Give a function that saves a random model with a tokenizer and returns folder and model."""
    import torch
    import transformers
    from transformers import PreTrainedTokenizerFast

    transformers.logging.disable_progress_bar()

    def make(kind, tokenizer, *, seed=0, special=None, **settings):
        folder = tmp_path_factory.mktemp(kind)
        config_class = getattr(transformers, kind).config_class
        values = {**SIZES, "vocab_size": tokenizer.get_vocab_size(), **settings}
        torch.manual_seed(seed)
        model = getattr(transformers, kind)(config_class(**values)).eval().float()
        with torch.no_grad():  # wide enough that the best token is far ahead of the second
            for name, values in model.named_parameters():
                if values.ndim == 2:
                    values.normal_(0, 0.05 if "embed_tokens" in name else 0.2)
                elif "norm" in name.casefold() or name.endswith("bias"):
                    values.add_(torch.randn_like(values) * 0.2)
        model.save_pretrained(folder)
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **(special or {}))
        fast.save_pretrained(folder)
        return folder, model

    return make


@pytest.fixture
def warnings_of(caplog):
    """Give the warnings that conversions logged."""
    caplog.set_level(logging.WARNING, logger="engine.library.convert")
    return lambda: [record.getMessage() for record in caplog.records]
