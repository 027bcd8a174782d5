"""Options as strangers send them in, options that llama.cpp survives out; pure."""

from __future__ import annotations

from dataclasses import replace

from engine.types import Options

_MIN_TEMPERATURE = 1e-4  # below, scores divided by it leave the range of float32
_MAX_LOOK_BACK = 1 << 20  # tokens; the native samplers reserve memory for all of them

# Where a value is only extreme, the nearest one that can be computed means the same.
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 1e4),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repeat_penalty": (1e-3, 1e3),
    "presence_penalty": (-1e4, 1e4),
    "frequency_penalty": (-1e4, 1e4),
    "dry_multiplier": (-1e3, 1e3),
    "dry_base": (0.0, 1e2),
    "top_n_sigma": (-1.0, 1e4),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "dynatemp_range": (0.0, 1e4),
    "dynatemp_exponent": (0.0, 1e2),
    "mirostat_tau": (0.0, 1e2),
    "mirostat_eta": (0.0, 1.0),
    "adaptive_target": (-1.0, 1.0),
    "adaptive_decay": (0.0, 0.99),
    "timeout": (0.0, 1e9),
}
_WHOLE_RANGES: dict[str, tuple[int, int]] = {
    "top_k": (0, 1 << 30),
    "min_keep": (0, 1 << 20),
    "dry_allowed_length": (0, 1 << 20),
}


def tamed(options: Options, n_ctx: int = 0) -> Options:
    """Cut every number to what llama.cpp's samplers can compute with.

    Args:
        n_ctx: tokens that a sequence can hold; 0 = not known.
    """
    # In this order min and max also turn NaN into a bound instead of letting it through.
    changes: dict[str, object] = {
        name: max(low, min(high, getattr(options, name))) for name, (low, high) in _RANGES.items()
    }
    for name, (least, most) in _WHOLE_RANGES.items():
        changes[name] = max(least, min(most, getattr(options, name)))
    for name in ("repeat_last_n", "dry_penalty_last_n"):
        changes[name] = _look_back(getattr(options, name), n_ctx)
    if 0 < options.temperature < _MIN_TEMPERATURE:
        changes["temperature"] = 0.0
    return replace(options, **changes)  # type: ignore[arg-type]


def _look_back(wanted: int, n_ctx: int) -> int:
    most = min(n_ctx, _MAX_LOOK_BACK) if n_ctx > 0 else _MAX_LOOK_BACK
    if wanted < 0:  # llama.cpp itself takes -1 for off
        return most if n_ctx > 0 else 0
    return min(wanted, most)
