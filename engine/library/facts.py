"""A GGUF header and a model's config in, what the model is and can do out; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.library.gguf import Header
from engine.types import Json, ModelDetails

_GO_TOOLS = re.compile(r"\{\{[^}]*\.Tools\b")
_GO_SUFFIX = re.compile(r"\{\{[^}]*\.Suffix\b")
_GO_THINKING = re.compile(r"\{\{[^}]*\.Thinking\b")
_JINJA_TOOLS = re.compile(r"\btools\b|\btool_calls?\b")


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


def header_facts(header: Header) -> HeaderFacts:
    """Pick the facts out of a header."""
    architecture, metadata = header.architecture, header.metadata
    template = metadata.get("tokenizer.chat_template")
    return HeaderFacts(
        architecture=architecture,
        n_parameters=header.n_parameters,
        file_type_name=header.file_type_name,
        is_embedding=f"{architecture}.pooling_type" in metadata,
        has_vision=f"{architecture}.vision.block_count" in metadata,
        has_audio=f"{architecture}.audio.block_count" in metadata
        or metadata.get("clip.has_audio_encoder") is True,
        chat_template=template if isinstance(template, str) else "",
        context_length=_whole(metadata.get(f"{architecture}.context_length")),
        embedding_length=_whole(metadata.get(f"{architecture}.embedding_length")),
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

    Args:
        template: the Go template of the TEMPLATE layer.
        has_projector: whether there is a projector layer.
    """
    go, jinja = template or "", facts.chat_template if facts else ""
    has_think_tags = ("<think>" in jinja and "</think>" in jinja) or bool(
        re.search(r"split\(\s*['\"]</think>", jinja)
    )
    family = _text(config, "model_family") or (facts.architecture if facts else "")
    found = {
        "embedding": facts is not None and facts.is_embedding,
        "completion": facts is None or not facts.is_embedding,
        "vision": has_projector or (facts is not None and facts.has_vision),
        "audio": facts is not None and facts.has_audio,
        "tools": bool(_GO_TOOLS.search(go) or _JINJA_TOOLS.search(jinja)),
        "insert": bool(_GO_SUFFIX.search(go)),
        "thinking": bool(_GO_THINKING.search(go)) or has_think_tags or family == "gptoss",
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
