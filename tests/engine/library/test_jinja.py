"""Chat templates render as their models expect; hostile ones end quickly, with an error."""

from __future__ import annotations

import threading
import time

import pytest

from engine.errors import ChatTemplateError
from engine.library.template.jinja import render_chat
from engine.types import Message

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|system|>" ~ system_message ~ eos_token }}
{%- if tools is not none %}{{ tools | tojson(indent=4) }}{% endif %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate') }}
    {%- endif %}
    {{- '<|' + message['role'] + '|>' + message['content'] | trim }}
    {%- if not loop.last %}{{ eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"""
QWEN = """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string
        and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- macro turn(message) -%}
[{{ message.role }}]{{ message.content.split('</think>')[-1].lstrip('\n') }}
{%- endmacro %}
{%- for message in messages %}{{ turn(message) }}{% endfor %}
{%- generation %}{{ ns.last_query_index }}{% endgeneration %}"""
CHAT = [Message("user", "hé <b> 你好"), Message("assistant", "ok"), Message("user", "and?")]


def render(template, messages=CHAT, **named):
    return render_chat(template, messages, **({"bos": "<s>", "eos": "</s>"} | named))


def test_chatml_is_written_turn_by_turn():
    assert render(CHATML, [Message("user", "hi")]) == (
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_without_generation_prompt_nothing_follows_the_last_turn():
    text = render(CHATML, [Message("assistant", "hi")], add_generation_prompt=False)

    assert text == "<|im_start|>assistant\nhi<|im_end|>\n"


def test_special_tokens_and_conditions_work_and_nothing_is_escaped():
    assert render(LLAMA, [Message("system", " S "), *CHAT]) == (
        "<s><|system|>S</s><|user|>hé <b> 你好</s><|assistant|>ok</s><|user|>and?<|assistant|>"
    )


def test_namespaces_macros_slices_and_generation_marks_work():
    assert render(QWEN) == "[user]hé <b> 你好[assistant]ok[user]and?2"


def test_a_template_can_refuse_messages_in_its_own_words():
    with pytest.raises(ChatTemplateError, match="roles must alternate"):
        render(LLAMA, [Message("assistant", "first")])


def test_json_keeps_letters_and_layout_as_transformers_does():
    assert render("{{ messages[0] | tojson(indent=1) }}") == (
        '{\n "role": "user",\n "content": "hé <b> 你好"\n}'
    )


def test_the_date_can_be_asked_for():
    assert len(render("{{ strftime_now('%d %b %Y') }}")) >= 10


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{ messages | map(attribute='role') | join(',') }}", "user,assistant,user"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "2"),
        ("{% for k, v in messages[0].items() %}{{ k }};{% endfor %}", "role;content;"),
        ("{% for m in messages if m.role == 'user' %}{{ loop.length }}{% endfor %}", "22"),
        ("{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ 'a-b'.replace('-', '+') ~ 1 ~ none }}", "a+b1None"),
        ("{{ '%s/%d' % ('x', 3) }} {{ '{} {:>3}'.format('a', 'b') }}", "x/3 a   b"),
        ("{{ undefined_name }}|{{ undefined_name is defined }}", "|False"),
        ("{{ (messages + [{'role': 'x', 'content': ''}]) | length }}", "4"),
        ("{% set x, y = (1, 2) %}{{ x * y }}", "2"),
        ("{{ {'a': 1} | tojson }} {{ [1, 'é'] }}", "{\"a\": 1} [1, 'é']"),
        ("{% for x in undefined_name %}{% else %}none{% endfor %}", "none"),
        ("{{ 'text' | indent(2, true) | upper | replace('T', 't') }}", "  tEXt"),
        ("{{ cycler('a', 'b').next() }}{{ dict(a=1).a }}", "a1"),
    ],
)
def test_ordinary_expressions_work(template, result):
    assert render(template) == result


BOMBS = {
    "range": "{% for i in range(10000000000) %}x{% endfor %}",
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}"
    "{% endfor %}{% endfor %}",
    "loop of plain text": "{% for i in range(99999) %}{% for j in range(999) %}"
    + "x" * 1000
    + "{% endfor %}{% endfor %}",
    "repeated text": "{{ 'a' * 10000000000 }}",
    "repeated list": "{{ ([0] * 10000000000) | length }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "squares": "{% set n = namespace(v=9) %}{% for i in range(99) %}"
    "{% set n.v = n.v * n.v %}{% endfor %}{{ n.v }}",
    "doubling by ~": "{% set n = namespace(v='aa') %}{% for i in range(99) %}"
    "{% set n.v = n.v ~ n.v %}{% endfor %}",
    "doubling by +": "{% set n = namespace(v='aa') %}{% for i in range(99) %}"
    "{% set n.v = n.v + n.v %}{% endfor %}",
    "doubling by list": "{% set n = namespace(v=[], w=[]) %}{% for i in range(60) %}"
    "{% set n.v = [n.v, n.v] %}{% set n.w = [n.w, n.w] %}{% endfor %}{{ n.v == n.w }}",
    "doubling by mapping": "{% set n = namespace(v={}) %}{% for i in range(60) %}"
    "{% set n.v = {'a': n.v, 'b': n.v} %}{% endfor %}{{ n.v }}",
    "doubling by dict()": "{% set n = namespace(v={}) %}{% for i in range(60) %}"
    "{% set n.v = dict(a=n.v, b=n.v) %}{% endfor %}{{ n.v }}",
    "doubling by block": "{% set x = 'aaaaaaaa' %}"
    + "{% set x %}{{ x }}{{ x }}{{ x }}{{ x }}{% endset %}" * 30,
    "doubling by format": "{% set n = namespace(v='aa') %}{% for i in range(99) %}"
    "{% set n.v = '%s%s' % (n.v, n.v) %}{% endfor %}",
    "namespaces": "{% set n = namespace(v=1) %}{% for i in range(60) %}"
    "{% set m = namespace(a=n, b=n) %}{% set n.v = m %}{% endfor %}{{ n }}",
    "padding by a call": "{{ 'a'.ljust(10000000000) }}",
    "padding by a filter": "{{ 'a' | center(10000000000) }}",
    "padding by format": "{{ '{:>9999999999}'.format('a') }}",
    "padding by nested format": "{{ '{:>{w}}'.format('a', w=9999999999) }}",
    "repeating by format": "{{ ('{0}' * 99999).format('a' * 99999) | length }}",
    "repeating by percent": "{{ (('%(a)s' * 99999) % {'a': 'a' * 99999}) | length }}",
    "padding by percent": "{{ '%9999999999d' % 1 }}",
    "padding by star": "{{ '%*d' % (9999999999, 1) }}",
    "padding by the format filter": "{{ '%9999999999d' | format(1) }}",
    "padding by date": "{{ strftime_now('%9999999999d') }}",
    "indent": "{{ messages | tojson(indent=9999999999) }}",
    "indent filter": "{{ (('a\n' * 99999) | indent(99999)) | length }}",
    "replace": "{{ ('a' * 99999).replace('a', 'b' * 99999) | length }}",
    "replace filter": "{{ ('a' * 99999) | replace('a', 'b' * 99999) | length }}",
    "join": "{{ ('b' * 99999).join(['a'] * 99999) | length }}",
    "join filter": "{{ (['a'] * 99999) | join('b' * 99999) | length }}",
    "map": "{{ range(99999) | map('string') | map('center', 99999) | list | length }}",
    "bytes": "{{ (1).to_bytes(9999999999, 'big') }}",
    "lorem ipsum": "{{ lipsum(n=99999999) }}",
    "macro": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "endless macro": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "batch": "{{ [1] | batch(99999999, 'x') | list | length }}",
    "recursive loop": "{% for x in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    "deep source": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "long source": "x" * 300_000,
}


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_ends_with_an_error_and_fast(template):
    start = time.monotonic()

    with pytest.raises(ChatTemplateError):
        render(template)

    assert time.monotonic() - start < 6


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__['os'] }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ ('' | attr('__class__')) }}{{ raise_exception('still here') }}",
    ],
)
def test_no_way_leads_out_of_the_sandbox(template):
    with pytest.raises(ChatTemplateError):
        render(template)


@pytest.mark.parametrize(
    "template", ["{% for %}", "{{ 1 / 0 }}", "{{ messages[99].role.x }}", "{{ 1 + 'a' }}"]
)
def test_a_wrong_template_is_a_named_error(template):
    with pytest.raises(ChatTemplateError, match="template error"):
        render(template)


def test_long_conversations_are_no_bombs():
    messages = [Message("user" if i % 2 == 0 else "assistant", "word " * 400) for i in range(400)]

    assert len(render(LLAMA, messages)) > 800_000


def test_threads_do_not_disturb_each_other():
    results: list[str] = []
    threads = [
        threading.Thread(
            target=lambda i=i: results.append(render(CHATML, [Message("user", str(i))]))
        )
        for i in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(results) == sorted(render(CHATML, [Message("user", str(i))]) for i in range(8))
