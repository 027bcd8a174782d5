"""A GGUF header and a model's config in, what the model is and can do out; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.library.gguf import Header
from engine.library.template.choose import go_abilities, jinja_abilities
from engine.types import Json, ModelDetails

_RANK_POOLING = 4  # LLAMA_POOLING_TYPE_RANK of llama.h: one score, no vector
_GPT_OSS = frozenset({"gptoss", "gpt-oss"})
# Ollama's parsers, which a config may name in place of a template that tells, and what each reads.
_PARSER_TOOLS = frozenset(
    {
        "cogito",
        "deepseek3",
        "functiongemma",
        "gemma4",
        "gemma4-no-thinking",
        "glm-4.7",
        "harmony",
        "lfm2",
        "lfm2-thinking",
        "ministral",
        "nemotron-3-nano",
        "olmo3",
        "qwen3",
        "qwen3-coder",
        "qwen3-thinking",
        "qwen3-vl-instruct",
        "qwen3-vl-thinking",
        "qwen3.5",
    }
)
_PARSER_THINKING = frozenset(
    {
        "cogito",
        "deepseek3",
        "gemma4",
        "glm-4.7",
        "harmony",
        "lfm2-thinking",
        "nemotron-3-nano",
        "olmo3-think",
        "qwen3-thinking",
        "qwen3-vl-thinking",
        "qwen3.5",
    }
)


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What is worth remembering of a GGUF header: small, for it is kept for every model."""

    architecture: str
    n_parameters: int
    file_type_name: str
    is_embedding: bool
    has_vision: bool
    has_audio: bool
    chat_template: str  # Jinja; empty if the file has none
    context_length: int  # tokens that the model was trained for; 0 if unknown
    embedding_length: int  # dimensions; 0 if unknown
    pooling_type: int | None = None  # llama.h's number; None if the file says nothing

    @property
    def is_reranker(self) -> bool:
        """Whether the model scores a pair of texts instead of turning one into a vector."""
        return self.pooling_type == _RANK_POOLING


def header_facts(header: Header) -> HeaderFacts:
    """Pick the facts out of a header."""
    architecture, metadata = header.architecture, header.metadata
    template = metadata.get("tokenizer.chat_template")
    pooling = metadata.get(f"{architecture}.pooling_type")
    return HeaderFacts(
        architecture=architecture,
        n_parameters=header.n_parameters,
        file_type_name=header.file_type_name,
        is_embedding=pooling is not None,
        has_vision=f"{architecture}.vision.block_count" in metadata,
        has_audio=f"{architecture}.audio.block_count" in metadata
        or metadata.get("clip.has_audio_encoder") is True
        or metadata.get(f"{architecture}.has_audio_encoder") is True,
        chat_template=template if isinstance(template, str) else "",
        context_length=_whole(metadata.get(f"{architecture}.context_length")),
        embedding_length=_whole(metadata.get(f"{architecture}.embedding_length")),
        pooling_type=_whole(pooling) if pooling is not None else None,
    )


def model_config(facts: HeaderFacts) -> Json:
    """Describe a model in the words of a manifest's config blob."""
    config: Json = {
        "model_format": "gguf",
        "model_family": facts.architecture,
        "model_families": [facts.architecture],
        "model_type": human_count(facts.n_parameters),
        "file_type": facts.file_type_name,
    }
    if facts.context_length:
        config["context_length"] = facts.context_length
    if facts.embedding_length:
        config["embedding_length"] = facts.embedding_length
    return config


def details(config: Mapping[str, object], facts: HeaderFacts | None) -> ModelDetails:
    """Say what a model is: the config's words, the header's where the config has none."""
    family = _text(config, "model_family") or (facts.architecture if facts else "")
    families = config.get("model_families")
    listed = tuple(str(each) for each in families) if isinstance(families, list) else ()
    file_type = _text(config, "file_type")
    if facts and file_type.lower() in {"", "unknown"}:
        file_type = facts.file_type_name
    size = _text(config, "model_type") or (human_count(facts.n_parameters) if facts else "")
    return ModelDetails(
        family=family,
        parameter_size=size,
        quantization_level=file_type,
        families=listed or ((family,) if family else ()),
        format=_text(config, "model_format") or "gguf",
    )


def capabilities(
    config: Mapping[str, object],
    facts: HeaderFacts | None,
    template: str | None,
    *,
    has_projector: bool = False,
) -> tuple[str, ...]:
    """Derive what a model can do from its header, its templates and its config.

    The words are Ollama's. It has none for rerankers: they are listed as `embedding`.

    Args:
        template: the Go template of the TEMPLATE layer.
        has_projector: whether there is a projector layer.
    """
    go, jinja = template or "", facts.chat_template if facts else ""
    ours, native = go_abilities(go), jinja_abilities(jinja)
    family = _text(config, "model_family") or (facts.architecture if facts else "")
    parser = _text(config, "parser")
    is_embedding = facts is not None and facts.is_embedding
    found = {
        "embedding": is_embedding,
        "completion": not is_embedding,
        "vision": has_projector or (facts is not None and facts.has_vision),
        "audio": facts is not None and facts.has_audio,
        "tools": ours.uses_tools or native.uses_tools or parser in _PARSER_TOOLS,
        "insert": ours.uses_suffix,
        "thinking": ours.uses_thinking
        or native.uses_thinking
        or parser in _PARSER_THINKING
        or family in _GPT_OSS,
    }
    listed = config.get("capabilities")
    for name in listed if isinstance(listed, list) else []:
        found[str(name)] = True
    return tuple(name for name, is_there in found.items() if is_there)


def human_count(n_parameters: int) -> str:
    """Write a parameter count as Ollama does: 7.6B, 494.03M, 12K."""
    if n_parameters >= 1_000_000_000:
        billions = f"{n_parameters / 1e9:.1f}"
        return f"{billions.removesuffix('.0')}B"
    if n_parameters >= 1_000_000:
        return f"{n_parameters / 1e6:.2f}M"
    if n_parameters >= 1_000:
        return f"{n_parameters // 1_000}K"
    return str(n_parameters)


def _text(config: Mapping[str, object], key: str) -> str:
    value = config.get(key)
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
