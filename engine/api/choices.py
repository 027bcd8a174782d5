"""One request in, the runs that answer it out, and which tool calls they may make; pure."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal, TypeVar

from engine.errors import RequestError
from engine.types import ChatRequest, Event, GenerateRequest, Piece, ToolChoice

R = TypeVar("R", ChatRequest, GenerateRequest)

MAX_CHOICES = 16  # runs for one prompt; each takes a slot of the model
MAX_RUNS = 128  # runs for one request with several prompts
_MODES: tuple[Literal["auto", "none", "required"], ...] = ("auto", "none", "required")


def spread(request: R, n: int, own: Mapping[str, object]) -> list[R]:
    """Repeat a request so that the answers differ: a fixed seed counts up.

    Args:
        own: the model's own parameters, which may fix a seed too.
    Raises:
        RequestError: `n` is out of bounds.
    """
    if not 1 <= n <= MAX_CHOICES:
        raise RequestError(f"n must be between 1 and {MAX_CHOICES}, got {n}")
    options = dict(request.options or {})
    seed = options.get("seed", own.get("seed"))
    if n == 1 or isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        return [request] * n
    return [replace(request, options=options | {"seed": seed + index}) for index in range(n)]


def tool_choice_of(value: object, tools: Sequence[Mapping[str, object]]) -> ToolChoice:
    """Read `tool_choice` as OpenAI's clients write it.

    Raises:
        RequestError: of another shape, or it asks for a call that the tools do not allow.
    """
    choice = _choice(value)
    if choice.mode in ("required", "named") and not tools:
        raise RequestError("tool_choice asks for a call, but the request has no tools")
    if choice.mode == "named" and choice.name not in {name_of(tool) for tool in tools}:
        raise RequestError(f'tool_choice names "{choice.name}", which is not among the tools')
    return choice


def name_of(tool: Mapping[str, object]) -> str:
    """Give the name of the function that a tool is."""
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else ""


def first_call_only(events: Iterator[Event]) -> Iterator[Event]:
    """Drop every tool call after the first one (`parallel_tool_calls` false)."""
    has_called = False
    with closing(_closable(events)) as source:
        for event in source:
            if not isinstance(event, Piece) or not event.tool_calls:
                yield event
                continue
            kept = () if has_called else event.tool_calls[:1]
            has_called = True
            yield replace(event, tool_calls=kept)


def _closable(events: Iterator[Event]) -> Generator[Event, None, None]:
    # `yield from` hands a close on to whatever the engine gave.
    yield from events


def _choice(value: object) -> ToolChoice:
    if value is None or isinstance(value, ToolChoice):
        return value or ToolChoice()
    for mode in _MODES:
        if value == mode:
            return ToolChoice(mode)
    if isinstance(value, Mapping) and value.get("type") == "function":
        name = name_of(value)
        if name:
            return ToolChoice("named", name)
    raise RequestError(
        f"invalid tool_choice: {value!r:.80} (must be auto, none, required or "
        '{"type": "function", "function": {"name": …}})'
    )
