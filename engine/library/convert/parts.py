"""What a GGUF model is made of: its settings, and which tensor comes from where; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.errors import RequestError
from engine.library.convert.tensors import Floats, Stored

Change = Callable[[Floats], Floats]
Value = bool | int | float | str | Sequence[str]
Names = Mapping[str, Stored]  # by bare name: without the prefix of the whole model

_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor of the GGUF file and the one of the source that it is made from."""

    target: str
    source: str
    shape: tuple[int, ...]  # in the source, slowest running dimension first
    change: Change | None = None  # keeps the shape
    skips: int = 0  # leading rows that are left out
    is_optional: bool = False

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Give the shape in the GGUF file."""
        return (self.shape[0] - self.skips, *self.shape[1:])


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a model but its vocabulary."""

    architecture: str  # as llama.cpp calls it
    settings: Mapping[str, Value]  # keys below the architecture's name
    parts: tuple[Part, ...]
    n_vocab: int  # rows of the token embeddings
    computed: Mapping[str, Floats] = field(default_factory=dict)  # tensors without a source
    ignored: tuple[str, ...] = ()  # parts of names that are known not to be needed
    precise: tuple[str, ...] = ()  # parts of names that q8_0 leaves in f16
    warnings: tuple[str, ...] = ()


def undo_rotation_order(n_heads: int) -> Change:
    """Reorder the rows of a query or key projection for llama.cpp's Llama.

    The checkpoint rotates the first half of a head against the second, llama.cpp neighbours.

    Source: `LlamaModel.permute` in llama.cpp's converter (conversion/llama.py).
    """

    def change(values: Floats) -> Floats:
        rows = values.shape[0] // n_heads // 2
        halves = values.reshape(n_heads, 2, rows, *values.shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))

    return change


def plus_one(values: Floats) -> Floats:
    """Shift a norm's weight: Gemma's norms multiply by 1 + weight."""
    return values + np.float32(1)


def bare_names(tensors: Mapping[str, Stored], prefixes: Iterable[str], anchor: str) -> Names:
    """Take the model's prefix off the names.

    Args:
        prefixes: those that occur, longest first; the empty one is always tried last.
        anchor: a name that every such model has.

    Raises:
        RequestError: the anchor is there under no prefix.
    """
    for prefix in (*prefixes, ""):
        if prefix + anchor in tensors:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    raise RequestError(f"the tensor {anchor} is missing; the files hold no such model")


def check(plan: Plan, names: Names) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Compare a plan with what is there.

    Returns:
        the parts to write, and the names of tensors that have no place in the plan.

    Raises:
        RequestError: tensors are missing or have another shape.
    """
    present = tuple(part for part in plan.parts if part.source in names)
    missing = [p.source for p in plan.parts if p.source not in names and not p.is_optional]
    if missing:
        raise RequestError(f"{_count(missing, 'tensor')} missing: {_shown(missing)}")
    for part in present:
        shape = names[part.source].shape
        if shape != part.shape:
            raise RequestError(
                f"the tensor {part.source} has the shape {list(shape)}; config.json wants "
                f"{list(part.shape)}"
            )
    used = {part.source for part in plan.parts}
    extra = [
        name
        for name in sorted(names)
        if name not in used and not any(one in name for one in plan.ignored)
    ]
    return present, tuple(extra)


def _count(names: Sequence[str], noun: str) -> str:
    return f"{len(names):,} {noun}{' is' if len(names) == 1 else 's are'}"


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more:,} more" if more > 0 else "")
