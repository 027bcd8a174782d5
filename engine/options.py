"""A model's own options and a request's in, one Options out; pure."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import fields

from engine.errors import OptionError
from engine.types import Options

_log = logging.getLogger(__name__)

LOAD_TIME = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread")

# Sent by clients of older versions; without effect in Ollama too.
_IGNORED = frozenset((
    "mirostat", "mirostat_tau", "mirostat_eta", "tfs_z", "penalize_newline", "numa", "low_vram",
    "f16_kv", "vocab_only", "use_mlock", "logits_all", "embedding_only", "draft_num_predict",
))  # fmt: skip


def merge_options(base: Options, given: Mapping[str, object] | None) -> Options:
    """Lay `given` over `base`.

    Unknown names are logged and ignored, None is skipped, floats are accepted for integers.

    Raises:
        OptionError: a value has the wrong type; the text is Ollama's.
    """
    changes: dict[str, object] = {}
    for name, value in (given or {}).items():
        reader = _READERS.get(name)
        if reader is None:
            if name not in _IGNORED:
                _log.warning("option ignored name=%s", name)
        elif value is not None:
            changes[name] = reader(name, value)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


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
    return float(value)


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f'option "{name}" must be of type boolean')
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise OptionError(f'option "{name}" must be of type array')
    if not all(isinstance(one, str) for one in value):
        raise OptionError(f'option "{name}" must be of an array of strings')
    return tuple(one for one in value if one)


_BY_TYPE: dict[str, Callable[[str, object], object]] = {
    "int": _whole,
    "float": _real,
    "bool": _truth,
    "tuple[str, ...]": _texts,
}
_READERS = {field.name: _BY_TYPE[str(field.type)] for field in fields(Options)}
