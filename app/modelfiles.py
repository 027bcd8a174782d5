"""The text of a Modelfile in, its mistakes by line or the body of a create request out; pure.

Files are not taken here: the paths in a Modelfile are those of the machine on which it was
written, and a server must not open files because somebody names them. `quire create` sends them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath

from engine.errors import ModelfileError
from engine.library.modelfile import Modelfile, parse_modelfile

_LINE = re.compile(r"\(?line (\d+)\)?:?\s*")
_QUOTED = re.compile(r"'([^']+)'|\[([^\]]+)\]")
_SEND = "files are sent by the command: `quire create NAME -f Modelfile`"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong; line 0 = no line in particular."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a Modelfile; `request` lacks the new model's name."""

    mistakes: tuple[Mistake, ...] = ()
    request: dict[str, object] = field(default_factory=dict)


def check_modelfile(text: str, is_installed: Callable[[str], bool]) -> Checked:
    """Read a Modelfile that is based on an installed model.

    Args:
        is_installed: tells whether there is a model of a name.
    """
    try:
        parsed = parse_modelfile(text)
    except ModelfileError as error:
        return Checked((_mistake(str(error), text),))
    mistakes = tuple(_wrong_sources(parsed, text, is_installed))
    return Checked(mistakes) if mistakes else Checked((), _request(parsed))


def line_of(text: str, keyword: str, value: str = "") -> int:
    """Find the first line that begins with a keyword and holds a value; 0 if there is none."""
    for number, line in enumerate(text.splitlines(), start=1):
        head, _, rest = line.strip().partition(" ")
        if head.casefold() == keyword.casefold() and value in rest:
            return number
    return 0


def _wrong_sources(
    parsed: Modelfile, text: str, is_installed: Callable[[str], bool]
) -> list[Mistake]:
    wrong = []
    for source in parsed.sources:
        line = line_of(text, "from", source)
        if _is_path(source):
            wrong.append(Mistake(line, f"FROM {source}: {_SEND}"))
        elif not is_installed(source):
            wrong.append(Mistake(line, f"FROM {source}: this model is not installed; pull it"))
    if len(parsed.sources) > 1 and not wrong:
        wrong.append(Mistake(line_of(text, "from", parsed.sources[1]), "FROM: name one model"))
    wrong += [
        Mistake(line_of(text, "adapter", one), f"ADAPTER {one}: {_SEND}") for one in parsed.adapters
    ]
    if parsed.draft:
        wrong.append(Mistake(line_of(text, "draft"), f"DRAFT {parsed.draft}: {_SEND}"))
    return wrong


def _is_path(source: str) -> bool:
    suffix = PurePath(source).suffix.casefold()
    return source.startswith(("/", ".", "~", "\\")) or suffix in (".gguf", ".safetensors", ".bin")


def _mistake(said: str, text: str) -> Mistake:
    """Find the line that a complaint is about: it names it, or what stands in it."""
    found = _LINE.search(said)
    if found:
        return Mistake(int(found[1]), _LINE.sub("", said, count=1))
    named = _QUOTED.search(said)
    value = next((one for one in named.groups() if one), "") if named else ""
    keyword = "requires" if said.startswith("requires") else "parameter"
    if value or keyword == "requires":
        return Mistake(line_of(text, keyword, value), said)
    if "unexpected EOF" in said:
        opened = [at for at, line in enumerate(text.splitlines(), 1) if '"""' in line]
        return Mistake(opened[-1] if opened else 0, f'{said}: a text that begins with """ must end')
    return Mistake(0, said)


def _request(parsed: Modelfile) -> dict[str, object]:
    texts = {
        "system": parsed.system,
        "template": parsed.template,
        "renderer": parsed.renderer,
        "parser": parsed.parser,
        "requires": parsed.requires,
    }
    body: dict[str, object] = {"from": parsed.sources[0]}
    body |= {name: text for name, text in texts.items() if text is not None}
    if parsed.licenses:
        body["license"] = list(parsed.licenses)
    if parsed.parameters:
        body["parameters"] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in parsed.parameters.items()
        }
    if parsed.messages:
        body["messages"] = [{"role": one.role, "content": one.content} for one in parsed.messages]
    return body
