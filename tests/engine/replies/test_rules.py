"""What a template and a request say about reading the reply."""

from dataclasses import dataclass

import pytest

from engine.errors import RequestError
from engine.replies.rules import MAX_NAME, ReplyRules, check_tools, reply_rules
from tests.engine.replies.families import FAMILIES, TOOLS, WEATHER


@dataclass(frozen=True)
class Facts:
    """What the other part finds out about a Go template."""

    uses_thinking: bool = False
    thinking_tags: tuple[str, str] | None = None
    tool_prefix: str | None = None


def go(template="{{ .Prompt }}", *, think=None, tools=(), facts=None, tail="", family="llama"):
    return reply_rules(
        "go",
        template,
        family=family,
        tools=tools,
        think=think,
        go_facts=facts or Facts(),
        prompt_tail=tail,
    )


def tags(rules):
    return rules.opener, rules.closer


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_told_by_the_marks_in_its_template(family):
    assert family.rules.syntax.name == family.name


def test_a_go_template_names_its_tags_and_its_prefix():
    facts = Facts(uses_thinking=True, thinking_tags=("<a>", "</a>"), tool_prefix="[CALLS]")

    rules = go(facts=facts, tools=TOOLS, tail="user\n<a>\n")

    assert tags(rules) == ("<a>", "</a>")
    assert (rules.is_open, rules.grammar_after) == (True, "</a>")
    assert rules.syntax.tags == (("[CALLS]", ""),)
    assert rules.shown_special >= {"<a>", "</a>", "[CALLS]"}


@pytest.mark.parametrize(
    ("facts", "template", "tail", "expected"),
    [
        (Facts(), "{{ .Prompt }}", "", ("", "")),
        (Facts(uses_thinking=True), "{{ .Thinking }}", "", ("<think>", "</think>")),
        (Facts(), "{{ .Prompt }}", "<think>\n", ("<think>", "</think>")),
        (Facts(), "x</think>y", "", ("<think>", "</think>")),
    ],
)
def test_without_tags_of_its_own_a_go_template_means_the_usual_ones(
    facts, template, tail, expected
):
    assert tags(go(template, facts=facts, tail=tail)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<think> </think>", ("<think>", "</think>")),
        ("split('</think>')", ("<think>", "</think>")),
        ("[THINK] [/THINK]", ("[THINK]", "[/THINK]")),
        ("<seed:think></seed:think>", ("<seed:think>", "</seed:think>")),
        ("<|START_THINKING|><|END_THINKING|>", ("<|START_THINKING|>", "<|END_THINKING|>")),
        ("<|channel>thought <channel|>", ("<|channel>thought", "<channel|>")),
        ("<thought></thought>", ("<thought>", "</thought>")),
        ("plain", ("", "")),
    ],
)
def test_the_tags_stand_in_a_jinja_template(template, expected):
    rules = reply_rules("jinja", template, family="x", tools=(), think=True)

    assert tags(rules) == expected


@pytest.mark.parametrize("think", [None, True, "high"])
def test_a_thought_is_open_only_if_the_prompt_ends_with_its_tag(think):
    def opened(tail):
        return reply_rules(
            "jinja", "<think></think>", family="x", tools=(), think=think, prompt_tail=tail
        ).is_open

    assert opened("assistant\n<think>\n")
    assert not opened("assistant\n")
    assert not opened("<think>\n\n</think>\n\n")


def test_think_false_looks_for_no_thought():
    rules = go(facts=Facts(thinking_tags=("<a>", "</a>")), think=False)

    assert (tags(rules), rules.is_open, rules.grammar_after) == (("", ""), False, None)


def test_a_thought_that_is_open_all_the_same_is_read_and_no_grammar_binds_it():
    rules = go(facts=Facts(thinking_tags=("<a>", "</a>")), think=False, tail="<a>")

    assert (tags(rules), rules.is_open, rules.grammar_after) == (("<a>", "</a>"), True, "</a>")


@pytest.mark.parametrize(
    ("think", "expected"), [(True, "<think>"), ("high", "<think>"), (None, "")]
)
def test_who_is_to_think_does_so_also_where_the_template_has_no_place_for_it(think, expected):
    assert go(think=think).opener == expected


@pytest.mark.parametrize("kind", ["go", "jinja", "none"])
def test_harmony_is_read_as_such_with_any_template(kind):
    template = "<|start|>assistant<|channel|>analysis<|message|>"

    rules = reply_rules(kind, template, family="gptoss", tools=(), think=None)

    assert rules.syntax.name == "harmony"
    assert rules.shown_special >= {"<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>"}


def test_without_tools_no_call_is_looked_for():
    rules = reply_rules("jinja", "<tool_call>", family="x", tools=(), think=None)

    assert rules == ReplyRules()
    assert rules.shown_special == frozenset()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mistral-args", {"[TOOL_CALLS]", "[ARGS]", "[THINK]", "[/THINK]"}),
        ("kimi", {"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"}),
        ("deepseek", {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"}),
        ("gemma", {"<|tool_call>", "<tool_call|>", "<|channel>", "<channel|>", '<|"|>'}),
        ("llama3", {"<|python_tag|>"}),
        ("command", {"<|START_ACTION|>", "<|END_ACTION|>", "<|START_THINKING|>"}),
    ],
)
def test_the_control_tokens_that_carry_meaning_are_named(name, shown):
    family = next(each for each in FAMILIES if each.name == name)

    assert family.rules.shown_special >= shown


def test_opening_tags_do_not_stand_in_one_another():
    for family in FAMILIES:
        openers = [*(tag for tag, _ in family.rules.syntax.tags), *family.rules.syntax.noise]
        for one in openers:
            assert not any(one in other for other in openers if other != one)


def test_sound_tools_pass():
    check_tools(())
    check_tools((*TOOLS, {"function": {"name": "ns.tool-name_2"}}))


@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        (["x"], r"invalid tools\[0\]: expected an object, got str"),
        ([{}], "expected .*function"),
        ([{"function": "f"}], "expected .*function"),
        ([{"function": {"description": "x"}}], "function.name is missing"),
        ([{"function": {"name": 5}}], "function.name is missing"),
        ([{"function": {"name": ""}}], "function.name is missing"),
        ([{"function": {"name": "f" * (MAX_NAME + 1)}}], "longer than"),
        ([{"function": {"name": "two words"}}], "'two words' holds white space"),
        ([{"function": {"name": 'f"}'}}], "holds"),
        ([{"function": {"name": "f", "parameters": [1]}}], "parameters"),
        ([WEATHER, WEATHER], r"tools\[1\]: two functions are named 'get_weather'"),
    ],
)
def test_tools_that_no_call_could_be_read_by_are_refused(tools, reason):
    with pytest.raises(RequestError, match=reason):
        check_tools(tools)
