"""What config.json says of rotary positions in, GGUF settings out; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from engine.library.convert.parts import Value
from engine.library.convert.settings import Settings
from engine.library.convert.tensors import Floats

_KINDS = ("default", "linear", "llama3", "yarn")
_YARN = {
    "attention_factor": "attn_factor",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
}


def rope_of(config: Settings, layers: str = "full_attention") -> Settings:
    """Find the settings of the rotation.

    transformers 5 writes one object `rope_parameters`, maybe one per kind of layer; earlier
    versions write `rope_theta` beside an object `rope_scaling`.
    """
    found = config.section("rope_parameters")
    if found.section(layers).values:
        return found.section(layers)
    if found.values:
        return found
    scaling = config.section("rope_scaling")
    theta = config.values.get("rope_theta")
    values = {**scaling.values, **({} if theta is None else {"rope_theta": theta})}
    return Settings(values, f"{config.file}: rope_scaling")


def rope_settings(rope: Settings, default_base: float) -> Mapping[str, Value]:
    """Translate the settings of the rotation.

    Raises:
        RequestError: a kind of scaling that cannot be converted, or a number that cannot be.
    """
    found: dict[str, Value] = {"rope.freq_base": rope.number("rope_theta", default_base)}
    kind = rope_kind(rope)
    if kind in {"linear", "yarn"}:
        found["rope.scaling.type"] = kind
        found["rope.scaling.factor"] = rope.number("factor")
    if kind == "yarn":
        length = rope.whole("original_max_position_embeddings")
        found["rope.scaling.original_context_length"] = length
        for key, name in _YARN.items():
            if rope.has(key):
                found[f"rope.scaling.yarn_{name}"] = rope.number(key)
    return found


def rope_kind(rope: Settings) -> str:
    """Name the kind of scaling; raises RequestError for one that cannot be converted."""
    key = "rope_type" if rope.has("rope_type") else "type"
    return rope.one_of(key, _KINDS, "default")


def rope_factors(rope: Settings, n_dimensions: int, default_base: float) -> Floats:
    """Compute what each rotation's frequency is divided by under Llama 3's scaling.

    Shapes:
        result: (n_dimensions / 2,).
    Source: `_compute_llama3_parameters` in transformers' modeling_rope_utils.py.
    """
    factor, low = rope.number("factor", 8), rope.number("low_freq_factor", 1)
    high = rope.number("high_freq_factor", 4)
    length = rope.whole("original_max_position_embeddings", 8192)
    base = rope.number("rope_theta", default_base)
    waves = 2 * math.pi * base ** (np.arange(0, n_dimensions, 2) / n_dimensions)
    # 1 keeps a frequency (short waves), 0 divides it by the factor (long waves).
    share = np.clip((length / waves - low) / max(high - low, 1e-9), 0, 1)
    factors: Floats = (1 / ((1 - share) / factor + share)).astype(np.float32)
    return factors
