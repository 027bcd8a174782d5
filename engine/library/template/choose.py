"""A model's two templates and its config in, the one that writes its prompts out; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from engine.errors import ChatTemplateError
from engine.library.template.go.facts import go_facts

_MAX_REMEMBERED = 256  # every listing asks for all installed models
_TOOLS = re.compile(r"\btools\b|\btool_calls?\b")
_SPLITS_THINKING = re.compile(r"split\(\s*['\"]</think>")
_TOOL_RESULT = re.compile(r"""['"]tool['"]|\btool_call_id\b|\btool_responses?\b""")
_HARMONY = ("<|start|>", "<|end|>")
_GPT_OSS = frozenset({"gptoss", "gpt-oss"})


@dataclass(frozen=True, slots=True)
class Choice:
    """What writes a prompt."""

    kind: Literal["go", "jinja", "none"]
    text: str = ""  # the template


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a template can put into a prompt."""

    uses_tools: bool = False
    uses_thinking: bool = False
    handles_tool_results: bool = False
    uses_suffix: bool = False

    @property
    def count(self) -> int:
        """How many capabilities of a chat model it serves."""
        return self.uses_tools + self.uses_thinking

    @property
    def has_round_trip(self) -> bool:
        """Whether tools are offered and what they answer is shown."""
        return self.uses_tools and self.handles_tool_results


def jinja_abilities(text: str) -> Abilities:
    """Tell by its words what a Jinja template can do, as Ollama does."""
    has_tags = "<think>" in text and "</think>" in text
    return Abilities(
        uses_tools=bool(_TOOLS.search(text)),
        uses_thinking=has_tags or bool(_SPLITS_THINKING.search(text)),
        handles_tool_results=bool(_TOOL_RESULT.search(text)),
    )


@lru_cache(maxsize=_MAX_REMEMBERED)
def go_abilities(text: str) -> Abilities:
    """Tell what a Go template can do; one that does not parse can do nothing."""
    try:
        facts = go_facts(text)
    except ChatTemplateError:
        return Abilities()
    return Abilities(
        uses_tools=facts.uses_tools,
        uses_thinking=facts.thinking_tags is not None,
        handles_tool_results=facts.handles_tool_results,
        uses_suffix=facts.uses_suffix,
    )


def choose_template(
    go: str | None,
    jinja: str,
    *,
    family: str,
    config: Mapping[str, object],
    go_setting: bool | None,
) -> Choice:
    """Choose what writes a model's prompts.

    Codecs that Ollama has built in (`renderer` and `parser` of the config, gpt-oss) are for us
    the Jinja template that they were copied from. A template of either kind is better than none.

    Args:
        go: the TEMPLATE layer.
        jinja: the GGUF file's chat template; empty if it has none.
        go_setting: what OLLAMA_GO_TEMPLATE says; None if it is unset.

    Source: Ollama's choice between a TEMPLATE layer and the GGUF file's own template.
    """
    written = Choice("go", go) if go else Choice("none")
    if not jinja:
        return written
    native = Choice("jinja", jinja)
    if not go or _has_codec(go, jinja, family, config):
        return native
    if go_setting is not None:
        return written if go_setting else native
    return native if _prefers_jinja(go, jinja) else written


def _has_codec(go: str, jinja: str, family: str, config: Mapping[str, object]) -> bool:
    if config.get("renderer") or config.get("parser"):
        return True
    is_harmony = all(mark in go for mark in _HARMONY) or all(mark in jinja for mark in _HARMONY)
    return family in _GPT_OSS and is_harmony


def _prefers_jinja(go: str, jinja: str) -> bool:
    ours, theirs = jinja_abilities(jinja), go_abilities(go)
    if ours.count > theirs.count:
        return ours.has_round_trip or not theirs.has_round_trip
    is_equal = (ours.uses_tools, ours.uses_thinking) == (theirs.uses_tools, theirs.uses_thinking)
    only_ours = ours.handles_tool_results and not theirs.handles_tool_results
    return is_equal and ours.uses_tools and only_ours
