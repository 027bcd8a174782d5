"""Go templates run as Go's text/template runs them: every construct, and what it refuses."""

from __future__ import annotations

import pytest

from engine.errors import ChatTemplateError
from engine.library.template.go.evaluate import execute
from engine.library.template.go.parser import parse_go

DATA = {
    "Name": "Ann",
    "Empty": "",
    "Yes": True,
    "No": False,
    "N": 3,
    "F": 2.5,
    "List": ["a", "b", "c"],
    "Numbers": [1, 2, 3, 4],
    "None": [],
    "Map": {"b": "two", "a": "one", "c": ""},
    "Deep": {"X": {"Y": "leaf"}},
    "Rows": [[1, 2], [3, 4]],
    "Nil": None,
}


def run(template, data=DATA):
    # A comment would not keep `.Response` from being appended; a branch never taken does.
    return execute(parse_go(template + "{{if false}}{{.Response}}{{end}}"), data)


def refusal(template, data=DATA):
    with pytest.raises(ChatTemplateError) as caught:
        run(template, data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        # Text and trimming.
        ("", ""),
        ("plain } { text", "plain } { text"),
        ("{.}}", "{.}}"),
        ("a {{ 1 }} b", "a 1 b"),
        ("a {{- 1 -}} b", "a1b"),
        ("a \t\r\n{{- 1 }} b", "a1 b"),
        ("a {{ 1 -}} \n\n b", "a 1b"),
        ("{{23 -}} < {{- 45}}", "23<45"),
        ("a {{-3}}", "a -3"),
        ("{{ 3 -}}", "3"),
        ("{{- 3}}", "3"),
        ("x\n{{-  3   -}}\ny", "x3y"),
        ("a {{/* note */}} b", "a  b"),
        ("a {{- /* note */ -}} b", "ab"),
        ("a\n{{-\n/*\nlong\n*/\n-}}\nb", "ab"),
        ("{{/* {{ nested }} */}}z", "z"),
        ("{{\n1\n}}", "1"),
        # Constants.
        ('{{ "q\\"\\t\\u00e9\\x41\\101" }}', 'q"\té' + "AA"),
        ("{{ `raw \\n {{x}}` }}", "raw \\n {{x}}"),
        ("{{ `two\nlines` }}", "two\nlines"),
        ("{{ 'a' }} {{ '\\n' }} {{ '本' }} {{ '\\'' }} {{ '\\x41' }}", "97 10 26412 39 65"),
        ("{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 017 }} {{ -5 }} {{ +5 }}",
         "1000 31 5 15 15 -5 5"),
        ("{{ 1.5 }} {{ .5 }} {{ 1e3 }} {{ 1e6 }} {{ 2.5e-7 }} {{ 0x1p4 }}",
         "1.5 0.5 1000 1e+06 2.5e-07 16"),
        ("{{ true }} {{ false }}", "true false"),
        # Fields, variables, chains.
        ("{{ .Name }}", "Ann"),
        ("{{ .Deep.X.Y }}", "leaf"),
        ("{{ (.Deep.X).Y }}", "leaf"),
        ("{{ (index .Rows 1) }}", "[3 4]"),
        ("{{ $.Name }}{{ with .Deep }}{{ $.Name }}{{ .X.Y }}{{ end }}", "AnnAnnleaf"),
        ("{{ $x := 1 }}{{ $x }}", "1"),
        ("{{ $x := .Deep }}{{ $x.X.Y }}", "leaf"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
        ("{{ $x := 1 }}{{ range .Numbers }}{{ $x = . }}{{ end }}{{ $x }}", "4"),
        ("{{ if $x := .Name }}{{ $x }}{{ end }}", "Ann"),
        ("{{ if $x := .Empty }}{{ else }}[{{ $x }}]{{ end }}", "[]"),
        ("{{ with $x := .Name }}{{ . }}{{ $x }}{{ end }}", "AnnAnn"),
        ("{{ $x\n:=\n1 }}{{ $x }}", "1"),
        # What is missing.
        ("{{ .Missing }}", "<no value>"),
        ("{{ .Nil }}", "<no value>"),
        ("{{ .Map.zzz }}", "<no value>"),
        ("{{ if .Missing }}yes{{ else }}no{{ end }}", "no"),
        ("{{ range .Missing }}x{{ else }}none{{ end }}", "none"),
        ("{{ $x := .Missing }}{{ $x.Field }}", "<no value>"),
        ("{{ print .Missing }}", "<nil>"),
        # if.
        ("{{ if .Yes }}a{{ end }}", "a"),
        ("{{ if .No }}a{{ else }}b{{ end }}", "b"),
        ("{{ if .No }}a{{ else if .Yes }}b{{ else }}c{{ end }}", "b"),
        ("{{ if .No }}a{{ else if .No }}b{{ else if .No }}c{{ else }}d{{ end }}", "d"),
        ("{{ if 0 }}a{{ end }}{{ if 0.0 }}b{{ end }}{{ if .None }}c{{ end }}{{ if 1 }}d{{ end }}",
         "d"),
        ("{{if(.Yes)}}a{{end}}", "a"),
        # with.
        ("{{ with .Name }}{{ . }}{{ end }}", "Ann"),
        ("{{ with .Empty }}a{{ else }}{{ .Name }}{{ end }}", "Ann"),
        ("{{ with .Empty }}a{{ else with .Name }}{{ . }}{{ else }}c{{ end }}", "Ann"),
        # range.
        ("{{ range .List }}{{ . }};{{ end }}", "a;b;c;"),
        ("{{ range $x := .List }}{{ $x }}{{ . }}{{ end }}", "aabbcc"),
        ("{{ range $i, $x := .List }}{{ $i }}{{ $x }}{{ end }}", "0a1b2c"),
        ("{{ range $k, $v := .Map }}{{ $k }}={{ $v }};{{ end }}", "a=one;b=two;c=;"),
        ("{{ range .Map }}{{ . }};{{ end }}", "one;two;;"),
        ("{{ range .None }}x{{ else }}none{{ end }}", "none"),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ range $i := 3 }}{{ $i }}{{ end }}", "012"),
        ("{{ range 0 }}x{{ else }}none{{ end }}", "none"),
        ("{{ range .Numbers }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}!", "12!"),
        ("{{ range .Numbers }}{{ if eq . 3 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "124"),
        ("{{ range .Rows }}{{ range . }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }},"
         "{{ end }}", "1,34,"),
        ("{{ $i := 0 }}{{ $x := 0 }}{{ range $i, $x = .List }}{{ end }}{{ $i }}{{ $x }}", "2c"),
        ("{{ $x := 9 }}{{ range $x = .Numbers }}{{ end }}{{ $x }}", "4"),
        ("{{ range .List }}{{ $y := . }}{{ end }}ok", "ok"),
        # Pipelines.
        ('{{ .Name | printf "%s-%s" "x" }}', "x-Ann"),
        ('{{ "a" | print "b" | len }}', "2"),
        ("{{ (len .List) | eq 3 }}", "true"),
        ("{{ .Name | len | printf `%03d` }}", "003"),
        ("{{ printf `%d %s` (len .List) (print `x` .N) }}", "3 x3"),
        # Templates.
        ('{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" .Name }}', "<Ann>"),
        ('{{ template "t" .Name }}{{ define "t" }}<{{ . }}>{{ end }}', "<Ann>"),
        ('{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" }}', "<<no value>>"),
        ('{{ define "t" }}{{ $ }}{{ end }}{{ with .Deep }}{{ template "t" 5 }}{{ end }}', "5"),
        ('{{ block "b" .Name }}[{{ . }}]{{ end }}', "[Ann]"),
        ('{{ define "a" }}A{{ template "b" . }}{{ end }}{{ define "b" }}B{{ . }}{{ end }}'
         '{{ template "a" 1 }}', "AB1"),
        ('{{ define "n" }}{{ if gt (len .) 0 }}{{ index . 0 }}{{ template "n" slice . 1 }}'
         '{{ end }}{{ end }}{{ template "n" .Numbers }}', "1234"),
    ],
)  # fmt: skip
def test_a_construct_writes_what_go_writes(template, text):
    assert run(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ and true 0 1 }}", "0"),
        ("{{ and 1 2 }}", "2"),
        ('{{ and "" 1 }}|', "|"),
        ("{{ or 0 `x` 1 }}", "x"),
        ("{{ or 0 `` }}|", "|"),
        ("{{ or .Missing `d` }}", "d"),
        ("{{ and .No (index .List 99) }}", "false"),
        ("{{ or .Yes (index .List 99) }}", "true"),
        ("{{ 1 | and 2 }}", "1"),
        ("{{ not 1 }} {{ not 0 }} {{ not .Missing }} {{ not nil }}", "false true true true"),
        ("{{ eq 1 1 }} {{ eq `a` `b` }} {{ eq 1 2 3 1 }}", "true false true"),
        ("{{ eq .Missing nil }} {{ eq .Missing `a` }} {{ eq `a` .Missing `a` }}",
         "true false true"),
        ("{{ eq true .Yes }} {{ eq 1.5 1.5 }}", "true true"),
        ("{{ eq 1 1 `never looked at` }}", "true"),
        ("{{ ne 1 2 }} {{ ne `a` `a` }}", "true false"),
        ("{{ lt 1 2 }} {{ le 2 2 }} {{ gt `b` `a` }} {{ ge 1.5 2.5 }}", "true true true false"),
        ("{{ len .List }} {{ len `héé` }} {{ len .Map }} {{ len .None }}", "3 5 3 0"),
        ("{{ index .List 1 }} {{ index .Map `a` }} {{ index .Rows 1 0 }}", "b one 3"),
        ("{{ index .Map `zz` }}|{{ index `abc` 1 }}", "<no value>|98"),
        ("{{ slice .List 1 }} {{ slice .List 1 2 }} {{ slice .List }} {{ slice .List 3 }}",
         "[b c] [b] [a b c] []"),
        ("{{ slice `hello` 1 3 }} {{ slice `é!` 2 }} {{ slice .List 0 1 2 }}", "el ! [a]"),
        ("{{ print 1 2 `a` 3 4 `b` `c` }}", "1 2a3 4bc"),
        ("{{ println 1 `a` }}", "1 a\n"),
        ("{{ print }}{{ println }}", "\n"),
        ("{{ html `<a href=\"x\">'&` }}", "&lt;a href=&#34;x&#34;&gt;&#39;&amp;"),
        ("{{ `a\"b<c>\n'é\\` | js }}", "a\\\"b\\u003Cc\\u003E\\u000A\\'é\\\\"),
        ("{{ urlquery `a b&c/é~-_.` }}", "a+b%26c%2F%C3%A9~-_."),
        ("{{ html .Missing }}", "&lt;no value&gt;"),
        ("{{ json .Map }} {{ json .List }} {{ json nil }}",
         '{"a":"one","b":"two","c":""} ["a","b","c"] null'),
        ("{{ currentDate | len }} {{ yesterdayDate `any` | len }}", "10 10"),
        ("{{ toTypeScriptType 1 }}", "any"),
    ],
)  # fmt: skip
def test_a_function_gives_what_go_gives(template, text):
    assert run(template) == text


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{", "unclosed action"),
        ("hello {{ range", "unclosed action"),
        ("{{ 1", "unclosed action"),
        ("{{ }}", "missing value for command"),
        ("{{ if }}a{{ end }}", "missing value for if"),
        ("{{ if .X }}", "unexpected EOF"),
        ("{{ if .X }}a{{ else }}b", "unexpected EOF"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ else }}", "unexpected {{else}}"),
        ("{{ if 1 }}a{{ else }}b{{ else }}c{{ end }}", "expected end; found {{else}}"),
        ("{{ range .X }}a{{ else if .Y }}b{{ end }}", "unexpected 'if' in else"),
        ("{{ nope }}", 'function "nope" not defined'),
        ("{{ $x }}", 'undefined variable "$x"'),
        ("{{ if $x := 1 }}{{ end }}{{ $x }}", 'undefined variable "$x"'),
        ('{{ $x := 1 }}{{ define "t" }}{{ $x }}{{ end }}', 'undefined variable "$x"'),
        ("{{ with $a, $b := 3 }}{{ end }}", "too many declarations in with"),
        ("{{ range $a, $b, $c := 3 }}{{ end }}", "too many declarations in range"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ range .X }}{{ else }}{{ continue }}{{ end }}", "{{continue}} outside {{range}}"),
        ('{{ range .X }}{{ block "b" . }}{{ break }}{{ end }}{{ end }}', "outside {{range}}"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ 1) }}", "unexpected right paren"),
        ('{{ "abc }}', "unterminated quoted string"),
        ("{{ `abc }}", "unterminated raw quoted string"),
        ("{{ 'a }}", "unterminated character constant"),
        ("{{ 'ab' }}", "malformed character constant"),
        ("{{ '' }}", "malformed character constant"),
        ('{{ "\\q" }}', "invalid escape"),
        ('{{ "\\\'" }}', "invalid escape"),
        ("{{ 3k }}", "bad number syntax"),
        ("{{ 1e }}", "bad number syntax"),
        ("{{ +-2 }}", "bad number syntax"),
        ("{{ 1__0 }}", "bad number syntax"),
        ("{{ 0x123. }}", "bad number syntax"),
        ("{{ 9223372036854775808 }}", "overflows int"),
        ("{{ 2i }}", "complex"),
        ("{{ 1.E }}", "bad number syntax"),
        ("{{ true.E }}", "unexpected . after term"),
        ("{{ `a`.E }}", "unexpected . after term"),
        ("{{ nil.E }}", "unexpected . after term"),
        ("{{ 12 | . }}", "non executable command in pipeline stage 2"),
        ("{{ . | 12 | printf }}", "non executable command in pipeline stage 2"),
        ("{{ printf 3, 4 }}", "unexpected ','"),
        ("{{ printf `x`. }}", "unexpected '.' in operand"),
        ("{{ 3`x` }}", "unexpected '`x`' in operand"),
        ("{{ $x += 1 }}", "undefined variable"),
        ("{{ $x=1 }}", "bad character U+003D"),
        ("{{ .X ! 2 }}", "unexpected '!'"),
        ("{{ \x01 }}", "unrecognized character in action: U+0001"),
        ("{{ a:b }}", "expected :="),
        ("{{ /* spaced */ }}", "unexpected '/'"),
        ("{{/* open", "unclosed comment"),
        ("{{/*/}}", "unclosed comment"),
        ("{{/* a */ }}", "comment ends before closing delimiter"),
        ("{{ template .X }}", "in template clause"),
        ("{{ template }}", "in template clause"),
        ('{{ define "a" }}', "unexpected EOF"),
        ('{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}', "multiple definition"),
        ('{{ if 1 }}{{ define "a" }}{{ end }}{{ end }}', "unexpected 'define'"),
        ('{{ block "a" }}x{{ end }}', "missing value for block clause"),
        ('{{ printf "%d" ( ) }}', "missing value for parenthesized pipeline"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_refused_when_it_is_read(template, reason):
    with pytest.raises(ChatTemplateError) as caught:
        parse_go(template)

    assert str(caught.value).startswith("template error: line 1: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ .Missing.Field }}", "nil pointer evaluating interface {}.Field"),
        ("{{ .Name.Field }}", "can't evaluate field Field in type string"),
        ("{{ .Name 1 }}", "can't give argument to non-function .Name"),
        ("{{ 1 | .Name }}", "can't give argument to non-function .Name"),
        ("{{ nil }}", "nil is not a command"),
        ("{{ (nil).X }}", "nil is not a command"),
        ("{{ range .Name }}{{ end }}", "range can't iterate over Ann"),
        ("{{ range true }}{{ end }}", "range can't iterate over true"),
        ("{{ range $a, $b := 3 }}{{ end }}", "iterate over more than one variable"),
        ("{{ $x = 1 }}", "undefined variable: $x"),
        ('{{ template "gone" }}', "template 'gone' not defined"),
        ("{{ eq 1 1.0 }}", "incompatible types for comparison"),
        ("{{ eq 1 `1` }}", "incompatible types for comparison"),
        ("{{ eq .List .List }}", "non-comparable"),
        ("{{ eq 1 }}", "missing argument for comparison"),
        ("{{ lt true false }}", "invalid type for comparison"),
        ("{{ lt .List 1 }}", "invalid type for comparison"),
        ("{{ lt 1 `a` }}", "incompatible types for comparison"),
        ("{{ ne 1 }}", "wrong number of args for ne: want 2 got 1"),
        ("{{ and }}", "wrong number of args for and: want at least 1 got 0"),
        ("{{ not 1 2 }}", "wrong number of args for not: want 1 got 2"),
        ("{{ json 1 2 }}", "wrong number of args for json: want 1 got 2"),
        ("{{ len 3 }}", "len of type int"),
        ("{{ len .Missing }}", "len of nil pointer"),
        ("{{ index .List 3 }}", "index out of range: 3"),
        ("{{ index .List -1 }}", "index out of range: -1"),
        ("{{ index .List `a` }}", "cannot index slice/array with type string"),
        ("{{ index .Map 1 }}", "value has type int; should be string"),
        ("{{ index 3 1 }}", "can't index item of type int"),
        ("{{ index nil 1 }}", "index of untyped nil"),
        ("{{ slice .List 2 1 }}", "invalid slice index: 2 > 1"),
        ("{{ slice .List 4 }}", "index out of range: 4"),
        ("{{ slice `abc` 0 1 2 }}", "cannot 3-index slice a string"),
        ("{{ slice .Map 1 }}", "can't slice item of type map[string]interface {}"),
        ("{{ slice nil }}", "slice of untyped nil"),
        ("{{ slice .List 0 0 0 0 }}", "too many slice indexes: 4"),
        ("{{ call .Name }}", "non-function of type string"),
        ("{{ call nil }}", "call of nil"),
        ("{{ printf 1 }}", "wrong type for value; expected string; got int"),
    ],
)
def test_what_go_refuses_while_running_is_refused(template, reason):
    message = refusal(template)

    assert message.startswith("template error: line 1: ")
    assert reason in message


def test_an_error_names_the_line_where_it_stands():
    assert "line 3: function" in refusal("one\ntwo {{ 1 }}\n{{ nope }}")
    assert "line 5: error calling len" in refusal("{{ `a\nb` }}\n\n{{- /* x */ -}}\n{{ len 1 }}")


def test_the_same_text_is_read_once():
    assert parse_go("{{ .Prompt }} once") is parse_go("{{ .Prompt }} once")
