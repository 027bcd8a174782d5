"""Replies of every family, whole and cut anywhere."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.replies.reader import ReplyReader
from engine.replies.rules import ReplyRules, reply_rules
from engine.replies.syntax import generic
from tests.engine.replies.families import FAMILIES, JSON_PARIS, JSON_SUM, PARIS, SUM, TOOLS

IDS = [f"{n}-{family.name}" for n, family in enumerate(FAMILIES)]


def read(rules, parts):
    """Return text, thinking and calls of a whole reply."""
    reader = ReplyReader(rules)
    pieces = [*map(reader.push, parts), reader.finish()]
    calls = [call for piece in pieces for call in piece.tool_calls]
    assert [call.index for call in calls] == list(range(len(calls)))
    return (
        "".join(piece.text for piece in pieces),
        "".join(piece.thinking for piece in pieces),
        [(call.name, dict(call.arguments)) for call in calls],
    )


def rules_of(template="<tool_call>", tools=TOOLS, think=None, tail=""):
    return reply_rules("jinja", template, family="x", tools=tools, think=think, prompt_tail=tail)


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_reply_is_read_in_the_syntax_of_its_family(family):
    assert family.rules.syntax.name == family.name

    assert read(family.rules, [family.reply]) == (
        family.text,
        family.thinking,
        list(family.calls),
    )


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_reply_in_single_characters_is_the_same(family):
    assert read(family.rules, family.reply) == read(family.rules, [family.reply])


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_without_tools_nothing_is_a_call(family):
    rules = reply_rules("jinja", family.template, family="x", tools=(), think=False)

    text, _, calls = read(rules, family.reply)

    assert calls == []
    assert rules.syntax is not None or text == family.reply


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_call_of_an_unknown_function_stays_text(family):
    reply = family.reply.replace("get_weather", "launch").replace("add", "launch")

    text, _, calls = read(family.rules, reply)

    assert calls == []
    assert "launch" in text or family.name == "harmony"


ALPHABET = ["<", "{", "}", "[", "]", '"', "\\", "'", "\n", " ", "x", ":", ",", "add", "(", ")", "="]


GENERIC_RULES = [
    ReplyRules(generic(tag), TOOLS, *tags, is_open=is_open)
    for tag in ("{", "[", "<tool_call>", "[TOOL_CALLS] [")
    for tags, is_open in ((("", ""), False), (("<think>", "</think>"), True))
]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_where_the_text_is_cut_changes_nothing(data):
    family = data.draw(st.sampled_from(FAMILIES))
    rules = data.draw(st.sampled_from([family.rules, *GENERIC_RULES]))
    marks = sorted(rules.shown_special) or ["{"]
    noise = st.lists(st.sampled_from([*ALPHABET, *marks, family.reply, JSON_SUM]), max_size=12)
    at = data.draw(st.integers(0, len(family.reply)))
    reply = (
        "".join(data.draw(noise))
        + family.reply[:at]
        + "".join(data.draw(noise))
        + family.reply[data.draw(st.integers(0, at)) :]
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(reply)), max_size=8)))
    parts = [reply[a:b] for a, b in zip([0, *cuts], [*cuts, len(reply)], strict=True)]

    whole = read(rules, [reply])

    assert read(rules, parts) == whole
    assert read(rules, reply) == whole


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_reply_that_is_cut_off_invents_no_call_and_loses_no_text(family):
    has_own_marks = family.rules.syntax.extent == "channels" or family.rules.syntax.noise
    for end in range(len(family.reply)):
        cut = family.reply[:end]

        text, thinking, calls = read(family.rules, [cut])

        assert calls == list(family.calls)[: len(calls)]
        if not (calls or has_own_marks or family.thinking):
            assert (text.split(), thinking) == (cut.split(), "")


@pytest.mark.parametrize(
    ("reply", "tail", "thinking", "text"),
    [
        ("  <think>\n\n a b \n</think>\n\n c \n", "", "a b", "c \n"),
        ("a b</think>c", "<|assistant|>\n<think>\n", "a b", "c"),
        ("<think>a</think>c", "<think>\n", "a", "c"),  # repeats the prompt's tag
        ("</think>c", "<think>", "", "c"),
        ("never closed", "<think>", "never closed", ""),
        ("text <think>a</think>", "", "", "text <think>a</think>"),
        ("  text", "", "", "  text"),
        ("<thin", "", "", "<thin"),
        ("<thinner>", "", "", "<thinner>"),
        ("<think>a</thi", "", "a</thi", ""),
        ("<think></think>", "", "", ""),
        ("<think>a\n\n", "", "a\n\n", ""),
        ("c", "<think>\n\n</think>\n\n", "", "c"),
        ("", "<think>", "", ""),
    ],
)
def test_a_thought_is_taken_from_the_beginning_only(reply, tail, thinking, text):
    rules = rules_of("<think></think>", tools=(), tail=tail)

    assert read(rules, [reply]) == (text, thinking, [])
    assert read(rules, reply) == (text, thinking, [])


def test_think_false_leaves_the_text_alone():
    rules = rules_of("<think></think>", tools=(), think=False)

    assert read(rules, "<think>a</think>b") == ("<think>a</think>b", "", [])


def test_a_thought_that_the_template_opens_against_think_false_is_no_answer():
    rules = rules_of("<think></think>", tools=(), think=False, tail="<think>")

    assert read(rules, "a</think>b") == ("b", "a", [])


def test_no_piece_ever_shows_a_part_of_a_tag():
    reader = ReplyReader(rules_of("<tool_call> <think></think>"))

    shown = [reader.push(each) for each in f"<think>a</think>b <tool_call>{JSON_PARIS}</tool_call>"]

    assert not any("<" in piece.text or "<" in piece.thinking for piece in shown)
    assert not any("<" in part for part in reader.finish().text)


def test_calls_have_ids_of_their_own():
    reader = ReplyReader(rules_of())

    calls = reader.push(f"<tool_call>{JSON_SUM}</tool_call>" * 3).tool_calls

    assert len({call.id for call in calls}) == 3
    assert all(call.id.startswith("call_") and len(call.id) == 13 for call in calls)
    assert all(
        call.id[5:].isalnum() and call.id.islower() for call in calls if call.id[5:].isalpha()
    )


def test_arguments_keep_the_models_order():
    reader = ReplyReader(rules_of())

    (call,) = reader.push('<tool_call>{"name":"add","arguments":{"b":1,"a":2}}').tool_calls

    assert list(call.arguments) == ["b", "a"]


@pytest.mark.parametrize(
    "reply",
    [
        '<tool_call>{"name": "add", "arguments": {"a": 1',
        '<tool_call>{"name": "add", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>',
        '<tool_call>{"name": "add", "arguments": {"a": 1e999}}</tool_call>',
        "<tool_call>{bad}</tool_call> and more",
        "<tool_call>add</tool_call>",
        "<tool_call>   \n",
        "<tool_call>",
        "<tool_cal",
        "a < b and {c}",
    ],
)
def test_what_is_no_call_stays_as_it_is(reply):
    assert read(rules_of(), [reply]) == (reply, "", [])
    assert read(rules_of(), reply) == (reply, "", [])


def test_a_call_after_a_false_start_is_found():
    text, _, calls = read(rules_of(), [f"Use <tool_call> so: <tool_call>{JSON_SUM}</tool_call>"])

    assert (text, calls) == ("Use <tool_call> so:", [SUM])


@pytest.mark.parametrize(
    ("reply", "arguments"),
    [
        ('{"name":"add","arguments":"{\\"a\\":1}"}', {"a": 1}),  # as OpenAI's text
        ('{"name":"add"}', {}),
        ('{"type":"function","function":{"name":"add","parameters":{"a":1}}}', {"a": 1}),
        ('{"name":"functions.add","arguments":{}}', {}),
        ('{"name":"add","arguments":{"a":"line\nbreak </tool_call>"}}',
         {"a": "line\nbreak </tool_call>"}),
        ('{"name":"add","arguments":{"a":"\\ud800x"}}', {"a": "\ufffdx"}),
        ('{"name":"add","arguments":{"a":"\\ud83d\\ude00"}}', {"a": "😀"}),
    ],
)  # fmt: skip
def test_other_spellings_of_a_call_are_read(reply, arguments):
    assert read(rules_of(), f"<tool_call>{reply}</tool_call>") == ("", "", [("add", arguments)])


def test_bare_json_is_a_call_only_at_the_beginning():
    rules = rules_of("<|start_header_id|>ipython<|end_header_id|>")
    call = '{"name": "add", "parameters": {"a": 1, "b": 2}}'

    assert read(rules, f"\n{call}")[2] == [SUM]
    assert read(rules, f"Try {call}") == (f"Try {call}", "", [])
    assert read(rules, ' {"city": "Paris"} yes') == (' {"city": "Paris"} yes', "", [])


XML = "<function=f><parameter=v>%s</parameter></function>"


@pytest.mark.parametrize(
    ("schema", "said", "value"),
    [
        ({"type": "string"}, "\n 5 \n", " 5 "),
        ({"type": "string"}, "<b>x</b>\n", "<b>x</b>"),
        ({"type": "integer"}, " 5 ", 5),
        ({"type": "boolean"}, "True", True),
        ({"type": "array"}, '\n["a"]\n', ["a"]),
        ({"type": "object"}, '{"a": {"b": 1}}', {"a": {"b": 1}}),
        ({"type": "integer"}, "five", "five"),  # the caller sees what the model said
        ({"type": ["string", "null"]}, "null", None),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "5", "5"),
        ({"enum": ["5", "6"]}, "5", "5"),
        ({}, "5", 5),
        (None, "[", "["),
    ],
)
def test_bare_arguments_take_the_type_of_the_schema(schema, said, value):
    one = {
        "type": "function",
        "function": {"name": "f", "parameters": {"properties": {"v": schema}}},
    }
    rules = rules_of("<tool_call> <function= <parameter=", tools=(one,))

    assert read(rules, XML % said) == ("", "", [("f", {"v": value})])


PYTHON = [
    ("[f(a=[1, -2.5, (3,)], b={'k': None, \"m\": True})]",
     {"a": [1, -2.5, [3]], "b": {"k": None, "m": True}}),
    ("[f(a='it\\'s', b=\"q\\\"\\n\\u00e9\", c='\\d')]", {"a": "it's", "b": 'q"\né', "c": "\\d"}),
    ("[f()]", {}),
    ("[f(a=true, b=null, c=1_000,)]", {"a": True, "b": None, "c": 1000}),
    ("[f(a='])', b=\")]\")]", {"a": "])", "b": ")]"}),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "arguments"), PYTHON)
def test_python_literals_are_read_and_nothing_is_evaluated(reply, arguments):
    one = {"type": "function", "function": {"name": "f"}}
    rules = rules_of("<|header_start|> ipython", tools=(one,))

    assert read(rules, reply) == ("", "", [("f", arguments)])


@pytest.mark.parametrize("reply", ["[f(a=open('x'))]", "[f(1)]", "[f(a=1)", "[1, 2]", "[f(a=b)]"])
def test_python_that_is_no_call_of_literals_stays_text(reply):
    one = {"type": "function", "function": {"name": "f"}}
    rules = rules_of("<|header_start|> ipython", tools=(one,))

    assert read(rules, reply) == (reply, "", [])


GENERIC = [
    # tag, reply, text, calls
    ("{", f" {JSON_PARIS}", "", [PARIS]),
    ("{", f"{JSON_PARIS}\n{JSON_SUM}", "", [PARIS, SUM]),
    ("{", f"So: {JSON_PARIS}", f"So: {JSON_PARIS}", []),
    ("{", '{"answer": 1} is it', '{"answer": 1} is it', []),
    ("{", '{"name": "other", "arguments": {}}', '{"name": "other", "arguments": {}}', []),
    ("[", f"[{JSON_PARIS}, {JSON_SUM}]", "", [PARIS, SUM]),
    ("[", "[1, 2] it is", "[1, 2] it is", []),
    ("<tool_call>", f"So.\n<tool_call>\n{JSON_PARIS}\n</tool_call>", "So.", [PARIS]),
    ("<tool_call>", f"<tool_call>{JSON_SUM}</tool_call>\n<tool_call>{JSON_PARIS}</tool_call>", "",
     [SUM, PARIS]),
    ("[TOOL_CALLS] [", f"[TOOL_CALLS][{JSON_PARIS}]", "", [PARIS]),
    ("[TOOL_CALLS]", '[TOOL_CALLS]add[ARGS]{"a": 1, "b": 2}', "", [SUM]),
    ("<|x|>", '<|x|>get_weather\n{"city": "Paris", "days": 2}', "", [PARIS]),
    ("<tool_call>", "a <tool_call> never", "a <tool_call> never", []),
    ("<tool_call>", "a <tool_call>{\"name\": \"add\", ", "a <tool_call>{\"name\": \"add\", ", []),
    ("<tool_call>", f"<tool_call>{JSON_SUM} and so on", " and so on", [SUM]),
    ("<tool_call>", "a <tool", "a <tool", []),
    ("<tool_call>", f"<tool_call>{JSON_SUM}</tool_call>\nDone.", "Done.", [SUM]),
    ("[TOOL_CALLS] [", f"[TOOL_CALLS] [{JSON_SUM}][/TOOL_CALLS] Done.", "Done.", [SUM]),
]  # fmt: skip


@pytest.mark.parametrize(("tag", "reply", "text", "calls"), GENERIC)
def test_the_rule_of_a_go_template(tag, reply, text, calls):
    rules = ReplyRules(generic(tag), TOOLS)

    said, _, found = read(rules, [reply])

    assert found == calls
    assert said.strip() == text.strip()
    assert read(rules, reply) == (said, "", found)


def test_the_longest_matching_name_is_called():
    both = [{"function": {"name": name}} for name in ("get", "get_weather", "get_weather_now")]

    _, _, calls = read(ReplyRules(generic("<c>"), tuple(both)), '<c>get_weather_now {"x": 1}')

    assert calls == [("get_weather_now", {"x": 1})]


def test_harmony_without_marks_is_plain_text():
    rules = rules_of("<|start|> <|channel|> <|message|>")

    assert read(rules, "Just an answer.\n") == ("Just an answer.\n", "", [])


def test_harmony_goes_on_where_the_prompt_ends():
    rules = rules_of(
        "<|start|> <|channel|> <|message|>",
        tail="<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>analysis<|message|>",
    )

    assert read(rules, "Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi!<|return|>") == (
        "Hi!",
        "Hm.",
        [],
    )


def test_what_the_prompt_says_already_of_an_answer_is_not_said_again():
    rules = rules_of(
        "<|start|> <|channel|> <|message|>",
        tail="<|end|><|start|>assistant<|channel|>final<|message|>The answer ",
    )

    assert read(rules, "is 4.<|return|>") == ("is 4.", "", [])


BOMBS = {
    "keys": "<tool_call>add" + "<arg_key>" * 100_000 + "</tool_call>",
    "functions": "<tool_call>" + "<function=" * 100_000 + "</tool_call>",
    "parameters": "<tool_call><function=add>" + "<parameter=a>" * 80_000 + "</tool_call>",
    "invokes": "<minimax:tool_call>"
    + '<invoke name="add">'
    + '<parameter name="a">' * 50_000
    + "</minimax:tool_call>",
    "lists": "[" * 1_000_000,
    "python": "[add(a=" + "'\\" * 500_000,
    "angles": "<" * 1_000_000,
    "openers": "<tool_call>" * 80_000,
    "braces": "<tool_call>" + "{" * 1_000_000,
    "nested": "<tool_call>" + '{"a":' * 100_000 + "1" + "}" * 100_000,
    "spaces": "<tool_call>" + " " * 1_000_000 + "x",
    "quotes": '<tool_call>{"name":"' + "\\" * 1_000_001,
    "calls": f"<tool_call>{JSON_SUM}</tool_call>" * 5_000,
    "blanks": " \n" * 500_000 + "x",
    "thoughts": "<think>" + "</think" * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize(
    "template",
    [
        "<tool_call> </think>",
        "<tool_call> <arg_key>",
        "<tool_call> <function= <parameter=",
        "<minimax:tool_call>",
        "<|start_header_id|> ipython",
        "<|header_start|> ipython",
        "<|channel|> <|message|>",
        "",
    ],
)
def test_bombs_take_time_in_proportion_to_their_length(name, template):
    rules = rules_of(template)
    began = time.process_time()

    read(rules, [BOMBS[name]])

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "call", ["[TOOL_CALLS]a" + " " * 297 + "x{}", "[TOOL_CALLS]a[CALL_ID]" + " <" * 140 + "{}"]
)
def test_a_header_of_white_space_costs_no_more_than_others(call):
    began = time.process_time()

    read(rules_of("[TOOL_CALLS]"), [call * 200])

    assert time.process_time() - began < 3


@pytest.mark.parametrize("template", ["<tool_call> </think>", "<tool_call> <arg_key>", ""])
def test_a_long_reply_in_single_characters_is_read_in_proportion(template):
    rules = rules_of(template)
    reply = "<tool_call>" + ' {"a< ' * 20_000
    began = time.process_time()

    read(rules, reply)

    assert time.process_time() - began < 5
