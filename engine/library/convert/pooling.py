"""The modules of a sentence-transformers folder in, the kind of pooling out; reads disk."""

from __future__ import annotations

from pathlib import Path

from engine.errors import RequestError
from engine.library.convert.folder import (
    find_object,
    inside,
    objects,
    parse_json,
    read_text,
)
from engine.types import Json

MEAN, CLS, LAST = 1, 2, 3  # llama_pooling_type
_MODES = {
    "mean": MEAN,
    "cls": CLS,
    "lasttoken": LAST,
    "pooling_mode_mean_tokens": MEAN,
    "pooling_mode_cls_token": CLS,
    "pooling_mode_lasttoken": LAST,
}
_WITHOUT_WEIGHTS = ("Transformer", "Pooling", "Normalize")
_DEFAULT = "1_Pooling"


def find_pooling(folder: Path) -> int | None:
    """Find out how the vectors of tokens become the vector of a text.

    Returns:
        a number of llama_pooling_type; None where the folder does not say.

    Raises:
        RequestError: a kind of pooling, or a layer after it, that cannot be converted.
    """
    place = _DEFAULT
    for module in _modules(folder / "modules.json"):
        kind = str(module.get("type")).rpartition(".")[2]
        if kind not in _WITHOUT_WEIGHTS:
            raise RequestError(
                f"modules.json: a module of the kind {kind} cannot be converted; supported: "
                f"{', '.join(_WITHOUT_WEIGHTS)}"
            )
        if kind == "Pooling":
            place = str(module.get("path"))
    config = find_object(inside(folder, place) / "config.json")
    return _mode(config) if config else None


def _modules(path: Path) -> list[Json]:
    return list(objects(parse_json(read_text(path), path.name))) if path.is_file() else []


def _mode(config: Json) -> int:
    said = config.get("pooling_mode")
    modes = (
        [said]
        if isinstance(said, str)
        else [
            key
            for key, value in config.items()
            if value is True and key.startswith("pooling_mode_")
        ]
    )
    if len(modes) != 1 or modes[0] not in _MODES:
        raise RequestError(
            f"the pooling {' and '.join(map(str, modes)) or 'is missing'}: only pooling by mean, "
            "CLS token or last token can be converted"
        )
    return _MODES[modes[0]]
