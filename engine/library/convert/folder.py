"""A model folder in, its JSON files out; reads disk, trusts nothing that it reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from engine.errors import RequestError
from engine.types import Json

_MAX_BYTES = 128 * 1024 * 1024  # Gemma's tokenizer.json has 33 MB, config files have few


def inside(folder: Path, name: str) -> Path:
    """Name a file below the folder.

    Raises:
        RequestError: the name leads out of the folder.
    """
    places = (PurePosixPath(name), PureWindowsPath(name))
    if any(place.is_absolute() or place.drive or ".." in place.parts for place in places):
        raise RequestError(f"{name!r} leads out of the model's folder; only files in it are read")
    return folder / name


def read_bytes(path: Path) -> bytes:
    """Read a whole small file.

    Raises:
        RequestError: it is missing, cannot be read, or is larger than such files are.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise RequestError(f"{path.name} has {size:,} bytes; at most {_MAX_BYTES:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read {path.name}: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """Read a small UTF-8 file; raises RequestError as `read_bytes` does."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path.name} is not UTF-8 text: {error.reason}") from error


def parse_json(text: str | bytes, name: str) -> object:
    """Parse JSON; raises RequestError that names the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{name} is not JSON: {error}") from error


def read_object(path: Path) -> Json:
    """Read a JSON file that holds an object.

    Raises:
        RequestError: missing, too large, or something else.
    """
    data = parse_json(read_text(path), path.name)
    if not isinstance(data, dict):
        raise RequestError(f"{path.name} is not a JSON object")
    return data


def find_object(path: Path) -> Json:
    """Read a JSON file that may be missing: an empty object then."""
    return read_object(path) if path.is_file() else {}


def objects(value: object) -> Sequence[Json]:
    """Keep the objects of what should be a list of them."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def section(values: Json, key: str) -> Json:
    """Give an object inside an object; an empty one where there is none."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}
