"""The text of a Modelfile in, what it says out, and back; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from engine.errors import ModelfileError
from engine.types import Message, Options

_KEYWORDS = (
    "from",
    "license",
    "template",
    "system",
    "adapter",
    "renderer",
    "parser",
    "parameter",
    "message",
    "requires",
    "draft",
)
_ROLES = ("system", "user", "assistant")
_SEMVER = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
# What a parameter's type in `Options` is called in a complaint about its value.
_KINDS = {"int": "int", "float": "float", "bool": "bool", "tuple[str, ...]": "stop"}
# Options of former versions: still read, without effect.
_OLD = {
    "draft_num_predict": "int",
    "penalize_newline": "bool",
    "low_vram": "bool",
    "f16_kv": "bool",
    "logits_all": "bool",
    "vocab_only": "bool",
    "use_mlock": "bool",
    "numa": "bool",
    "mirostat": "int",
    "mirostat_tau": "float",
    "mirostat_eta": "float",
    "tfs_z": "float",
}
_TRUE = frozenset(["1", "t", "T", "TRUE", "true", "True"])
_FALSE = frozenset(["0", "f", "F", "FALSE", "false", "False"])


@dataclass(frozen=True, slots=True)
class Modelfile:
    """What a Modelfile says.

    Texts exist that no Modelfile can hold; `render_modelfile` refuses them.
    """

    sources: tuple[str, ...]  # FROM: a model name or paths; at least one
    adapters: tuple[str, ...] = ()
    draft: str | None = None
    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None


@dataclass(frozen=True, slots=True)
class _Command:
    line: int
    keyword: str
    value: str


def parse_modelfile(text: str) -> Modelfile:
    """Read a Modelfile.

    Raises:
        ModelfileError: what is wrong, with the number of the line where there is one.
    """
    commands = _commands(text.removeprefix("\ufeff"))
    by_keyword: dict[str, list[_Command]] = {keyword: [] for keyword in _KEYWORDS}
    for command in commands:
        by_keyword[command.keyword].append(command)
    if not by_keyword["from"]:
        raise ModelfileError("no FROM line")
    requires = _last(by_keyword["requires"])
    if requires is not None and not is_semver(requires):
        raise ModelfileError("requires must be a valid semver (e.g. 0.14.0)")
    return Modelfile(
        sources=_values(by_keyword["from"]),
        adapters=_values(by_keyword["adapter"]),
        draft=_last(by_keyword["draft"]),
        template=_last(by_keyword["template"]),
        system=_last(by_keyword["system"]),
        licenses=_values(by_keyword["license"]),
        parameters=_parameters(by_keyword["parameter"]),
        messages=tuple(_message(command) for command in by_keyword["message"]),
        renderer=_last(by_keyword["renderer"]),
        parser=_last(by_keyword["parser"]),
        requires=requires,
    )


def decode_modelfile(raw: bytes) -> str:
    """Turn a file's bytes into text: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        ModelfileError: neither of them.
    """
    encoding = "utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ModelfileError(f"Modelfile is not {encoding.upper()} text: {error}") from error


def render_modelfile(modelfile: Modelfile, *, comment: str = "") -> str:
    """Write a Modelfile that says the same.

    Args:
        comment: lines to stand at the top, without their `#`.

    Raises:
        ModelfileError: a text cannot be written in this format.
    """
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    if lines:
        lines.append("")
    lines += [f"FROM {_quoted(source)}" for source in modelfile.sources[:1]]
    lines += [f"ADAPTER {_quoted(adapter)}" for adapter in modelfile.adapters]
    lines += _optional("DRAFT", modelfile.draft)
    lines += [f"FROM {_quoted(source)}" for source in modelfile.sources[1:]]
    lines += _optional("TEMPLATE", modelfile.template)
    lines += _optional("SYSTEM", modelfile.system)
    lines += _optional("RENDERER", modelfile.renderer)
    lines += _optional("PARSER", modelfile.parser)
    lines += _optional("REQUIRES", modelfile.requires)
    for name, value in modelfile.parameters.items():
        each = value if isinstance(value, (list, tuple)) else [value]
        lines += [f"PARAMETER {name} {_quoted(_written(item))}" for item in each]
    lines += [f"LICENSE {_quoted(text)}" for text in modelfile.licenses]
    lines += [f"MESSAGE {m.role} {_quoted(m.content)}" for m in modelfile.messages]
    return "\n".join(lines) + "\n"


def parameter_value(name: str, text: str) -> object:
    """Read the value of a PARAMETER line as what its name asks for.

    Returns:
        an int, float or bool; for `stop`, a list of one text.

    Raises:
        ModelfileError: no such parameter, or not a value for it.
    """
    kind = _parameter_kind(name)
    if kind == "stop":
        return [text]
    if kind == "bool":
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
    elif kind == "int":
        if re.fullmatch(r"[+-]?\d{1,19}", text):
            return int(text)
    elif re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
        return float(text)
    raise ModelfileError(f"invalid {kind} value [{text}]")


def is_semver(text: str) -> bool:
    """Say whether a text is a version as REQUIRES wants it."""
    return _SEMVER.fullmatch(text) is not None


def _parameter_kind(name: str) -> str:
    for option in fields(Options):
        # Optional ones read `int | None`.
        kind = _KINDS.get(str(option.type).removesuffix(" | None"))
        if option.name == name and kind:
            return kind
    if name in _OLD:
        return _OLD[name]
    raise ModelfileError(f"unknown parameter '{name}'")


def _parameters(commands: Sequence[_Command]) -> dict[str, object]:
    parameters: dict[str, object] = {}
    for command in commands:
        name, _, text = command.value.partition(" ")
        value = parameter_value(name.lower(), text)
        before = parameters.get(name.lower())
        if isinstance(value, list) and isinstance(before, list):
            value = before + value
        parameters[name.lower()] = value
    return parameters


def _message(command: _Command) -> Message:
    role, _, content = command.value.partition(" ")
    return Message(role, content)


def _values(commands: Sequence[_Command]) -> tuple[str, ...]:
    return tuple(command.value for command in commands)


def _last(commands: Sequence[_Command]) -> str | None:
    return commands[-1].value if commands else None


def _commands(text: str) -> list[_Command]:
    """Cut the text into commands; a quoted value may go over several lines."""
    commands: list[_Command] = []
    lines = text.split("\n")  # a carriage return before it is trimmed like other space
    at = 0
    while at < len(lines):
        number, line = at + 1, lines[at].strip()
        at += 1
        if not line or line.startswith("#"):
            continue
        keyword, _, rest = line.partition(" ") if " " in line else line.partition("\t")
        if keyword.lower() not in _KEYWORDS:
            listed = ", ".join(f'"{name}"' for name in _KEYWORDS)
            raise ModelfileError(f"(line {number}): command must be one of {listed}")
        # Of the value's own spaces, those after the keyword go; what is quoted stays as it is.
        after = lines[at - 1].lstrip()[len(keyword) :].lstrip()
        head, after = _head(keyword.lower(), after, number)
        value, at = _value(after, lines, at)
        commands.append(_Command(number, keyword.lower(), head + value))
    return commands


def _head(keyword: str, rest: str, number: int) -> tuple[str, str]:
    """Split off the first word of commands that have one before their value."""
    if keyword not in {"parameter", "message"}:
        return "", rest
    parts = rest.split(None, 1)
    word, value = (parts + ["", ""])[:2]
    if keyword == "message" and word.lower() not in _ROLES:
        raise ModelfileError(
            f'(line {number}): message role must be one of "system", "user", or "assistant"'
        )
    if keyword == "message":
        word = word.lower()
    return f"{word} ", value


def _value(first: str, lines: Sequence[str], at: int) -> tuple[str, int]:
    """Read a value that begins on a line; give it and the next line to read.

    A quotation is closed by the end of a line alone, so quotation marks may stand inside it.
    """
    mark = '"""' if first.startswith('"""') else '"' if first.startswith('"') else ""
    parts = [first]
    while True:
        if parts[-1].rstrip().endswith(mark):
            text = _unquoted("\n".join(parts).strip())
            if text is not None:
                return text, at
        if at >= len(lines):
            raise ModelfileError("unexpected EOF")
        parts.append(lines[at])
        at += 1


def _unquoted(text: str) -> str | None:
    """Take the marks off; None if the quotation is still open."""
    for mark in ('"""', '"'):
        if text.startswith(mark):
            is_closed = len(text) >= 2 * len(mark) and text.endswith(mark)
            return text[len(mark) : -len(mark)] if is_closed else None
    return text


def _quoted(text: str) -> str:
    """Quote a value where it would not be read back otherwise."""
    written = text
    is_plain = text and text == text.strip() and not re.search(r'^"|[\r\n]', text)
    if not is_plain:
        written = f'"""{text}"""' if '"' in text else f'"{text}"'
    first, *rest = written.split("\n")
    try:
        read, _ = _value(first.lstrip(), rest, 0)
    except ModelfileError:
        read = ""
    if read != text:
        raise ModelfileError(
            f'a value holds """ at the end of a line, which no Modelfile can: {text[:60]!r}'
        )
    return written


def _optional(keyword: str, value: str | None) -> list[str]:
    return [] if value is None else [f"{keyword} {_quoted(value)}"]


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
