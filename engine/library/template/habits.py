"""A Jinja chat template in, its habits out, by rendering small conversations; pure.

Nothing in a template says whether it knows a system role or wants the arguments of calls as
text: some refuse, some drop the words in silence, some write Python instead of JSON.

Source of the method: llama.cpp, common/jinja/caps.cpp.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from engine.errors import ChatTemplateError
from engine.library.template.sandbox import run_template
from engine.library.template.turns import Habits, write_turns
from engine.types import Json, Message, ToolCall

_MAX_REMEMBERED = 32
_MAX_S = 1.0  # for all probes of one template
_SYSTEM, _USER, _VALUE, _THOUGHT = "probesystem", "probeuser", "probevalue", "probethought"
_ARGUMENTS = {"probekey": _VALUE}
_TOOL: Json = {
    "type": "function",
    "function": {
        "name": "probe",
        "description": "Probe.",
        "parameters": {
            "type": "object",
            "properties": {"probekey": {"type": "string", "description": "Key."}},
            "required": ["probekey"],
        },
    },
}
_CALL = (
    Message("user", _USER),
    Message("assistant", "", tool_calls=(ToolCall("probe", _ARGUMENTS, id="call_probe123"),)),
    Message("tool", "done", tool_name="probe", tool_call_id="call_probe123"),
)
Probe = Callable[[Sequence[Message], Habits], str]


@lru_cache(maxsize=_MAX_REMEMBERED)
def habits_of(template: str) -> Habits:
    """Find out what a template wants otherwise than most do; remembered."""
    end = time.monotonic() + _MAX_S

    def probe(messages: Sequence[Message], habits: Habits) -> str:
        left_s = end - time.monotonic()
        try:
            return run_template(template, _values(messages, habits), left_s) if left_s > 0 else ""
        except ChatTemplateError:
            return ""

    habits = Habits()
    asked = [Message("user", _USER)]
    for other in ({"takes_tool_list": True}, {"takes_parts": True}):
        habits = _better(probe, habits, replace(habits, **other), asked, _USER)
    asked = [Message("system", _SYSTEM), *asked]
    habits = _better(probe, habits, replace(habits, folds_system=True), asked, _SYSTEM)
    # Most templates know no calls at all, and then there is nothing to find out.
    return _calls(probe, habits) if "tool_call" in template else habits


def _values(messages: Sequence[Message], habits: Habits) -> Json:
    calls = any(message.tool_calls for message in messages)
    return {
        "messages": write_turns(messages, habits),
        "tools": [_TOOL] if calls else [] if habits.takes_tool_list else None,
        "documents": None,
        "bos_token": "",
        "eos_token": "",
        "add_generation_prompt": True,
        "enable_thinking": True,
    }


def _better(
    probe: Probe, habits: Habits, other: Habits, asked: Sequence[Message], mark: str
) -> Habits:
    """Take the other habits if only they bring the mark into the prompt."""
    is_better = mark not in probe(asked, habits) and mark in probe(asked, other)
    return other if is_better else habits


def _calls(probe: Probe, habits: Habits) -> Habits:
    found = next((one for one in _ways_to_call(habits) if _writes_call(probe(_CALL, one))), None)
    if found is None:
        return habits
    together = replace(found, takes_one_voice=True)
    asked, call, answer = _CALL
    spoken = (asked, replace(call, content="said", thinking=_THOUGHT), answer)
    is_refused = not probe(spoken, found)
    return together if is_refused and _writes_call(probe(spoken, together)) else found


def _ways_to_call(habits: Habits) -> list[Habits]:
    # The usual way first.
    return [
        replace(
            habits,
            takes_text_arguments=is_text,
            takes_short_ids=is_short,
            takes_no_content=is_silent,
        )
        for is_silent in (False, True)
        for is_short in (False, True)
        for is_text in (False, True)
    ]


def _writes_call(text: str) -> bool:
    # A mapping that was written as Python writes it has single quotes.
    return _VALUE in text and repr(_ARGUMENTS) not in text
