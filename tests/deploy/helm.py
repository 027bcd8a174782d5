"""A chart and values in, the Kubernetes objects that Helm would send out; for where it is missing.

The language of its templates is Go's, which the engine reads anyway; here are the functions that
Helm and Sprig add, as far as our chart uses them, and how values are laid over each other.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import yaml

from engine.library.template.go.evaluate import execute
from engine.library.template.go.functions import FUNCTIONS, Builtin
from engine.library.template.go.nodes import Template
from engine.library.template.go.parser import parse_go

# Templates that name no answer get one appended by Ollama's rules; this names one and shows none.
_NO_ANSWER = "{{ if false }}{{ .Response }}{{ end }}"


class ChartError(Exception):
    """The chart refuses these values."""


def render(chart: Path, values: dict, release: str = "quire", namespace: str = "quire") -> dict:
    """Give the text of every template by its file's name."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    data = {
        "Values": laid_over(defaults, values),
        "Chart": {
            "Name": about["name"],
            "Version": about["version"],
            "AppVersion": about["appVersion"],
        },
        "Release": {"Name": release, "Namespace": namespace, "Service": "Helm"},
    }
    files = sorted(path for path in (chart / "templates").iterdir() if path.is_file())
    defined: dict = {}
    with patch.dict(FUNCTIONS, _functions(chart, defined)):
        parsed = {path.name: _parse(path) for path in files}
        for template in parsed.values():
            defined.update(template.defined)
        return {
            name: execute(replace(template, defined=defined), data)
            for name, template in parsed.items()
        }


def objects(texts: dict) -> list[dict]:
    """Give the objects that rendered templates hold, those of NOTES.txt aside."""
    return [
        one
        for name, text in texts.items()
        if name.endswith(".yaml")
        for one in yaml.safe_load_all(text)
        if one
    ]


def laid_over(below: dict, above: dict) -> dict:
    """Lay values over others: maps are merged, all else is replaced, nothing (null) removes."""
    merged = deepcopy(below)
    for name, value in above.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = laid_over(merged[name], value)
        else:
            merged[name] = deepcopy(value)
    return merged


def _parse(path: Path) -> Template:
    text = path.read_text(encoding="utf-8")
    return parse_go(_NO_ANSWER + re.sub(r'\.Files\.Get (?=")', "filesGet ", text))


def _functions(chart: Path, defined: dict) -> dict[str, Builtin]:
    def include(given: list) -> str:
        name, data = given
        return execute(Template(name, root=defined[name], defined=defined), data)

    def required(given: list) -> object:
        if given[1] in (None, ""):
            raise ChartError(given[0])
        return given[1]

    plain = {
        "include": include,
        "required": required,
        "filesGet": lambda given: (chart / given[0]).read_text(encoding="utf-8"),
        "default": lambda given: given[1] if len(given) > 1 and given[1] else given[0],
        "dict": lambda given: dict(zip(given[::2], given[1::2], strict=True)),
        "hasKey": lambda given: given[1] in given[0],
        "contains": lambda given: given[0] in given[1],
        "trunc": lambda given: given[1][: given[0]],
        "trimSuffix": lambda given: given[1].removesuffix(given[0]),
        "quote": lambda given: " ".join(
            json.dumps(_text(one), ensure_ascii=False) for one in given if one is not None
        ),
        "nindent": lambda given: "\n" + _indented(given[0], given[1]),
        "toYaml": lambda given: yaml.safe_dump(given[0], default_flow_style=False).rstrip("\n"),
    }
    return {name: Builtin(function) for name, function in plain.items()}


def _indented(n: int, text: str) -> str:
    return " " * n + text.replace("\n", "\n" + " " * n)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
