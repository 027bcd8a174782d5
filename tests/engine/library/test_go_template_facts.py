"""What a Go template can, and how it marks thoughts and calls, is read from its text."""

from __future__ import annotations

import pytest

from engine.errors import ChatTemplateError
from engine.library.template.go.facts import go_facts


def loop(body):
    return "{{ range .Messages }}" + body + "{{ end }}"


def test_a_legacy_template_can_only_talk():
    facts = go_facts("{{ .System }}{{ .Prompt }}")

    assert not facts.uses_messages
    assert not facts.uses_tools
    assert not facts.uses_suffix
    assert not facts.uses_thinking
    assert not facts.handles_tool_results
    assert facts.thinking_tags is None
    assert facts.tool_prefix is None


@pytest.mark.parametrize(
    ("template", "fact"),
    [
        ("{{ range .Messages }}{{ end }}", "uses_messages"),
        ("{{ (index .Messages 0).Role }}", "uses_messages"),
        ("{{ if eq (len $.Messages) 1 }}{{ end }}", "uses_messages"),
        ('{{ define "t" }}{{ range .Messages }}{{ end }}{{ end }}', "uses_messages"),
        ("{{ if .Tools }}{{ end }}", "uses_tools"),
        ("{{ if and .System $.Tools }}{{ end }}", "uses_tools"),
        ("{{ .Prompt }}<FILL>{{ .Suffix }}", "uses_suffix"),
        (loop("{{ .Thinking }}"), "uses_thinking"),
        ("{{ if not .Think }}/no_think{{ end }}", "uses_thinking"),
        (loop('{{ if eq .Role "tool" }}{{ end }}'), "handles_tool_results"),
        (loop('{{ if or (eq .Role "user") (eq "tool" .Role) }}{{ end }}'), "handles_tool_results"),
        (loop("{{ .ToolName }}"), "handles_tool_results"),
    ],
)
def test_a_fact_is_seen(template, fact):
    assert getattr(go_facts(template), fact)


@pytest.mark.parametrize(
    ("template", "tags"),
    [
        (loop("{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}"),
         ("<think>", "</think>")),
        (loop("{{ if .Thinking }}<t>\n{{ .Thinking }}\n</t>\n\n{{ end }}"), ("<t>", "</t>")),
        (loop("{{ if and $.IsThinkSet .Thinking }}<t>{{ .Thinking }}</t>{{ end }}x"),
         ("<t>", "</t>")),
        (loop('A{{ if eq .Role "x" }}B{{ if .Thinking -}}\n<t>\n{{ .Thinking }}\n</t>\n{{- end }}'
              "{{ end }}Z"), ("<t>", "</t>")),
        ("{{ range $m := .Messages }}{{ with $m.Thinking }}<t>{{ . }}</t>{{ end }}{{ end }}",
         ("<t>", "</t>")),
        ("{{ range $m := .Messages }}{{ if true }}<t>{{ $m.Thinking }}</t>{{ end }}{{ end }}",
         ("<t>", "</t>")),
        # Not around a thought, or not in the loop.
        (loop("{{ if .Thinking }}{{ .Thinking }}{{ end }}"), None),
        (loop("<a>{{ if .Thinking }}<b>{{ end }}"), None),
        (loop("{{ if .Thinking }}<t>{{ .Thinking }}{{ end }}"), None),
        ("<t>{{ .Thinking }}</t>", None),
        ("{{ range .Tools }}<t>{{ .Thinking }}</t>{{ end }}", None),
    ],
)  # fmt: skip
def test_the_tags_of_thoughts_are_what_stands_around_them(template, tags):
    assert go_facts(template).thinking_tags == tags


@pytest.mark.parametrize(
    ("body", "prefix"),
    [
        ('{{ if .ToolCalls }}<tool_call>\n{"name": "{{ .Role }}"}{{ end }}', "<tool_call>"),
        ('{{ if .ToolCalls }}{{ range .ToolCalls }}<tool_call>{"name"{{ end }}{{ end }}',
         "<tool_call>"),
        ('{{ range .ToolCalls }}<|c|>{{ .Function.Name }}{{ end }}', "<|c|>"),
        ('{{ if .Content }}x{{ else if .ToolCalls }}[TOOL_CALLS] ['
         '{{ range .ToolCalls }}{"n{{ end }}]{{ end }}', "[TOOL_CALLS] ["),
        ('{{ if and .ToolCalls (gt (len .ToolCalls) 0) }} T {{ end }}', "T"),
        ('{{ if gt (len .ToolCalls) 0 }}T{{ end }}', "T"),
        ('{{ if .ToolCalls }}{{ $n := 1 }}T{{ end }}', "T"),
        ('{{ if .ToolCalls }}{"name": 1}{{ end }}', ""),
        ('{{ if .ToolCalls }}{{ .Content }}{{ end }}', None),
        ("{{ .Content }}", None),
    ],
)  # fmt: skip
def test_the_prefix_of_calls_is_the_first_text_of_their_branch(body, prefix):
    assert go_facts(loop(body)).tool_prefix == prefix


def test_a_template_that_does_not_parse_has_no_facts():
    with pytest.raises(ChatTemplateError, match="template error: line 1"):
        go_facts("{{ if }}")
