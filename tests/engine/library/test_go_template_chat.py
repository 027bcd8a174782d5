"""Conversations become the prompts that Ollama makes of them: modes, data, known families."""

from __future__ import annotations

import pytest

from engine.errors import ChatTemplateError
from engine.library.template.go.chat import render_go_chat, render_go_prompt, render_go_suffix
from engine.types import Conversation, Message, ToolCall

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "unit": {"type": ["string", "null"], "enum": ["C", "F"], "default": "C"},
                "city": {"type": "string", "description": "A <city>"},
            },
        },
    },
}
WEATHER_PARAMETERS = (
    '{"type":"object","required":["city"],"properties":{'
    '"city":{"type":"string","description":"A \\u003ccity\\u003e"},'
    '"unit":{"type":["string","null"],"enum":["C","F"]}}}'
)
WEATHER_FUNCTION = (
    '{"name":"get_weather","description":"Weather of a city","parameters":'
    + WEATHER_PARAMETERS
    + "}"
)
WEATHER_JSON = '{"type":"function","function":' + WEATHER_FUNCTION + "}"
CALL = ToolCall("get_weather", {"unit": "C", "city": "Oslo"}, id="call_1")
PLAIN = (
    Message("system", "Be brief."),
    Message("user", "Hi"),
    Message("assistant", "Hello!"),
    Message("user", "Bye"),
)
TOOL_TURNS = (
    Message("user", "Weather in Oslo?"),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "4 C", tool_name="get_weather", tool_call_id="call_1"),
)


def chat(template, *messages, tools=(), think=None):
    return render_go_chat(template, Conversation(tuple(messages), tuple(tools), think))


# Families.

CHATML = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
CHATML_LEGACY = """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
CHATML_PROMPT = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
    "<|im_start|>assistant\n"
)
GEMMA = """{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if or (eq .Role "user") (eq .Role "system") }}<start_of_turn>user
{{ .Content }}<end_of_turn>
{{ if $last }}<start_of_turn>model
{{ end }}
{{- else if eq .Role "assistant" }}<start_of_turn>model
{{ .Content }}{{ if not $last }}<end_of_turn>
{{ end }}
{{- end }}
{{- end }}"""
PHI = """{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 -}}
<|{{ .Role }}|>
{{ .Content }}<|end|>
{{ if and $last (ne .Role "assistant") }}<|assistant|>
{{ end }}
{{- end }}"""
LLAMA3 = """{{- if or .System .Tools }}<|start_header_id|>system<|end_header_id|>
{{- if .System }}

{{ .System }}
{{- end }}
{{- if .Tools }}

You may call tools.
{{- end }}<|eot_id|>
{{- end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|start_header_id|>user<|end_header_id|>
{{- if and $.Tools $last }}

Given the functions, answer with a call.

{{ range $.Tools }}
{{- . }}
{{ end }}
{{ .Content }}<|eot_id|>
{{- else }}

{{ .Content }}<|eot_id|>
{{- end }}{{ if $last }}<|start_header_id|>assistant<|end_header_id|>

{{ end }}
{{- else if eq .Role "assistant" }}<|start_header_id|>assistant<|end_header_id|>
{{- if .ToolCalls }}
{{ range .ToolCalls }}
{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}
{{- else }}

{{ .Content }}
{{- end }}{{ if not $last }}<|eot_id|>{{ end }}
{{- else if eq .Role "tool" }}<|start_header_id|>ipython<|end_header_id|>

{{ .Content }}<|eot_id|>{{ if $last }}<|start_header_id|>assistant<|end_header_id|>

{{ end }}
{{- end }}
{{- end }}"""
MISTRAL = """{{- range $index, $_ := .Messages }}
{{- if eq .Role "user" }}
{{- if and (le (len (slice $.Messages $index)) 2) $.Tools }}[AVAILABLE_TOOLS] {{ $.Tools -}}
[/AVAILABLE_TOOLS]
{{- end }}[INST] {{ if and (eq (len (slice $.Messages $index)) 1) $.System }}{{ $.System }}

{{ end }}{{ .Content }}[/INST]
{{- else if eq .Role "assistant" }}
{{- if .Content }} {{ .Content }}</s>
{{- else if .ToolCalls }}[TOOL_CALLS] [
{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
{{- end }}]</s>
{{- end }}
{{- else if eq .Role "tool" }}[TOOL_RESULTS] {"content": {{ .Content }}}[/TOOL_RESULTS]
{{- end }}
{{- end }}"""
QWEN = """{{- if or .System .Tools }}<|im_start|>system
{{ if .System }}{{ .System }}{{ end }}
{{- if .Tools }}

# Tools
<tools>
{{- range .Tools }}
{"type": "function", "function": {{ .Function }}}
{{- end }}
</tools>{{ end }}<|im_end|>
{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 -}}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}
{{- if and $.IsThinkSet $last }}
{{- if $.Think }} /think{{ else }} /no_think{{ end }}{{ end }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ if .Thinking }}<think>{{ .Thinking }}</think>
{{ end -}}
{{ if .Content }}{{ .Content }}
{{- else if .ToolCalls }}<tool_call>
{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
{{ end }}</tool_call>
{{- end }}{{ if not $last }}<|im_end|>
{{ end }}
{{- else if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ end }}
{{- if and (ne .Role "assistant") $last }}<|im_start|>assistant
{{ if and $.IsThinkSet (not $.Think) }}<think>

</think>

{{ end }}{{ end }}
{{- end }}"""
DEEPSEEK = """{{- if .System }}{{ .System }}{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1}}
{{- if eq .Role "user" }}<|User|>{{ .Content }}
{{- else if eq .Role "assistant" }}<|Assistant|>
{{- if and $.IsThinkSet (and $last .Thinking) -}}
<think>
{{ .Thinking }}
</think>
{{- end }}{{ .Content }}{{- if not $last }}<|end|>{{- end }}
{{- end }}
{{- if and $last (ne .Role "assistant") }}<|Assistant|>
{{- if and $.IsThinkSet (not $.Think) -}}
<think>

</think>

{{ end }}
{{- end -}}
{{- end }}"""


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (CHATML, CHATML_PROMPT),
        (CHATML_LEGACY, CHATML_PROMPT),
        (
            GEMMA,
            "<start_of_turn>user\nBe brief.<end_of_turn>\n<start_of_turn>user\nHi<end_of_turn>\n"
            "<start_of_turn>model\nHello!<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n"
            "<start_of_turn>model\n",
        ),
        (
            PHI,
            "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n"
            "<|user|>\nBye<|end|>\n<|assistant|>\n",
        ),
        (
            LLAMA3,
            "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (MISTRAL, "[INST] Hi[/INST] Hello!</s>[INST] Be brief.\n\nBye[/INST]"),
        (
            QWEN,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        (DEEPSEEK, "Be brief.<|User|>Hi<|Assistant|>Hello!<|end|><|User|>Bye<|Assistant|>"),
    ],
    ids=["chatml", "chatml-legacy", "gemma", "phi", "llama3", "mistral", "qwen", "deepseek"],
)
def test_a_family_writes_a_plain_conversation(template, prompt):
    assert chat(template, *PLAIN) == prompt


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (
            LLAMA3,
            "<|start_header_id|>system<|end_header_id|>\n\nYou may call tools.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nWeather in Oslo?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n"
            '\n{"name": "get_weather", "parameters": {"city":"Oslo","unit":"C"}}<|eot_id|>'
            "<|start_header_id|>ipython<|end_header_id|>\n\n4 C<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (
            MISTRAL,
            "[INST] Weather in Oslo?[/INST]"
            '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city":"Oslo","unit":"C"}}]</s>'
            '[TOOL_RESULTS] {"content": 4 C}[/TOOL_RESULTS]',
        ),
        (
            QWEN,
            "<|im_start|>system\n\n\n# Tools\n<tools>\n"
            '{"type": "function", "function": ' + WEATHER_FUNCTION + "}\n</tools><|im_end|>\n"
            "<|im_start|>user\nWeather in Oslo?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n"
            '{"name": "get_weather", "arguments": {"city":"Oslo","unit":"C"}}\n'
            "</tool_call><|im_end|>\n"
            "<|im_start|>user\n<tool_response>\n4 C\n</tool_response><|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
    ],
    ids=["llama3", "mistral", "qwen"],
)
def test_a_family_writes_tools_calls_and_results(template, prompt):
    assert chat(template, *TOOL_TURNS, tools=[WEATHER]) == prompt


def test_tools_stand_before_the_last_question():
    assert chat(MISTRAL, Message("user", "Weather?"), tools=[WEATHER]) == (
        f"[AVAILABLE_TOOLS] [{WEATHER_JSON}][/AVAILABLE_TOOLS][INST] Weather?[/INST]"
    )
    assert chat(LLAMA3, Message("user", "Weather?"), tools=[WEATHER]).endswith(
        f"Given the functions, answer with a call.\n\n{WEATHER_JSON}\n\nWeather?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


@pytest.mark.parametrize(
    ("think", "ending"),
    [
        (None, "Hi<|im_end|>\n<|im_start|>assistant\n"),
        (True, "Hi /think<|im_end|>\n<|im_start|>assistant\n"),
        ("low", "Hi /think<|im_end|>\n<|im_start|>assistant\n"),
        (False, "Hi /no_think<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    ],
)
def test_a_template_sees_whether_to_think(think, ending):
    assert chat(QWEN, Message("user", "Hi"), think=think) == "<|im_start|>user\n" + ending


def test_a_begun_answer_with_its_thought_stays_open():
    turns = (Message("user", "Hi"), Message("assistant", "Well", thinking="Hm"))

    assert chat(DEEPSEEK, *turns, think=True) == (
        "<|User|>Hi<|Assistant|><think>\nHm\n</think>Well"
    )
    assert chat(QWEN, *turns).endswith("<|im_start|>assistant\n<think>Hm</think>\nWell")


@pytest.mark.parametrize(
    ("think", "text"),
    [(None, "false//false"), (True, "true/medium/true"), (False, "false//true"),
     ("high", "true/high/true")],
)  # fmt: skip
def test_the_variables_of_thinking(think, text):
    template = "{{ .Think }}/{{ .ThinkLevel }}/{{ .IsThinkSet }}{{ range .Messages }}{{ end }}"

    assert chat(template, Message("user", "Hi"), think=think) == text


# Modes.


def test_a_template_without_a_place_for_the_answer_gets_one_at_its_end():
    assert chat("Q: {{ .Prompt }} A: ", *PLAIN) == "Q: Hi A: Hello!Q: Bye A: "


def test_the_last_turn_is_cut_behind_the_answer():
    template = "{{ .System }}|{{ .Prompt }}|{{ .Response }}{{ if .Prompt }}</s>{{ end }}\n"

    assert chat(template, *PLAIN) == "Be brief.|Hi|Hello!</s>\n|Bye|"
    assert chat(template, Message("user", "Hi"), Message("assistant", "We")) == "|Hi|We"


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{{ if .Prompt }}{{ .Prompt }} {{ .Response }} end{{ else }}no{{ end }} tail", "Hi "),
        ("{{ with .Prompt }}{{ . }}{{ $.Response }}{{ end }}tail{{ .Response }}x", "Hitail"),
        ("{{ if .Response }}a{{ end }}{{ .Prompt }}[{{ .Response }}]", "Hi["),
        ('{{ printf "%s>%s" .Prompt .Response "x" }}tail', "Hi>"),
        ('{{ .Prompt }}{{ print "<" (print .Response "y") "z" }}tail', "Hi<"),
        ('{{ .Prompt }}{{ .Response | printf "[%s]" }}tail', "Hi"),
        ("{{ range 1 }}{{ $.Prompt }}{{ end }}{{ .Response }}tail", "Hi"),
    ],
)
def test_the_cut_reaches_into_branches_and_commands(template, prompt):
    assert chat(template, Message("user", "Hi")) == prompt


def test_legacy_turns_end_where_a_new_one_must_begin():
    template = "[{{ .System }}|{{ .Prompt }}|{{ .Response }}]"
    turns = (
        Message("user", "q1"),
        Message("system", "s1"),
        Message("user", "q2"),
        Message("assistant", "a2"),
        Message("system", "s2"),
        Message("tool", "ignored"),
        Message("user", "q3"),
    )

    assert chat(template, *turns) == "[|q1|][s1|q2|a2][s2|q3|"


def test_neighbours_of_one_role_are_merged_but_tools_are_not():
    template = "{{ range .Messages }}({{ .Role }}:{{ .Content }}){{ end }}"
    turns = [
        Message("user", "a"), Message("user", "b"), Message("user", "c"),
        Message("tool", "x"), Message("tool", "y"),
    ]  # fmt: skip

    assert chat(template, *turns) == "(user:a\n\nb\n\nc)(tool:x)(tool:y)"


def test_merging_loses_no_call():
    calls = "{{ range .ToolCalls }}{{ .Function.Name }}{{ end }}"
    template = "{{ range .Messages }}{{ .Content }}" + calls + "{{ end }}"

    merged = chat(template, Message("assistant", "a"), Message("assistant", "", tool_calls=(CALL,)))

    assert merged == "a\n\nget_weather"


def test_system_is_all_system_texts():
    template = "{{ .System }}{{ range .Messages }}[{{ .Role }}]{{ end }}"

    assert chat(
        template, Message("system", "one"), Message("user", "x"), Message("system", "two")
    ) == "one\n\ntwo[system][user][system]"  # fmt: skip


def test_what_only_the_other_mode_has_is_missing_not_wrong():
    both = (
        "{{ if .Messages }}{{ range .Messages }}{{ .Content }}{{ end }}"
        "{{ else }}{{ .Prompt }}{{ end }}"
    )

    assert chat(both, Message("user", "Hi")) == "Hi"
    assert chat("{{ if .Tools }}t{{ end }}{{ if .First }}f{{ end }}{{ .Prompt }}", PLAIN[1]) == "Hi"


@pytest.mark.parametrize(
    "template",
    ["{{ range .Messages }}{{ .Nope }}{{ end }}",
     "{{ range .Messages }}{{ range .ToolCalls }}{{ .Name }}{{ end }}{{ end }}",
     "{{ range .Messages }}{{ end }}{{ range .Tools }}{{ .function }}{{ end }}"],
)  # fmt: skip
def test_a_field_that_a_message_call_or_tool_does_not_have_is_an_error(template):
    with pytest.raises(ChatTemplateError, match="can't evaluate field"):
        chat(template, *TOOL_TURNS, tools=[WEATHER])


def test_one_question_is_a_chat():
    assert render_go_prompt(CHATML_LEGACY, system="Be brief.", prompt="Hi") == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert render_go_prompt("{{ .Prompt }}", prompt="Hi", response=" the") == "Hi the"
    assert render_go_prompt(CHATML, prompt="") == (
        "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_gap_is_given_with_both_its_sides():
    fim = "<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>"
    both = (
        "{{- if .Suffix }}<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>{{ else }}"
        "[INST] {{ .System }}{{ .Prompt }}[/INST]{{ end }}{{ .Response }}</s>"
    )

    assert render_go_suffix(fim, "def f(", "return 1") == "<PRE> def f( <SUF>return 1 <MID>"
    assert render_go_suffix(both, "a", "b") == "<PRE> a <SUF>b <MID></s>"
    asked = "{{ if .System }}s{{ end }}{{ if .Think }}t{{ end }}{{ .Prompt }}_{{ .Suffix }}"
    assert render_go_suffix(asked, "a", "b", think=True) == "ta_b"
    assert chat(both, Message("user", "a")) == "[INST] a[/INST]"


# Images.


def test_images_are_numbered_over_the_conversation():
    template = "{{ range .Messages }}{{ .Role }}: {{ .Content }} {{ len .Images }};{{ end }}"
    turns = (
        Message("user", "What?", images=(b"1", b"2")),
        Message("assistant", "A cat"),
        Message("user", "This [img] or [img]?", images=(b"3", b"4", b"5")),
    )

    assert chat(template, *turns) == (
        "user: [img-0][img-1]What? 2;assistant: A cat 0;user: [img-4]This [img-2] or [img-3]? 3;"
    )
    assert chat("{{ .Prompt }}", *turns[:1]) == "[img-0][img-1]What?"


# Data.


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("{{ $.Tools }}", f"[{WEATHER_JSON}]"),
        ("{{ json $.Tools }}", f"[{WEATHER_JSON}]"),
        ("{{ slice $.Tools 0 1 }}", f"[{WEATHER_JSON}]"),
        ("{{ range $.Tools }}{{ . }}{{ end }}", WEATHER_JSON),
        ("{{ range $.Tools }}{{ .Type }} {{ .Function }}{{ end }}", f"function {WEATHER_FUNCTION}"),
        ("{{ range $.Tools }}{{ .Function.Parameters }}{{ end }}", WEATHER_PARAMETERS),
        ("{{ range $.Tools }}{{ .Function.Name }}: {{ .Function.Description }}{{ end }}",
         "get_weather: Weather of a city"),
        ("{{ range $.Tools }}{{ .Function.Parameters.Type }} {{ .Function.Parameters.Required }}"
         "{{ end }}", "object [city]"),
        ("{{ range $.Tools }}{{ range $n, $p := .Function.Parameters.Properties }}{{ $n }}="
         "{{ $p.Type }}/{{ toTypeScriptType $p }}/{{ $p.Description }}/{{ $p.Enum }};"
         "{{ end }}{{ end }}",
         "city=string/string/A <city>/[];unit=[string null]/string | null//[C F];"),
        ("{{ range $.Tools }}{{ len .Function.Parameters.Properties }}{{ end }}", "2"),
        ("{{ range .ToolCalls }}{{ .ID }} {{ .Function.Index }} {{ .Function.Arguments }}{{ end }}",
         'call_1 0 {"city":"Oslo","unit":"C"}'),
        ("{{ range .ToolCalls }}{{ range $k, $v := .Function.Arguments }}{{ $k }}={{ $v }};"
         "{{ end }}{{ end }}", "city=Oslo;unit=C;"),
        ("{{ range .ToolCalls }}{{ .Function.Arguments.city }}{{ end }}", "Oslo"),
        ("{{ range .ToolCalls }}{{ index .Function.Arguments `city` }}{{ end }}", "Oslo"),
        ("{{ json .ToolCalls }}",
         '[{"ID":"call_1","Function":{"Index":0,"Name":"get_weather",'
         '"Arguments":{"city":"Oslo","unit":"C"}}}]'),
        ("{{ (index $.Messages 0).Role }}", "assistant"),
        ("{{ with index $.Messages 0 }}{{ .Role }}{{ end }}", "assistant"),
    ],
)  # fmt: skip
def test_tools_and_calls_print_and_range_as_in_ollama(inner, text):
    template = "{{ range .Messages }}" + inner + "{{ end }}"

    assert chat(template, TOOL_TURNS[1], tools=[WEATHER]) == text


def test_a_tool_result_names_its_call():
    template = "{{ range .Messages }}{{ .ToolName }}/{{ .ToolCallID }}/{{ .Content }};{{ end }}"

    assert chat(template, TOOL_TURNS[2]) == "get_weather/call_1/4 C;"


def test_a_bare_tool_is_filled_up_as_ollama_fills_it():
    template = (
        "{{ range .Messages }}{{ end }}{{ .Tools }}{{ range .Tools }}"
        "{{ with .Function.Parameters }}{{ .Properties }}{{ if .Properties }}x{{ end }}"
        "{{ end }}{{ end }}"
    )
    bare = {"type": "function", "function": {"name": "f"}}

    assert chat(template, Message("user", "x"), tools=[bare]) == (
        '[{"type":"function","function":{"name":"f","description":"",'
        '"parameters":{"type":"","properties":null}}}]{}'
    )


def test_nested_properties_keep_their_order_and_types():
    nested = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {
            "p": {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"anyOf": [
                {"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}},
                "required": ["z"]},
        }}},
    }  # fmt: skip
    template = (
        "{{ range .Messages }}{{ end }}{{ range .Tools }}{{ with .Function.Parameters }}"
        "{{ .Properties }} {{ toTypeScriptType (index .Properties `p`).Properties.a }}"
        "{{ end }}{{ end }}"
    )

    assert chat(template, Message("user", "x"), tools=[nested]) == (
        '{"p":{"type":"object","properties":{"z":{"type":"integer"},"a":{"anyOf":[{"type":"boolean"},'
        '{"type":"array","items":{"type":"string"}}]}},"required":["z"]}} boolean | any[]'
    )


def test_numbers_of_arguments_are_floats_as_in_go():
    call = ToolCall("f", {"n": 3, "big": 1000000, "exact": 12345678901234567890, "x": 1.5})
    template = (
        "{{ range .Messages }}{{ range .ToolCalls }}{{ .Function.Arguments }} "
        "{{ range $k, $v := .Function.Arguments }}{{ $k }}={{ $v }} {{ end }}{{ end }}{{ end }}"
    )

    assert chat(template, Message("assistant", "", tool_calls=(call,))) == (
        '{"big":1000000,"exact":12345678901234567890,"n":3,"x":1.5} '
        "big=1e+06 exact=12345678901234567890 n=3 x=1.5 "
    )
