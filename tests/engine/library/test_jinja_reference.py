"""Prompts are, letter for letter, those that transformers writes with the same template.

The templates of some 70 known models come with llama.cpp's sources, not with ours:
`make test` fetches them. A few that we wrote in the manner of the main families are always there.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.utils.chat_template_utils import render_jinja_template

from engine.errors import ChatTemplateError
from engine.library.template.jinja import render_chat
from engine.types import Conversation, Message, ToolCall

FOLDER = Path(sys.prefix) / "share" / "llama-templates"
USER = Message("user", 'Hi <b>there</b> & "you"?')
SYSTEM = Message("system", "Be brief.")
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a <city> & more é.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "名"},
                "unit": {"type": "string", "description": "Unit.", "enum": ["c", "f"]},
            },
            "required": ["city"],
        },
    },
}
CALL = ToolCall("get_weather", {"city": "Paris", "n": 3, "deep": {"a": [1, True]}}, id="call00001")
RESULT = Message("tool", '{"t": 18}', tool_name="get_weather", tool_call_id="call00001")
TALKS = {
    "user": Conversation((USER,)),
    "system": Conversation((SYSTEM, USER)),
    "turns": Conversation((SYSTEM, USER, Message("assistant", "Yes."), Message("user", "And?"))),
    "thoughts": Conversation(
        (USER, Message("assistant", "Yes.", thinking="Hm, well."), Message("user", "And?"))
    ),
    "tools": Conversation((USER,), tools=(TOOL,)),
    "call": Conversation((USER, Message("assistant", "", tool_calls=(CALL,)), RESULT), (TOOL,)),
    "spoken call": Conversation(
        (
            SYSTEM,
            USER,
            Message("assistant", "Let me see.", tool_calls=(CALL,)),
            RESULT,
            Message("assistant", "It is 18."),
            Message("user", "Thanks."),
        ),
        (TOOL,),
    ),
    "think": Conversation((USER,), think=True),
    "no think": Conversation((SYSTEM, USER), think=False),
    "level": Conversation((USER,), think="high"),
    "chinese": Conversation((Message("system", "你是助手。"), Message("user", "天气怎么样？🙂"))),
}

# In the manner of the families; the words are ours.
OURS = {
    "chatml with tools": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "Functions:\\n<tools>" }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1, is_open=true) %}
{%- for message in messages[::-1] %}
    {%- if ns.is_open and message.role == 'user' %}
        {%- set ns.is_open = false %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if message.reasoning_content is string and loop.index0 > ns.last %}
            {{- '<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- message.content.split('</think>')[-1].lstrip('\\n') }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": "' ~ call.function.name ~ '", "arguments": ' }}
            {{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "headers": """{{- bos_token }}
{%- if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}
{%- else %}{%- set system = '' %}{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + date_string + '\\n' + system }}
{%- if tools is not none %}
{% for t in tools %}{{ t | tojson(indent=4) }}{% endfor %}
{%- endif %}<|eot_id|>
{%- for message in messages %}
    {%- if message.role == 'tool' or message.role == 'ipython' %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + message.content | tojson }}
    {%- elif 'tool_calls' in message %}
        {%- if message.tool_calls | length != 1 %}{{ raise_exception('One call!') }}{% endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + '}' }}
    {%- else %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
        {{- message['content'] | trim }}
    {%- endif %}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "brackets": """{%- set last = messages | selectattr('role', 'equalto', 'user') | list | last %}
{{- bos_token }}
{%- for message in messages %}
  {%- if message.role == 'user' %}
    {%- if tools is not none and message == last %}[TOOLS]{{ tools | tojson }}[/TOOLS]{% endif %}
[INST] {{ message.content }}[/INST]
  {%- elif message.tool_calls is defined and message.tool_calls is not none %}
    {{- '[CALLS][' }}
    {%- for call in message.tool_calls %}
      {{- call.function | tojson }}{{- ', "id": "' + call.id + '"}' }}
      {{- ', ' if not loop.last else ']' + eos_token }}
    {%- endfor %}
  {%- elif message.role == 'tool' %}
    {{- '[RESULT]{"content": ' ~ message.content ~ ', "id": "' ~ message.tool_call_id ~ '"}' }}
  {%- elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}
  {%- else %}{{ message.content }}
  {%- endif %}
{%- endfor %}""",
}


# Where transformers fails or loses words, and we write the prompt as llama.cpp would.
_WITHOUT_TOOLS = frozenset(TALKS) - {"tools", "call", "spoken call"}
_CALLS = frozenset({"call", "spoken call"})
BEYOND = {
    # A system role that the template refuses is folded into the first question.
    "google-gemma-2-2b-it": frozenset({"system", "turns", "no think", "chinese"}),
    # Loops over the tools without asking whether there are any.
    "CohereForAI-c4ai-command-r-plus-tool_use": _WITHOUT_TOOLS,
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": _WITHOUT_TOOLS,
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": _WITHOUT_TOOLS,
    # Writes calls only if the content is none, and only their JSON text.
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": frozenset({"call"}),
    # Wants the arguments as JSON text.
    "meetkai-functionary-medium-v3.2": _CALLS,
    # Writes a filtered sequence as JSON.
    "llama-cpp-deepseek-r1": frozenset({"tools", *_CALLS}),
}


def spelled(message):
    turn = {"role": message.role, "content": message.content}
    if message.thinking:
        turn["reasoning_content"] = message.thinking
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.name, "arguments": dict(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_name:
        turn |= {"tool_call_id": message.tool_call_id, "name": message.tool_name}
    return turn


def theirs(template, talk, add_generation_prompt):
    """Give what transformers writes, or None if it fails."""
    today = datetime.now().astimezone()
    values = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "date_string": today.strftime("%d %b %Y"),
        "datetime": today.strftime("%b %d %Y"),
    }
    if talk.think is not None:
        values |= {"enable_thinking": bool(talk.think), "thinking": bool(talk.think)}
    if isinstance(talk.think, str):
        values |= {"reasoning_effort": talk.think, "reasoning_strength": talk.think}
    try:
        prompts, _ = render_jinja_template(
            [[spelled(message) for message in talk.messages]],
            tools=list(talk.tools) or None,
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            **values,
        )
    except Exception:  # noqa: BLE001 - whatever a template's expressions raise
        return None
    return prompts[0]


def ours(template, talk, add_generation_prompt):
    """Give what we write, or None if we refuse."""
    try:
        return render_chat(
            template, talk, bos="<s>", eos="</s>", add_generation_prompt=add_generation_prompt
        )
    except ChatTemplateError:
        return None


@pytest.mark.parametrize("has_prompt", [True, False])
@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("template", OURS.values(), ids=OURS.keys())
def test_templates_of_the_main_families_give_the_same_prompt(template, name, has_prompt):
    expected = theirs(template, TALKS[name], has_prompt)

    assert expected is not None
    assert ours(template, TALKS[name], has_prompt) == expected


MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), st.text()),
    min_size=1,
    max_size=6,
)


@given(messages=MESSAGES, think=st.sampled_from([None, True, False, "low"]))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("name", ["chatml with tools", "headers"])
def test_any_conversation_gives_the_same_prompt_or_is_refused_by_both(name, messages, think):
    talk = Conversation(tuple(messages), think=think)

    assert ours(OURS[name], talk, True) == theirs(OURS[name], talk, True)


def test_the_templates_of_known_models_give_the_same_prompt():
    paths = sorted(FOLDER.glob("*.jinja"))
    if not paths:
        pytest.skip(
            f"NOT TESTED: no templates of known models in {FOLDER}; `make test` fetches them"
        )
    n_same, wrong = Counter(), []
    for path in paths:
        template = path.read_text(encoding="utf-8")
        for name, talk in TALKS.items():
            for has_prompt in (True, False):
                expected = theirs(template, talk, has_prompt)
                written = ours(template, talk, has_prompt)
                if name in BEYOND.get(path.stem, ()):
                    is_right = written is not None and written != expected
                else:
                    is_right = written == expected
                n_same[path.stem] += is_right and written is not None
                if not is_right:
                    wrong.append((path.stem, name, has_prompt, expected, written))

    assert wrong == []
    # Both refusing everything would be equality too.
    assert sum(n_same.values()) > 20 * len(paths)
