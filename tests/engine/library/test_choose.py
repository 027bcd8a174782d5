"""Of a model's two templates the one is taken that Ollama takes."""

from __future__ import annotations

import pytest

from engine.library.template.choose import (
    Abilities,
    Choice,
    choose_template,
    go_abilities,
    jinja_abilities,
)

GO_PLAIN = "{{ .System }} {{ .Prompt }}"
GO_TOOLS = "{{ if .Tools }}{{ .Tools }}{{ end }}{{ range .Messages }}{{ .Content }}{{ end }}"
GO_ROUND = (
    GO_TOOLS + '{{ range .Messages }}{{ if eq .Role "tool" }}{{ .Content }}{{ end }}{{ end }}'
)
GO_THINKING = (
    "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}"
    "{{ .Content }}{{ end }}"
)
GO_HARMONY = "<|start|>user<|message|>{{ .Prompt }}<|end|>"
PLAIN = "{% for m in messages %}{{ m.content }}{% endfor %}"
TOOLS = PLAIN + "{{ tools | tojson }}"
ROUND = TOOLS + "{% if messages[0].role == 'tool' %}{% endif %}"
THINKING = PLAIN + "<think></think>"
ALL = ROUND + "<think></think>"


def choose(go, jinja, family="llama", config=None, go_setting=None):
    choice = choose_template(go, jinja, family=family, config=config or {}, go_setting=go_setting)
    assert choice.text == {"go": go, "jinja": jinja, "none": ""}[choice.kind]
    return choice.kind


@pytest.mark.parametrize(
    ("go", "jinja", "kind"),
    [
        (None, "", "none"),
        ("", "", "none"),
        (GO_PLAIN, "", "go"),
        (None, PLAIN, "jinja"),
        (GO_PLAIN, PLAIN, "go"),
        # Jinja can do more, and the Go side has no round trip of tools to lose.
        (GO_PLAIN, TOOLS, "jinja"),
        (GO_PLAIN, THINKING, "jinja"),
        (GO_TOOLS, ALL, "jinja"),
        (GO_THINKING, ALL, "jinja"),
        # It can do more, but only the Go side shows what tools answer.
        (GO_ROUND, TOOLS + "<think></think>", "go"),
        (GO_ROUND, ALL, "jinja"),
        # Both can do the same.
        (GO_TOOLS, ROUND, "jinja"),
        (GO_TOOLS, TOOLS, "go"),
        (GO_ROUND, ROUND, "go"),
        (GO_THINKING, THINKING, "go"),
        (GO_THINKING, TOOLS, "go"),
        # The Go side can do more.
        (GO_TOOLS, PLAIN, "go"),
    ],
)
def test_the_go_template_goes_first_unless_the_other_can_do_more(go, jinja, kind):
    assert choose(go, jinja) == kind


@pytest.mark.parametrize(
    ("setting", "go", "jinja", "kind"),
    [
        (True, GO_PLAIN, ALL, "go"),
        (False, GO_ROUND, PLAIN, "jinja"),
        (True, None, PLAIN, "jinja"),
        (False, GO_PLAIN, "", "go"),
        (False, None, "", "none"),
    ],
)
def test_the_setting_decides_where_there_is_a_choice(setting, go, jinja, kind):
    assert choose(go, jinja, go_setting=setting) == kind


@pytest.mark.parametrize("config", [{"renderer": "qwen3-coder"}, {"parser": "ministral"}])
@pytest.mark.parametrize("setting", [True, False, None])
def test_where_ollama_has_code_the_models_own_template_stands_in(config, setting):
    assert choose(GO_ROUND, PLAIN, config=config, go_setting=setting) == "jinja"
    assert choose(GO_ROUND, "", config=config, go_setting=setting) == "go"


def test_gpt_oss_is_written_by_its_own_template():
    assert choose(GO_HARMONY, PLAIN, family="gptoss") == "jinja"
    assert choose(GO_HARMONY, "", family="gptoss") == "go"
    assert choose(GO_PLAIN, PLAIN, family="gptoss") == "go"
    assert choose(GO_HARMONY, PLAIN, family="llama") == "go"


@pytest.mark.parametrize(
    ("text", "abilities"),
    [
        ("", Abilities()),
        ("{{ tools }}", Abilities(uses_tools=True)),
        ("{{ message.tool_calls }}", Abilities(uses_tools=True)),
        ("{{ toolset }} <think>", Abilities()),
        ("{{ content.split( '</think>' )[-1] }}", Abilities(uses_thinking=True)),
        ("<think> </think>", Abilities(uses_thinking=True)),
        ("{{ message.tool_call_id }}", Abilities(handles_tool_results=True)),
    ],
)
def test_a_jinja_template_is_judged_by_its_words(text, abilities):
    assert jinja_abilities(text) == abilities


def test_a_go_template_is_judged_by_its_fields():
    assert go_abilities(GO_ROUND) == Abilities(uses_tools=True, handles_tool_results=True)
    assert go_abilities(GO_THINKING).uses_thinking
    assert go_abilities("{{ .Prompt }}<fill>{{ .Suffix }}").uses_suffix
    assert go_abilities(".Tools in plain text") == Abilities()


def test_a_go_template_that_does_not_parse_can_do_nothing():
    assert go_abilities("{{ if .Tools }}") == Abilities()
    assert choose("{{ if .Tools }}", TOOLS) == "jinja"


def test_a_choice_holds_the_template():
    assert choose_template(None, PLAIN, family="", config={}, go_setting=None) == Choice(
        "jinja", PLAIN
    )
