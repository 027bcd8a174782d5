"""Forced calls: llama.cpp's own parser takes each grammar, the reader takes what it allows."""

from __future__ import annotations

import ctypes
import json
import re

import numpy as np
import pytest

from engine.errors import RequestError
from engine.library.store import Library
from engine.replies.gbnf import literal, prefixed, until
from engine.replies.grammars import thinking_first, tool_grammar
from engine.replies.reader import ReplyReader
from engine.replies.rules import ReplyRules, reply_rules
from engine.replies.syntax import generic
from engine.runtime.batch_native import Batch
from engine.runtime.llama import Context, Model, native
from engine.runtime.sampler_native import Sampler
from engine.types import Options, ToolChoice
from tests.engine.replies.families import ADD, FAMILIES, SUM, TOOLS, WEATHER, tool

REQUIRED = ToolChoice("required")
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
BY_NAME = {family.name: family for family in FAMILIES}
FORCED = {  # the family's own wording of add(a=1, b=2)
    "hermes": '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>',
    "qwen3-coder": "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n"
    "<parameter=b>\n2\n</parameter>\n</function>\n</tool_call>",
    "seed": "<seed:tool_call>\n<function=add>\n<parameter=a>1</parameter>\n"
    "<parameter=b>2</parameter>\n</function>\n</seed:tool_call>",
    "llama3": '{"name": "add", "parameters": {"a": 1, "b": 2}}',
    "mistral": '[TOOL_CALLS][{"name": "add", "arguments": {"a": 1, "b": 2}}]',
    "mistral-args": '[TOOL_CALLS]add[ARGS]{"a": 1, "b": 2}',
    "command": '<|START_ACTION|>[{"tool_name": "add", "parameters": {"a": 1, "b": 2}}]'
    "<|END_ACTION|>",
    "deepseek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n"
    '{"a": 1, "b": 2}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "deepseek-v3.1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>"
    '{"a": 1, "b": 2}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.add:0"
    '<|tool_call_argument_begin|>{"a": 1, "b": 2}<|tool_call_end|><|tool_calls_section_end|>',
    "functionary-v3.1": '<function=add>{"a": 1, "b": 2}</function>',
    "functionary-v3.2": 'add\n{"a": 1, "b": 2}',
    "firefunction": ' functools[{"name": "add", "arguments": {"a": 1, "b": 2}}]',
    "harmony": "<|channel|>commentary to=functions.add <|constrain|>json<|message|>"
    '{"a": 1, "b": 2}',
    "glm": "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n"
    "<arg_key>b</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    "granite": '<|tool_call|>[{"name": "add", "arguments": {"a": 1, "b": 2}}]',
    "phi": '<|tool_call|>[{"name": "add", "arguments": {"a": 1, "b": 2}}]<|/tool_call|>',
    "nemotron": '<TOOLCALL>[{"name": "add", "arguments": {"a": 1, "b": 2}}]</TOOLCALL>',
    "listed": '<tool_calls>[{"name": "add", "arguments": {"a": 1, "b": 2}}]</tool_calls>',
    "apertus": '<|tools_prefix|>[{"name": "add", "arguments": {"a": 1, "b": 2}}]<|tools_suffix|>',
    "gigachat": 'function call<|role_sep|>\n{"name": "add", "arguments": {"a": 1, "b": 2}}',
    "gemma": '<|tool_call>call:add{"a": 1, "b": 2}<tool_call|>',
    "functiongemma": '<start_function_call>call:add{"a": 1, "b": 2}<end_function_call>',
    "pythonic": "[add(a=1, b=2)]",
    "lfm2": "<|tool_call_start|>[add(a=1, b=2)]<|tool_call_end|>",
    "olmo3": "<function_calls>add(a=1, b=2)</function_calls>",
    "minimax": '<minimax:tool_call>\n<invoke name="add">\n<parameter name="a">1</parameter>\n'
    '<parameter name="b">2</parameter>\n</invoke>\n</minimax:tool_call>',
    "dsml": '<｜DSML｜function_calls>\n<｜DSML｜invoke name="add">\n'
    '<｜DSML｜parameter name="a" string="false">1</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="b" string="false">2</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
    "generic": '{"name": "add", "arguments": {"a": 1, "b": 2}}',
}


@pytest.fixture(scope="module")
def model(starter_models):
    path = Library(starter_models).find("smollm2:135m").model_path
    with Model(path, Options(num_gpu=0)) as opened:
        yield opened


def allows(model, grammar, text, *, is_whole=True):
    """Whether llama.cpp's grammar takes the text, token by token, and may end there."""
    sampler = native.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
    assert sampler, f"llama.cpp cannot read:\n{grammar}"
    try:
        for token in model.tokenize(text, add_special=False, parse_special=False):
            if not _is_allowed(sampler, token):
                return False
            native.llama_sampler_accept(sampler, token)
        return not is_whole or _is_allowed(sampler, native.llama_vocab_eos(model.vocab))
    finally:
        native.llama_sampler_free(sampler)


def _is_allowed(sampler, token):
    one = np.array([(token, 0.0, 0.0)], dtype=CANDIDATE)
    array = native.llama_token_data_array(
        data=one.ctypes.data_as(native.llama_token_data_p), size=1, selected=-1, sorted=False
    )
    native.llama_sampler_apply(sampler, ctypes.byref(array))
    return bool(np.isfinite(one["logit"][0]))


def read(rules, text):
    reader = ReplyReader(rules)
    pieces = [reader.push(text), reader.finish()]
    calls = [(call.name, dict(call.arguments)) for piece in pieces for call in piece.tool_calls]
    return "".join(piece.text for piece in pieces), calls


def test_every_family_has_a_forced_wording():
    assert set(FORCED) == set(BY_NAME)


@pytest.mark.parametrize("name", FORCED)
def test_a_forced_call_is_allowed_and_read_again(model, name):
    rules = BY_NAME[name].rules
    grammar = tool_grammar(rules, TOOLS, REQUIRED)

    assert allows(model, grammar, FORCED[name])
    assert read(rules, FORCED[name]) == ("", [SUM])


@pytest.mark.parametrize("name", FORCED)
def test_a_forced_reply_is_nothing_but_a_whole_call_with_what_is_required(model, name):
    grammar = tool_grammar(BY_NAME[name].rules, TOOLS, REQUIRED)
    forced = FORCED[name]

    assert not allows(model, grammar, "Sure, I will do that.", is_whole=False)
    assert not allows(model, grammar, forced.replace("add", "launch"), is_whole=False)
    assert not allows(model, grammar, forced.replace("1", "one"), is_whole=False)
    assert not allows(model, grammar, forced.replace("2", '"x"'), is_whole=False)
    assert not allows(model, grammar, forced[: forced.index("1")])


@pytest.mark.parametrize("name", FORCED)
def test_a_named_call_is_of_that_function_and_alone(model, name):
    grammar = tool_grammar(BY_NAME[name].rules, TOOLS, ToolChoice("named", "get_weather"))

    assert not allows(model, grammar, FORCED[name], is_whole=False)
    assert not allows(model, grammar, "x", is_whole=False)


def test_several_calls_may_be_forced_but_not_without_end(model):
    rules = BY_NAME["hermes"].rules
    grammar = tool_grammar(rules, TOOLS, REQUIRED)
    one = FORCED["hermes"]

    assert allows(model, grammar, f"{one}\n{one}")
    assert not allows(model, grammar, "\n".join([one] * 5))
    assert read(rules, f"{one}\n{one}") == ("", [SUM, SUM])


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_nothing_is_forced_unless_asked(mode):
    assert tool_grammar(BY_NAME["hermes"].rules, TOOLS, ToolChoice(mode)) is None


def test_a_call_that_cannot_be_forced_is_refused():
    rules = ReplyRules(generic("{"))

    with pytest.raises(RequestError, match="no tools"):
        tool_grammar(rules, (), REQUIRED)
    with pytest.raises(RequestError, match="'launch'"):
        tool_grammar(rules, TOOLS, ToolChoice("named", "launch"))


@pytest.mark.parametrize("tag", ["{", "[", "<tool_call>", "[TOOL_CALLS] [", '<|x "y"|>'])
def test_the_generic_rule_can_be_forced_too(model, tag):
    rules = ReplyRules(generic(tag), TOOLS)
    call = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
    text = {"{": call, "[": f"[{call}]", "[TOOL_CALLS] [": f"[TOOL_CALLS][{call}]"}.get(
        tag, tag + call
    )

    assert allows(model, tool_grammar(rules, TOOLS, REQUIRED), text)
    assert read(rules, text) == ("", [SUM])


TEXTS = ["Paris", "a < b", "</parameter", "</", "line\nbreak", "é 😀", "<<</param"]


@pytest.mark.parametrize("name", ["qwen3-coder", "seed", "glm", "minimax", "dsml"])
@pytest.mark.parametrize("value", TEXTS)
def test_text_between_tags_may_be_anything_but_the_closing_tag(model, name, value):
    said = tool("say", {"text": {"type": "string"}}, ["text"])
    rules = reply_rules("jinja", BY_NAME[name].template, family="x", tools=(said,), think=False)
    wording = rules.syntax.wording
    before, middle, after = wording.parameter
    text = (
        f"{wording.start}{wording.call_start}say{wording.between}{before}text"
        f"{middle.replace('%s', 'true')}{value}{after}{wording.call_end}{wording.end}"
    )

    assert allows(model, tool_grammar(rules, (said,), REQUIRED), text)
    assert read(rules, text) == ("", [("say", {"text": value})])


@pytest.mark.parametrize("name", ["qwen3-coder", "pythonic", "hermes", "minimax"])
def test_what_is_optional_may_be_left_out(model, name):
    rules = BY_NAME[name].rules
    grammar = tool_grammar(rules, (WEATHER,), REQUIRED)
    weather = {
        "qwen3-coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\nP\n</parameter>\n%s"
        "</function>\n</tool_call>",
        "pythonic": '[get_weather(city="P"%s)]',
        "hermes": '<tool_call>\n{"name": "get_weather", "arguments": {"city": "P"%s}}'
        "\n</tool_call>",
        "minimax": '<minimax:tool_call>\n<invoke name="get_weather">\n'
        '<parameter name="city">P</parameter>\n%s</invoke>\n</minimax:tool_call>',
    }[name]
    unit = {
        "qwen3-coder": "<parameter=unit>\ncelsius\n</parameter>\n",
        "pythonic": ', unit="celsius"',
        "hermes": ', "unit": "celsius"',
        "minimax": '<parameter name="unit">celsius</parameter>\n',
    }[name]

    assert allows(model, grammar, weather % "")
    assert allows(model, grammar, weather % unit)
    assert not allows(model, grammar, weather % unit.replace("celsius", "kelvin"), is_whole=False)
    assert read(rules, weather % unit)[1] == [("get_weather", {"city": "P", "unit": "celsius"})]


SCHEMAS = [
    # schema of one argument, values allowed, values not
    ({"type": "string"}, ["x", 'q"\\\n'], [1]),
    ({"type": "array", "items": {"type": "integer"}}, [[], [1, 2]], [["a"], {}]),
    ({"type": "array"}, [[1, "a", None]], [{}]),
    ({"type": ["string", "null"]}, ["x", None], [1]),
    ({"type": ["array", "null"], "items": {"type": "string"}}, [["x"], None], [[1]]),
    ({"enum": ['a"b', "c\\d", "e\nf", 5, "ü"]}, ['a"b', "c\\d", "e\nf", 5, "ü"], ["a", 6]),
    ({"const": {"k": 'v"'}}, [{"k": 'v"'}], [{}]),
    ({"description": "anything"}, [1, "x", {"y": []}, None], []),
    ({}, [1, "x", {"y": []}], []),
    (True, [1, "x"], []),
    ({"type": "str"}, [1, "x"], []),  # no type of JSON schema
    ({"$ref": "#/$defs/My_Node"}, [{"next": {"next": {}}}, {}], [1]),
    ({"allOf": [{"$ref": "#/$defs/color"}]}, ["red"], ["blue"]),
    ({"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/color"}]}, [5, "red"], ["blue"]),
    ({"type": "string", "pattern": "^[\\d]{1000000}$"}, ["x"], [1]),
    ({"type": "string", "maxLength": 10**9}, ["x"], [1]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd"]),
    ({"type": "array", "items": {}, "maxItems": 10**9}, [[1]], [1]),
    ({"type": "string", "format": "date"}, ["2026-11-21"], ["today"]),
    ({"type": "string", "format": "email"}, ["a@b"], [1]),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, [{"a": 1}, {}], [{"a": "b"}]),
    ({"type": "object"}, [{"a": 1}], [1]),
    ({"type": "object", "properties": {"space": {"type": "string"}, "root": {"type": "array"},
      'q"\\': {"type": "boolean"}}}, [{"space": "x", "root": [], 'q"\\': True}, {}], [{"z": 1}]),
]  # fmt: skip
DEFS = {
    "My_Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/My_Node"}}},
    "color": {"enum": ["red", "green"]},
}


def _dumps(value):
    """Write JSON with escapes by number, as the grammar has them in names and constants."""
    text = json.dumps(value, ensure_ascii=False)
    short = {'\\"': "\\u0022", "\\\\": "\\u005c", "\\n": "\\u000a"}
    return re.sub(r"\\.", lambda match: short[match.group()], text)


@pytest.mark.parametrize(("schema", "good", "bad"), SCHEMAS)
def test_arguments_follow_the_schema(model, schema, good, bad):
    one = tool("f", {"v": schema}, ["v"])
    one["function"]["parameters"]["$defs"] = DEFS
    rules = BY_NAME["hermes"].rules
    rules = ReplyRules(rules.syntax, (one,))
    grammar = tool_grammar(rules, (one,), REQUIRED)
    frame = '<tool_call>\n{"name": "f", "arguments": {"v": %s}}\n</tool_call>'

    for value in good:
        assert allows(model, grammar, frame % _dumps(value)), value
        assert read(rules, frame % _dumps(value)) == ("", [("f", {"v": value})])
    for value in bad:
        assert not allows(model, grammar, frame % _dumps(value)), value


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object", "properties": {}}])
@pytest.mark.parametrize("name", FORCED)
def test_a_function_without_parameters_can_be_forced(model, name, parameters):
    one = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    rules = BY_NAME[name].rules

    assert not allows(model, tool_grammar(rules, (one,), REQUIRED), "x", is_whole=False)


def test_a_schema_nested_without_end_is_refused_or_cut(model):
    schema: dict[str, object] = {"type": "integer"}
    for _ in range(3000):
        schema = {"type": "array", "items": schema}

    with pytest.raises(RequestError, match="'f'"):
        tool_grammar(ReplyRules(), (tool("f", {"v": schema}),), REQUIRED)


def test_a_schema_that_grows_with_every_reference_is_bounded():
    defs = {
        f"d{n}": {
            "type": "object",
            "properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in "abcdefgh"},
        }
        for n in range(8)
    }
    one = tool("f", {"v": {"$ref": "#/$defs/d0"}})
    one["function"]["parameters"]["$defs"] = defs

    assert len(tool_grammar(ReplyRules(), (one,), REQUIRED)) < 5_000_000


HYBRID = "<tool_call> <think> </think>"


def test_a_thought_may_come_before_a_forced_call(model):
    rules = reply_rules("jinja", HYBRID, family="x", tools=TOOLS, think=True)
    grammar = tool_grammar(rules, TOOLS, REQUIRED)
    thought = "<think>\nI < they </thin\n</think>\n\n"

    assert rules.grammar_after is None
    assert allows(model, grammar, thought + FORCED["hermes"])
    assert allows(model, grammar, FORCED["hermes"])
    assert not allows(model, grammar, thought)
    assert read(rules, thought + FORCED["hermes"]) == ("", [SUM])


def test_after_an_open_thought_the_grammar_begins_behind_it(model):
    rules = reply_rules(
        "jinja", HYBRID, family="x", tools=TOOLS, think=True, prompt_tail="<think>\n"
    )

    assert rules.grammar_after == "</think>"
    assert allows(model, tool_grammar(rules, TOOLS, REQUIRED), FORCED["hermes"])
    assert thinking_first(rules, 'root ::= "x"') == 'root ::= "x"'


def test_any_grammar_may_follow_a_thought(model):
    rules = reply_rules("jinja", HYBRID, family="x", tools=(), think=True)
    grammar = thinking_first(rules, 'root ::= item{1,3} # item\nitem ::= "root" | [a-z"]\n')

    assert allows(model, grammar, "<think>what?</think>\nrootx")
    assert allows(model, grammar, "rootx")
    assert not allows(model, grammar, "Well", is_whole=False)


def test_harmony_thinks_and_answers_in_its_own_messages(model):
    rules = BY_NAME["harmony"].rules
    thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
    final = "<|channel|>final<|message|>x"
    bound = thinking_first(rules, 'root ::= "x"')

    assert allows(model, tool_grammar(rules, TOOLS, REQUIRED), thought + FORCED["harmony"])
    assert allows(model, bound, thought + final)
    assert allows(model, bound, final)
    assert not allows(model, bound, "x")


@pytest.mark.parametrize("closer", ["</a>", "aab", "abab", "]", "｜>"])
def test_until_ends_at_the_first_closer(model, closer):
    grammar = f'root ::= thing "!"\n{until("thing", closer)}'

    for before in ("", "a", "aa", "aba", "<", "</", "x\n"):
        whole = before + closer
        is_first = whole.index(closer) == len(before)
        assert allows(model, grammar, f"{whole}!") == is_first
    assert not allows(model, grammar, f"x{closer}{closer}!")


@pytest.mark.parametrize("text", ['a"b\\c', "[x]^-", "é｜😀", "\n\t\x01"])
def test_a_literal_is_the_text_itself(model, text):
    assert allows(model, f"root ::= {literal(text)}", text)


def test_a_prefix_touches_names_only():
    grammar = 'root ::= "root" [root] item{2,3} # root\nitem ::= "\\"" root'

    assert prefixed(grammar, "p-") == (
        'p-root ::= "root" [root] p-item{2,3} # root\np-item ::= "\\"" p-root'
    )


def generate(model, grammar, n_tokens=200):
    """Let the model write under a grammar, greedily."""
    prompt = "<|im_start|>user\nWeather in Paris for two days?<|im_end|>\n<|im_start|>assistant\n"
    tokens = model.tokenize(prompt, add_special=True, parse_special=True)
    context = Context(model, n_ctx=512, n_sequences=1, n_batch=128, n_threads=2)
    batch, sampler = Batch(128), Sampler(model, Options(temperature=0), grammar=grammar)
    said, position = b"", 0
    try:
        for _ in range(n_tokens):
            batch.clear()
            for number, token in enumerate(tokens):
                batch.add(token, position + number, 0, wants_output=number == len(tokens) - 1)
            position += len(tokens)
            context.decode(batch)
            tokens = [sampler.sample(context, batch.n_tokens - 1)]
            if model.is_end(tokens[0]):
                break
            said += model.piece(tokens[0])
    finally:
        sampler.close()
        batch.close()
        context.close()
    return said.decode("utf-8", "replace")


@pytest.mark.parametrize("name", ["glm", "pythonic", "generic"])
def test_a_real_model_that_knows_no_tools_is_forced_to_one_call(model, name):
    bounded = tool(
        "get_weather",
        {
            "city": {"enum": ["Paris", "Rome"]},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        ["city", "days", "unit"],
    )
    tools = (bounded, ADD)
    rules = ReplyRules(BY_NAME[name].rules.syntax, tools)

    reply = generate(model, tool_grammar(rules, tools, ToolChoice("named", "get_weather")))
    text, calls = read(rules, reply)

    assert (text, len(calls)) == ("", 1), reply
    called, arguments = calls[0]
    assert called == "get_weather"
    assert arguments["city"] in ("Paris", "Rome")
    assert isinstance(arguments["days"], int)
    assert arguments["unit"] in ("celsius", "fahrenheit")
