"""Chat templates render as their models expect; hostile ones end quickly, with an error."""

from __future__ import annotations

import json
import threading
import time
from functools import partial

import pytest

from engine.errors import ChatTemplateError
from engine.library.template import jinja
from engine.library.template.habits import habits_of
from engine.library.template.jinja import render_chat
from engine.library.template.sandbox import run_template
from engine.library.template.turns import Habits
from engine.types import Conversation, Message, ToolCall

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


SAY = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"b": 1, "a": 2}}}
CALL = ToolCall("add", {"b": 1, "a": "é"}, id="call_ab12cd34")
ASKED = (
    Message("user", "1+2?"),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "3", tool_name="add", tool_call_id="call_ab12cd34"),
)


def test_calls_and_results_stand_as_openai_spells_them():
    text = render("{{ messages[1:] | tojson }}", ASKED)

    call = {
        "type": "function",
        "id": "call_ab12cd34",
        "function": {"name": "add", "arguments": {"b": 1, "a": "é"}},
    }
    result = {"role": "tool", "content": "3", "tool_call_id": "call_ab12cd34", "name": "add"}
    assert text == json.dumps(
        [{"role": "assistant", "content": "", "tool_calls": [call]}, result], ensure_ascii=False
    )


def test_tools_keep_the_order_of_their_keys_and_are_none_if_there_are_none():
    template = "{{ tools | tojson }}"

    assert render(template, Conversation((), tools=(TOOL,))) == json.dumps([TOOL])
    assert render(template, Conversation(())) == "null"


def test_thinking_stands_under_both_names():
    template = "{{ messages[0].reasoning_content }},{{ messages[0].thinking }}"

    assert render(template, [Message("assistant", "x", thinking="hm")]) == "hm,hm"
    assert render(template, [Message("assistant", "x")]) == ","


@pytest.mark.parametrize(
    ("think", "text"),
    [
        (None, "|||"),
        (True, "True|True||"),
        (False, "False|False||"),
        ("high", "True|True|high|high"),
    ],
)
def test_how_much_to_think_is_said_in_the_words_of_templates(think, text):
    template = (
        "{{ enable_thinking }}|{{ thinking }}|{{ reasoning_effort }}|{{ reasoning_strength }}"
    )

    assert render(template, Conversation((), think=think)) == text


@pytest.mark.parametrize(
    ("images", "content", "text"),
    [
        ((b"1",), "what?", "[img-0]what?"),
        ((b"1", b"2"), "a [img] b", "[img-1]a [img-0] b"),
        ((), "a [img] b", "a [img] b"),
    ],
)
def test_images_become_numbered_marks(images, content, text):
    template = "{{ messages[0].content }}{% if '<|image|>' is string %}{% endif %}"

    assert render(template, [Message("user", content, images=images)]) == text


def test_images_are_counted_over_the_conversation():
    messages = [Message("user", "a", images=(b"1",)), Message("user", "b", images=(b"2",))]

    assert render(SAY, messages) == "[user][img-0]a[user][img-1]b"


def test_a_call_without_identity_gets_one_and_its_result_the_same():
    calls = (ToolCall("add", {}), ToolCall("sub", {}))
    messages = [
        Message("assistant", "", tool_calls=calls),
        Message("tool", "x", tool_name="sub"),
        Message("tool", "y"),
        Message("tool", "z"),
    ]
    template = (
        "{% for m in messages %}{% for c in m.tool_calls %}{{ c.id }} {% endfor %}"
        "{{ m.name }}:{{ m.tool_call_id }};{% endfor %}"
    )

    assert render(template, messages) == ("call00001 call00002 :;sub:call00002;add:call00001;:;")


def test_a_result_is_given_the_name_of_the_call_that_it_answers():
    messages = [ASKED[1], Message("tool", "3", tool_call_id="call_ab12cd34")]

    assert render("{{ messages[1].name }}", messages) == "add"


def test_developers_speak_as_the_system_where_a_template_does_not_know_them():
    messages = [Message("developer", "Be brief.")]

    assert render(SAY, messages) == "[system]Be brief."
    assert render(SAY + "{# developer #}", messages) == "[developer]Be brief."


NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + SAY
)
DROPS_SYSTEM = (
    "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}"
)
PARTS = "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
CALLS = (
    "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}%s{% endfor %}{% endfor %}"
)
TEXT_ARGUMENTS = CALLS.replace("%s", "{{ c.function.name + c.function.arguments }}")
PRINTED_ARGUMENTS = CALLS.replace("%s", "{{ c.function.arguments }}")
SHORT_IDS = CALLS.replace(
    "%s",
    "{% if c.id | length != 9 %}{{ raise_exception('length 9') }}{% endif %}"
    "{{ c.id }}{{ c.function.arguments | tojson }}",
)
SILENT = CALLS.replace(
    "%s", "{% if m.content is none %}{{ c.function.arguments | tojson }}{% endif %}"
)
ONE_VOICE = (
    "{% for m in messages %}{% if m.tool_calls and m.content and m.thinking %}"
    "{{ raise_exception('not both') }}{% endif %}{{ m.thinking }}|{{ m.content }}"
    "{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %};{% endfor %}"
)
LOOPS_TOOLS = "{% for t in tools %}{{ t.function.name }}{% endfor %}" + SAY


@pytest.mark.parametrize(
    ("template", "habits"),
    [
        (SAY, Habits()),
        (CHATML, Habits()),
        (NO_SYSTEM, Habits(folds_system=True)),
        (DROPS_SYSTEM, Habits(folds_system=True)),
        (PARTS, Habits(takes_parts=True)),
        (TEXT_ARGUMENTS, Habits(takes_text_arguments=True)),
        (PRINTED_ARGUMENTS, Habits(takes_text_arguments=True)),
        (SHORT_IDS, Habits(takes_short_ids=True)),
        (SILENT, Habits(takes_no_content=True)),
        (ONE_VOICE, Habits(takes_one_voice=True)),
        (LOOPS_TOOLS, Habits(takes_tool_list=True)),
        ("{{ raise_exception('never') }}", Habits()),
        ("{% if %}", Habits()),
    ],
)
def test_what_a_template_wants_otherwise_is_found_out(template, habits):
    assert habits_of(template) == habits


@pytest.mark.parametrize("template", [NO_SYSTEM, DROPS_SYSTEM])
def test_without_a_system_role_its_words_go_before_the_first_question(template):
    messages = [Message("system", "S"), Message("system", "T"), Message("user", "U")]

    assert render(template, messages) == "[user]S\n\nT\n\nU"
    assert render(template, messages[:1]) == "[user]S"
    assert render(template, messages[2:]) == "[user]U"


def test_a_system_role_is_not_folded_where_it_is_known():
    assert render(SAY, [Message("system", "S"), Message("user", "U")]) == "[system]S[user]U"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (TEXT_ARGUMENTS, '1+2?add{"b": 1, "a": "é"}3'),
        (PRINTED_ARGUMENTS, '1+2?{"b": 1, "a": "é"}3'),
        (SHORT_IDS, '1+2?call00001{"b": 1, "a": "é"}3'),
        (SILENT, '1+2?None{"b": 1, "a": "é"}3'),
    ],
)
def test_calls_are_spelled_as_the_template_takes_them(template, text):
    assert render(template, ASKED) == text


def test_where_only_one_may_speak_the_thought_takes_the_words_along():
    messages = [Message("assistant", "said", thinking="hm", tool_calls=(CALL,))]

    assert render(ONE_VOICE, messages) == 'hm\n\nsaid|{"b": 1, "a": "é"};'


def test_parts_and_tool_lists_are_given_where_they_are_wanted():
    assert render(PARTS, [Message("user", "a"), Message("user", "b")]) == "ab"
    assert render(LOOPS_TOOLS, [Message("user", "a")]) == "[user]a"


def test_a_template_is_compiled_once_and_bounded_each_time():
    template = "{% for m in messages %}" + "{{ m.content }}" * 200 + "{% endfor %}"
    messages = [Message("user", "x" * 100_000)]
    start = time.monotonic()
    render(template, [Message("user", "x")])
    first_s = time.monotonic() - start

    best_s = min(_time_of(template) for _ in range(20))

    assert best_s < first_s / 5
    for _ in range(2):
        with pytest.raises(ChatTemplateError, match="more than"):
            render(template, messages)
        assert render(template, [Message("user", "x")]) == "x" * 200


def _time_of(template):
    start = time.monotonic()
    render(template, [Message("user", "x")])
    return time.monotonic() - start


def test_namespaces_may_be_handed_around():
    template = (
        "{% macro f(n) %}{% set n.v = n.v + 1 %}{% endmacro %}{% set n = namespace(v=1) %}"
        "{% set held = [n, {'n': n}] %}{{ f(held[0]) }}{{ n.v }}"
    )

    assert render(template) == "2"


def test_a_thousand_turns_are_no_bomb_for_templates_that_ask_for_the_length_each_time():
    template = (
        "{% for m in messages %}{% if loop.index0 == messages | length - 1 %}last{% endif %}"
        "{% endfor %}"
    )

    assert render(template, [Message("user", "x")] * 2000) == "last"


BOMBS = {
    "namespace in itself": "{% set n = namespace() %}{% set n.v = [n] %}{{ n }}",
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
def test_a_bomb_ends_with_an_error_and_fast(template, monkeypatch):
    monkeypatch.setattr(jinja, "run_template", partial(run_template, max_s=0.5))
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
