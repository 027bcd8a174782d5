"""Hostile Go templates end soon, with an error; no text at all makes the reader fall."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ChatTemplateError
from engine.library.template.go import evaluate
from engine.library.template.go.chat import render_go_chat, render_go_suffix
from engine.library.template.go.facts import go_facts
from engine.library.template.go.parser import parse_go
from engine.types import Conversation, Message, ToolCall

CONVERSATION = Conversation(
    (Message("user", "Hi"), Message("assistant", "é", tool_calls=(ToolCall("f", {"a": [1]}),))),
    ({"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {}}}}},),
)
DOUBLING = '{{ $x := "aaaaaaaa" }}' + '{{ $x = printf "%s%s" $x $x }}' * 60
HOARDING = '{{ $x := printf "%100000d" 1 }}' + "".join(
    f'{{{{ $v{i} := printf "%s%s%s%s%s%s%s%s%s%s" $x $x $x $x $x $x $x $x $x $x }}}}'
    for i in range(200)
)


@pytest.mark.parametrize(
    "template",
    [
        "{{ range 1000000000000 }}{{ end }}",
        "{{ range 99999 }}{{ range 99999 }}{{ range 99999 }}{{ end }}{{ end }}{{ end }}",
        '{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}',
        '{{ define "a" }}{{ template "b" }}{{ template "b" }}{{ end }}'
        '{{ define "b" }}{{ template "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
        DOUBLING,
        HOARDING,
        '{{ range 99999 }}{{ printf "%99999d" 1 }}{{ end }}',
        '{{ printf "%999999999999999999999d" 1 }}',
        '{{ $x := "<" }}' + "{{ $x = html $x $x }}" * 40,
        '{{ $x := "\\"" }}' + "{{ $x = json (print $x $x) }}" * 40,
        '{{ $x := "\\"" }}' + '{{ $x = printf "%q" $x }}' * 60,
        '{{ $x := "é" }}' + '{{ $x = urlquery $x $x }}' * 40,
        "{{ (" * 1 + "(" * 5000 + "1" + ")" * 5000 + ") }}",
        "{{ if 1 }}" * 5000 + "{{ end }}" * 5000,
        "{{ if 1 }}" + "{{ else if 1 }}" * 5000 + "{{ end }}",
        "{{ range 1 }}{{ with 1 }}" * 60 + "{{ end }}{{ end }}" * 60,
        '{{ define "x" }}' * 3000,
        '{{ block "b" . }}' * 3000,
        "{{ $a := 1 }}" * 20000 + "{{ $b }}",
        "{{ " + "1" * 200000 + " }}",
        "{{ 0x" + "f" * 200000 + " }}",
        "x" * (256 * 1024 + 1),
        "{{",
        "{{/*" * 50000,
        '{{ "' + "a" * 200000,
        "{{" * 100000,
    ],
    ids=range(26),
)  # fmt: skip
def test_a_bomb_ends_soon_with_an_error(template, monkeypatch):
    monkeypatch.setattr(evaluate, "MAX_S", 0.5)
    start = time.monotonic()

    with pytest.raises(ChatTemplateError, match="template error"):
        render_go_chat(template, CONVERSATION)

    assert time.monotonic() - start < 8


def test_templates_of_real_depth_and_length_pass():
    deep = "{{ if 1 }}" * 40 + "{{ ((((.Prompt)))) }}" + "{{ end }}" * 40
    long = "{{ $x := 1 }}{{ if $x }}{{ .Prompt }}{{ end }}" * 4000
    chain = "{{ if eq .Prompt `0` }}" + "".join(
        f"{{{{ else if eq .Prompt `{i}` }}}}{i}" for i in range(60)
    ) + "{{ end }}"  # fmt: skip

    assert render_go_suffix(deep, "Hi", "there") == "Hi"
    assert len(render_go_suffix(long, "Hi", "there")) == 8000
    assert render_go_suffix(chain, "59", "x") == "59"


def test_arguments_of_endless_depth_are_refused():
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    message = Message("assistant", "", tool_calls=(ToolCall("f", {"x": deep}),))

    with pytest.raises(ChatTemplateError, match="nested more than 100 deep"):
        render_go_chat("{{ range .Messages }}{{ end }}", Conversation((message,)))


def test_many_turns_of_one_role_are_merged_in_proportion():
    talk = Conversation((Message("user", "word " * 1200),) * 2500)
    start = time.process_time()

    text = render_go_chat("{{ range .Messages }}{{ .Content }}{{ end }}", talk)

    assert len(text) == 2500 * 6002 - 2
    assert time.process_time() - start < 2


def use(template):
    """Do all that is done with a template of a stranger; give the error's text, if there is one."""
    try:
        parse_go(template)
        go_facts(template)
        render_go_chat(template, CONVERSATION)
        render_go_suffix(template, "a", "b")
    except ChatTemplateError as error:
        return str(error)
    return "template error: none"


FRAGMENTS = [
    "{{", "}}", "{{-", "-}}", "{{- ", " -}}", " ", "\n", "(", ")", "|", ":=", "=", ",", ".", "$",
    "$x", "if", "else", "end", "range", "with", "define", "template", "block", "break",
    "continue", "nil", "true", ".Messages", ".Role", ".Prompt", ".Response", ".Tools",
    ".ToolCalls", "$.System",
    '"t"', "`r`", "'c'", "1", "-2", "0x1p4", "3.5", "printf", '"%5.2f|%v|%q"', "eq", "and", "or",
    "not", "len", "index", "slice", "json", "html", "js", "urlquery", "call", "print",
    "toTypeScriptType", "{{/*", "*/}}", "text", "é", "\\", "\x00", "{{ end }}",
    "{{ if .Messages }}", "{{ range .Messages }}", "{{ $x := . }}", "{{ . }}", "{{ $x }}",
    "{{ else }}",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join))
def test_any_mixture_of_words_works_or_is_refused(template):
    assert use(template).startswith("template error: ")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_works_or_is_refused(text):
    assert use(text).startswith("template error: ")
    assert use("{{" + text + "}}").startswith("template error: ")


WORDS = st.recursive(
    st.sampled_from(
        [".", "$", ".Prompt", ".Messages", "$.Tools", ".Nope", "1", "0", "-1", "2.5", '"a%d"',
         "nil", "true", "(index .Messages 0).Role", "'x'", "`%s %v`"]
    ),
    lambda inner: st.builds(
        lambda name, words: f"({name} {' '.join(words)})",
        st.sampled_from(
            "and or not eq ne lt le gt ge len index slice print println printf html js urlquery "
            "call json currentDate toTypeScriptType".split()
        ),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip
BLOCKS = st.recursive(
    WORDS.map(lambda word: f"{{{{ {word} }}}}") | st.just("text\n"),
    lambda inner: st.builds(
        lambda keyword, word, body, orelse: (
            f"{{{{- {keyword} {word} }}}}{body}{{{{ else }}}}{orelse}{{{{ end -}}}}"
        ),
        st.sampled_from(["if", "with", "range", "range $i, $x :=", "with $y :="]),
        WORDS,
        inner,
        inner,
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(BLOCKS)
def test_any_well_formed_template_works_or_is_refused(template):
    parse_go(template)

    assert use(template).startswith("template error: ")
