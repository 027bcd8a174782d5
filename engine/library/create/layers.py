"""Texts, parameters, messages, config in, the bytes of their layers out; as Ollama writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine.library.manifest import LAYER_ORDER, Layer, layer_type
from engine.types import Json, Message

_GO_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_CONFIG_ORDER = (
    "model_format",
    "model_family",
    "model_families",
    "model_type",
    "file_type",
    "renderer",
    "parser",
    "requires",
    "remote_host",
    "remote_model",
    "capabilities",
    "context_length",
    "embedding_length",
    "base_name",
    "draft",
    "architecture",
    "os",
    "rootfs",
)
_MAX_WHOLE = 1e21  # from here on Go writes floats with an exponent


def go_json(value: object) -> bytes:
    """Write JSON byte for byte as Go's encoder does, so that equal layers have equal digests.

    Source: Go's encoding/json: compact, `<>&` escaped, a newline at the end; keys of maps are
    sorted by whoever calls.
    """
    text = json.dumps(_go_numbers(value), ensure_ascii=False, separators=(",", ":"))
    return text.translate(_GO_ESCAPES).encode() + b"\n"


def params_json(params: Mapping[str, object]) -> bytes:
    """Write a params layer."""
    return go_json(dict(sorted(params.items())))


def messages_json(messages: Sequence[Message]) -> bytes:
    """Write a messages layer."""
    return go_json([_message(turn) for turn in messages])


def config_json(config: Mapping[str, object], layers: Sequence[Layer]) -> bytes:
    """Write a config blob: known fields in Ollama's order, others behind them."""
    full: Json = {
        **config,
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    known = {key: full[key] for key in _CONFIG_ORDER if key in full}
    return go_json(known | full)


def ordered(layers: Sequence[Layer]) -> list[Layer]:
    """Sort by kind, keep the order within a kind, drop what stands twice."""
    order = {layer_type(kind): place for place, kind in enumerate(LAYER_ORDER)}
    unique = dict.fromkeys(layers)
    return sorted(unique, key=lambda layer: order.get(layer.media_type, len(order)))


def _message(turn: Message) -> Json:
    told: Json = {"role": turn.role, "content": turn.content}
    return told | {"thinking": turn.thinking} if turn.thinking else told


def _go_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_WHOLE:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _go_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_go_numbers(item) for item in value]
    return value
