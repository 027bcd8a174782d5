"""A CreateRequest in, what it asks for in checked form out; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from engine.errors import OptionError, RequestError
from engine.library.create.quantize import quantization
from engine.library.manifest import parse_digest
from engine.library.modelfile import is_semver
from engine.library.names import parse
from engine.library.template.go.parser import parse_go
from engine.options import merge_options
from engine.types import CreateRequest, Json, Options

_ROLES = frozenset({"system", "user", "assistant", "tool"})
_INFO_TEXTS = {
    "model_family": "model_family",
    "base_name": "base_name",
    "quantization_level": "file_type",
    "parameter_size": "model_type",
}
_INFO_NUMBERS = {"context_length": "context_length", "embedding_length": "embedding_length"}
_CONTROL = re.compile(r"[\x00-\x1f]")

Files = Mapping[str, str]  # file name → sha256:<hex>


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request whose every field has been looked at."""

    request: CreateRequest
    files: Files
    adapters: Files
    drafts: Files
    quantize: str  # as `quantization` names it; empty = leave as it is
    draft_quantize: str
    parameters: Json
    config: Json  # what `info`, renderer, parser and requires say, in the config's words
    capabilities: tuple[str, ...]  # in addition to those that the config lists


def check(request: CreateRequest) -> Wanted:
    """Refuse what can be refused without looking at a file.

    Raises:
        RequestError: a field is wrong (name, digest, option, role, path, template).
        EngineError: no such type of quantization.
    """
    parse(request.model)
    if request.from_model:
        parse(request.from_model)
    elif request.files is None:
        raise RequestError("neither 'from' or 'files' was specified")
    elif not request.files:
        raise RequestError("no files provided to convert")
    for turn in request.messages:
        if turn.role not in _ROLES:
            raise RequestError(f"invalid role: {turn.role}; one of {', '.join(sorted(_ROLES))}")
    if request.requires and not is_semver(request.requires):
        raise RequestError("requires must be a valid semver (e.g. 0.14.0)")
    if request.template:
        parse_go(request.template)
    drafts = _files(request.draft_files)
    if request.draft_quantize and not drafts:
        raise RequestError("--draft-quantize requires a DRAFT model")
    config, capabilities = _info(request.info or {})
    named = {
        "renderer": request.renderer,
        "parser": request.parser,
        "requires": request.requires,
    }
    return Wanted(
        request=request,
        files=_files(request.files),
        adapters=_files(request.adapters),
        drafts=drafts,
        quantize=quantization(request.quantize) if request.quantize else "",
        draft_quantize=quantization(request.draft_quantize) if request.draft_quantize else "",
        parameters=_parameters(request),
        config=config | {key: text for key, text in named.items() if text},
        capabilities=capabilities,
    )


def _files(files: Files | None) -> Files:
    checked: dict[str, str] = {}
    for name, digest in (files or {}).items():
        places = (PurePosixPath(name), PureWindowsPath(name))
        is_outside = any(one.is_absolute() or one.drive or ".." in one.parts for one in places)
        if not name or is_outside or _CONTROL.search(name) or not places[0].name:
            raise RequestError("file path must be relative")
        checked[name] = parse_digest(digest)
    return checked


def _parameters(request: CreateRequest) -> Json:
    given = {name: value for name, value in (request.parameters or {}).items() if value is not None}
    merge_options(Options(), given)  # refuses what has the wrong type
    for name, value in given.items():
        if not _is_writable(value):
            raise OptionError(f'option "{name}" holds a number that no file can: {value!r:.60}')
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    return given


def _is_writable(value: object) -> bool:
    """Say whether Go can read a value back; options that we do not know are kept as well."""
    if isinstance(value, Mapping):
        return all(_is_writable(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_writable(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 1 << 63


def _info(info: Mapping[str, object]) -> tuple[Json, tuple[str, ...]]:
    config: Json = {}
    for name, key in _INFO_TEXTS.items():
        text = info.get(name)
        if text is not None and not isinstance(text, str):
            raise RequestError(f'info "{name}" must be of type string')
        if text:
            config[key] = text
    for name, key in _INFO_NUMBERS.items():
        number = info.get(name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise RequestError(f'info "{name}" must be of type number')
        if number:
            config[key] = _whole(name, number)
    if "model_family" in config:
        config["model_families"] = [config["model_family"]]
    listed = info.get("capabilities")
    listed = [] if listed is None else listed
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        raise RequestError('info "capabilities" must be of an array of strings')
    return config, tuple(str(one) for one in listed)


def _whole(name: str, number: float) -> int:
    if not 0 <= number < 1 << 53:  # also false for NaN
        raise RequestError(f'info "{name}" is {number}, which no length can be')
    return int(number)
