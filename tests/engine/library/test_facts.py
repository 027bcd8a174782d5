"""What a model is and can do is read from its header, its templates and its config."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.library.facts import HeaderFacts, capabilities, header_facts, human_count
from engine.library.gguf import read_header

CHAT = HeaderFacts(
    architecture="llama",
    n_parameters=1_000_000,
    file_type_name="F16",
    is_embedding=False,
    has_vision=False,
    has_audio=False,
    chat_template="",
    context_length=128,
    embedding_length=32,
)


def facts_of(path):
    return header_facts(read_header(path))


@pytest.mark.parametrize(
    ("settings", "is_embedding", "is_reranker", "pooling"),
    [
        ({}, False, False, None),
        ({"llama__pooling_type": 0}, True, False, 0),
        ({"llama__pooling_type": 1}, True, False, 1),
        ({"llama__pooling_type": 4}, True, True, 4),
        ({"bert__pooling_type": 4}, False, False, None),
    ],
)
def test_pooling_tells_embedding_models_and_rerankers(
    make_gguf, settings, is_embedding, is_reranker, pooling
):
    facts = facts_of(make_gguf(**settings))

    assert (facts.is_embedding, facts.is_reranker, facts.pooling_type) == (
        is_embedding,
        is_reranker,
        pooling,
    )


@pytest.mark.parametrize(
    ("settings", "vision", "audio"),
    [
        ({"llama__vision__block_count": 2}, True, False),
        ({"llama__audio__block_count": 2}, False, True),
        ({"clip__has_audio_encoder": True}, False, True),
        ({"clip__has_audio_encoder": False}, False, False),
    ],
)
def test_towers_tell_vision_and_audio(make_gguf, settings, vision, audio):
    facts = facts_of(make_gguf(**settings))

    assert (facts.has_vision, facts.has_audio) == (vision, audio)


@pytest.mark.parametrize(
    ("changes", "config", "template", "found"),
    [
        ({}, {}, None, "completion"),
        ({"is_embedding": True}, {}, None, "embedding"),
        ({"is_embedding": True, "pooling_type": 4}, {}, None, "embedding"),
        ({"has_vision": True}, {}, None, "completion vision"),
        ({"has_audio": True}, {}, None, "completion audio"),
        ({"chat_template": "{{ tools }}"}, {}, None, "completion tools"),
        ({"chat_template": "<think> </think>"}, {}, None, "completion thinking"),
        ({}, {}, "{{ .Tools }}{{ .Prompt }}", "completion tools"),
        ({}, {}, "{{ .Prompt }}{{ .Suffix }}", "completion insert"),
        (
            {},
            {},
            "{{ range .Messages }}{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}{{ end }}",
            "completion thinking",
        ),
        ({}, {}, "{{ if .Broken", "completion"),
        ({}, {"parser": "qwen3-coder"}, None, "completion tools"),
        ({}, {"parser": "gemma4"}, None, "completion tools thinking"),
        ({}, {"parser": "passthrough"}, None, "completion"),
        ({}, {"model_family": "gptoss"}, None, "completion thinking"),
        ({"architecture": "gpt-oss"}, {}, None, "completion thinking"),
        ({}, {"capabilities": ["image"]}, None, "completion image"),
        ({}, {"capabilities": "image"}, None, "completion"),
    ],
)
def test_capabilities_are_ollamas_words(changes, config, template, found):
    assert capabilities(config, replace(CHAT, **changes), template) == tuple(found.split())


def test_a_projector_gives_eyes_to_a_model_without():
    assert capabilities({}, CHAT, None, has_projector=True) == ("completion", "vision")


def test_a_file_that_cannot_be_read_is_taken_for_a_chat_model():
    assert capabilities({}, None, None) == ("completion",)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (7_600_000_000, "7.6B"),
        (7_000_000_000, "7B"),
        (494_030_000, "494.03M"),
        (12_000, "12K"),
        (9, "9"),
    ],
)
def test_counts_are_written_as_ollama_does(count, text):
    assert human_count(count) == text
