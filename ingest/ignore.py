"""A relative path in, whether a watched folder leaves it out out; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

IGNORE_FILES = (".quireignore", ".ragignore")

# Half-written, hidden, or made by the system and by sync programs; compared in lower case.
_NEVER = (
    ".*", "*.tmp", "*.part", "*.crdownload", "*.download", "*.filepart", "*.swp", "*~", "4913",
    "~$*", "thumbs.db", "desktop.ini", "~syncthing~*", "@eadir", "__macosx", "node_modules",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    is_negated: bool
    is_folder_only: bool


class IgnoreRules:
    """What is never ingested, and what an ignore file adds; rules are those of gitignore."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]

    def is_ignored(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether a path, relative to the watched folder and with slashes, is left out."""
        parts = path.split("/")
        if any(fnmatchcase(part.casefold(), one) for part in parts for one in _NEVER):
            return True
        folders = ["/".join(parts[:n]) for n in range(1, len(parts))]
        if any(self._is_matched(folder, is_folder=True) for folder in folders):
            return True
        return self._is_matched(path, is_folder=is_folder)

    def _is_matched(self, path: str, *, is_folder: bool) -> bool:
        is_matched = False
        for rule in self._rules:
            if (is_folder or not rule.is_folder_only) and rule.pattern.fullmatch(path):
                is_matched = not rule.is_negated
        return is_matched


def _rule(line: str) -> _Rule | None:
    line = line.rstrip("\r\n").rstrip()
    if not line or line.startswith("#"):
        return None
    is_negated = line.startswith("!")
    line = line.removeprefix("!").removeprefix("\\")
    is_folder_only = line.endswith("/")
    line = line.rstrip("/")
    is_anchored = "/" in line
    body = _translated(line.removeprefix("/"))
    return _Rule(re.compile(body if is_anchored else f"(?:.*/)?{body}"), is_negated, is_folder_only)


def _translated(glob: str) -> str:
    """Write a glob as a regular expression in which a star stays within its folder."""
    tokens = re.split(r"(/\*\*/|\*\*/|/\*\*|\*\*|\*|\?|\[[^\]/]+\])", glob)
    written = {
        "/**/": "/(?:.*/)?",
        "**/": "(?:.*/)?",
        "/**": "/.*",
        "**": ".*",
        "*": "[^/]*",
        "?": "[^/]",
    }
    found = []
    for token in tokens:
        if token in written:
            found.append(written[token])
        elif len(token) > 2 and token[0] == "[" and token[-1] == "]":
            inner = token[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            found.append("[" + ("^" + inner[1:] if inner[0] == "!" else inner) + "]")
        else:
            found.append(re.escape(token))
    return "".join(found)
