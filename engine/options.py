"""A model's own options and a request's in, one Options out; pure."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import fields

from engine.errors import OptionError
from engine.types import Options

_log = logging.getLogger(__name__)

LOAD_TIME = (
    "draft_model", "num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread",
)  # fmt: skip

# Sent by clients of older versions; without effect in Ollama too.
_IGNORED = frozenset((
    "tfs_z", "penalize_newline", "numa", "low_vram", "f16_kv", "vocab_only", "use_mlock",
    "logits_all", "embedding_only", "draft_num_predict",
))  # fmt: skip

_BANNED = -1e9  # what `false` adds to a token's score: it never comes
_LARGEST_BIAS = 1e9


def merge_options(base: Options, given: Mapping[str, object] | None) -> Options:
    """Lay `given` over `base`.

    Unknown names are logged and ignored, None is skipped, floats are accepted for integers.

    Raises:
        OptionError: a value has the wrong type (the text is Ollama's), or no meaning at all.
    """
    changes: dict[str, object] = {}
    for name, value in (given or {}).items():
        reader = _READERS.get(name)
        if reader is None:
            if name not in _IGNORED:
                _log.warning("option ignored name=%s", name)
        elif value is not None:
            changes[name] = reader(name, value)
            _check_meaning(name, changes[name])
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def _check_meaning(name: str, value: object) -> None:
    """Refuse what no sampler can follow; what is merely extreme is cut to size when sampling."""
    if isinstance(value, float) and not math.isfinite(value):
        raise OptionError(f'option "{name}" must be a finite number, got {value}')
    if name == "repeat_penalty" and isinstance(value, float) and value <= 0:
        raise OptionError(f'option "{name}" must be greater than 0, got {value:g}; 1 turns it off')
    if name == "timeout" and isinstance(value, float) and value < 0:
        raise OptionError(
            f'option "{name}" must be 0 or more seconds, got {value:g}; 0 is no limit'
        )
    if name == "mirostat" and value not in (0, 1, 2):
        raise OptionError(f'option "{name}" must be 0, 1 or 2, got {value}')


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(f'option "{name}" must be of type integer')
    try:
        return int(value)
    except (ValueError, OverflowError) as error:
        raise OptionError(f'option "{name}" must be of type integer') from error


def _real(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(f'option "{name}" must be of type float32')
    try:
        return float(value)
    except OverflowError as error:
        raise OptionError(f'option "{name}" must be of type float32') from error


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f'option "{name}" must be of type boolean')
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise OptionError(f'option "{name}" must be of type string')
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise OptionError(f'option "{name}" must be of type array')
    if not all(isinstance(one, str) for one in value):
        raise OptionError(f'option "{name}" must be of an array of strings')
    return tuple(one for one in value if one)


def _biases(name: str, value: object) -> tuple[tuple[str, float], ...]:
    """Read a mapping from tokens to what is added to their scores.

    Source: `logit_bias` of OpenAI's API and of llama.cpp's server, where `false` bans a token.
    """
    if not isinstance(value, Mapping):
        raise OptionError(f'option "{name}" must be of type object')
    return tuple(
        (str(token), _BANNED if bias is False else _bias(name, bias))
        for token, bias in value.items()
    )


def _bias(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(f'option "{name}" must be of an object of numbers')
    if not -_LARGEST_BIAS <= value <= _LARGEST_BIAS:  # also NaN
        raise OptionError(
            f'option "{name}" must hold numbers from -{_LARGEST_BIAS:g} to {_LARGEST_BIAS:g}, '
            f"got {value}"
        )
    return float(value)


_BY_TYPE: dict[str, Callable[[str, object], object]] = {
    "int": _whole,
    "float": _real,
    "bool": _truth,
    "str": _text,
    "tuple[str, ...]": _texts,
    "tuple[tuple[str, float], ...]": _biases,
}
_READERS = {field.name: _BY_TYPE[str(field.type)] for field in fields(Options)}
