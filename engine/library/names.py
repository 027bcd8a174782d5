"""Text in, a ModelName out, and back; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import ModelNameError

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

# `[scheme://][host[:port]/][namespace/]model[:tag]`; no part can begin with a dot, so none is `..`.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,79}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")
_MAX_CHARACTERS = 350 + 3 * 80 + 16


@dataclass(frozen=True, slots=True)
class ModelName:
    """Where a model comes from and what it is called, spelled as it was typed.

    Invariant: every part matches the grammar, so that `parts` is a safe path below a folder.
    """

    host: str
    namespace: str
    model: str
    tag: str

    def __post_init__(self) -> None:
        """Refuse parts outside the grammar.

        Raises:
            ModelNameError: a part is empty, too long or holds a character that it must not.
        """
        rules = (_HOST, _NAMESPACE, _WORD, _WORD)
        if not all(rule.fullmatch(part) for rule, part in zip(rules, self.parts, strict=True)):
            raise ModelNameError("invalid model name")

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Give the parts from host to tag, as the manifest's path has them."""
        return (self.host, self.namespace, self.model, self.tag)

    @property
    def key(self) -> tuple[str, ...]:
        """Give what two names of the same model have in common: the parts without case."""
        return tuple(part.lower() for part in self.parts)

    @property
    def short(self) -> str:
        """Give the form that people see: without default host and namespace, always with tag."""
        if self.host.lower() != DEFAULT_HOST:
            return self.full
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"

    @property
    def full(self) -> str:
        """Give the form with every part."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"


def parse(text: str) -> ModelName:
    """Read a model name as people type it.

    A trailing `:local` only says that the model must not be a remote one; every model here is
    local, so it is dropped.

    Raises:
        ModelNameError: not a model name.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ModelNameError("invalid model name")
    rest = _without_local(text.partition("://")[2] if "://" in text else text, text)
    tag = DEFAULT_TAG
    if rest.rfind(":") > rest.rfind("/"):
        rest, _, tag = rest.rpartition(":")
    parts = rest.split("/")
    if len(parts) > 3:
        raise ModelNameError("invalid model name")
    host, namespace, model = [DEFAULT_HOST, DEFAULT_NAMESPACE][: 3 - len(parts)] + parts
    return ModelName(host, namespace, model, tag)


def scheme_of(text: str) -> str | None:
    """Give the scheme that a name as typed begins with, if any."""
    scheme, separator, _ = text.partition("://")
    return scheme.lower() if separator else None


def is_cloud(text: str) -> bool:
    """Say whether a name as typed asks for a model that runs on somebody else's machine."""
    tag = _tag_of(text).lower()
    return tag == "cloud" or tag.endswith("-cloud")


def _without_local(text: str, typed: str) -> str:
    """Drop a trailing `:local`, unless the rest asks for the cloud."""
    if not _tag_of(text):
        return text
    head, _, last = text.rpartition(":")
    is_local = last.lower() == "local"
    if (is_local and is_cloud(head)) or (is_cloud(text) and _tag_of(head).lower() == "local"):
        raise ModelNameError(f'use either :local or :cloud, not both: "{typed}"')
    return head if is_local else text


def _tag_of(text: str) -> str:
    """Give what follows the last colon, if that comes after the last slash."""
    return text.rpartition(":")[2] if text.rfind(":") > text.rfind("/") else ""
