"""Values print as Go's fmt prints them, and as its JSON encoder writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ChatTemplateError
from engine.library.template.go.data import json_value
from engine.library.template.go.evaluate import execute
from engine.library.template.go.formats import quoted
from engine.library.template.go.literals import unquote
from engine.library.template.go.parser import parse_go
from engine.library.template.go.values import json_text, text_of

DATA = {
    "Map": {"b": 1, "a": [True, None, "x"]},
    "List": ["a", "b"],
    "Numbers": [1, 2],
    "Nil": None,
    "Bytes": b"\x01\xff",
}


def run(template):
    return execute(parse_go(template + "{{if false}}{{.Response}}{{end}}"), DATA)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('"%d" 42', "42"),
        ('"%5d|%-5d|%05d|%+d|% d" 42 42 42 42 42', "   42|42   |00042|+42| 42"),
        ('"%05d" -42', "-0042"),
        ('"%.4d" 42', "0042"),
        ('"%x %X %#x %o %#o %b %O" 255 255 255 8 8 5 8', "ff FF 0xff 10 010 101 0o10"),
        ('"%c %q %U" 97 97 97', "a 'a' U+0061"),
        ('"%s %v" "hi" "hi"', "hi hi"),
        ('"%10s|%-10s|%.2s|%05s" "hé" "hé" "héé" "ab"', "        hé|hé        |hé|000ab"),
        ('"%q" "a\\"b\\n\\\\"', '"a\\"b\\n\\\\"'),
        ('"%+q %#q" "é" "a b"', '"\\u00e9" `a b`'),
        ('"%x %X" "hi" "hi"', "6869 6869"),
        ('"%t %v" true false', "true false"),
        ('"%f %.2f %.0f %8.3f|%-8.1f|%08.3f|%+.1f" 3.14159 3.14159 2.5 3.14159 2.25 -3.14159 1.0',
         "3.141590 3.14 2    3.142|2.2     |-003.142|+1.0"),
        ('"%e %E %g %G %.3g" 123456.789 123456.789 1e21 1e-7 1234.5678',
         "1.234568e+05 1.234568E+05 1e+21 1E-07 1.23e+03"),
        ('"%v %v %v %v %v" 1.0 0.1 1e20 123456.0 1234567.0', "1 0.1 1e+20 123456 1.234567e+06"),
        ('"%v %v" 0.0001 0.00001', "0.0001 1e-05"),
        ('"%v %+v %d %s %q" .List .List .Numbers .List .List', '[a b] [a b] [1 2] [a b] ["a" "b"]'),
        ('"%v" .Map', "map[a:[true <nil> x] b:1]"),
        ('"%5v" .Numbers', "[    1     2]"),
        ('"%v %T %T %T %T %T %T" nil 1 1.5 "s" true .List .Map',
         "<nil> int float64 string bool []interface {} map[string]interface {}"),
        ('"%s %x" .Bytes .Bytes', "\x01\ufffd 01efbfbd"),
        ('"%v" .Bytes', "[1 255]"),
        ('"100%%"', "100%"),
        ('"%*d|%-*d|%.*f" 5 42 5 42 1 2.25', "   42|42   |2.2"),
        # What does not fit is told.
        ('"%d" "hi"', "%!d(string=hi)"),
        ('"%s" 3', "%!s(int=3)"),
        ('"%t" 3', "%!t(int=3)"),
        ('"%d" 1.5', "%!d(float64=1.5)"),
        ('"%f" 3', "%!f(int=3)"),
        ('"%d" true', "%!d(bool=true)"),
        ('"%s %d" nil nil', "%!s(<nil>) %!d(<nil>)"),
        ('"%z" 3', "%!z(int=3)"),
        ('"%d %d" 1', "1 %!d(MISSING)"),
        ('"%d" 1 2 "x"', "1%!(EXTRA int=2, string=x)"),
        ('"x" nil', "x%!(EXTRA <nil>)"),
        ('"5%"', "5%!(NOVERB)"),
    ],
)  # fmt: skip
def test_a_format_writes_what_go_writes(call, text):
    assert run(f"{{{{ printf {call} }}}}") == text


@pytest.mark.parametrize(
    "call", ['"%1000000d" 1', '"%*d" 999999999 1', '"%.999999f" 1.0', '"%[1]d" 1']
)
def test_a_format_that_pads_without_end_is_refused(call):
    with pytest.raises(ChatTemplateError, match="error calling printf"):
        run(f"{{{{ printf {call} }}}}")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ .Map }}", "map[a:[true <nil> x] b:1]"),
        ("{{ .List }}", "[a b]"),
        ("{{ .Nil }}", "<no value>"),
        ("{{ .Bytes }}", "[1 255]"),
    ],
)
def test_an_action_prints_a_value_plainly(template, text):
    assert run(template) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<a> & 'b' \"c\" \\ /", '"\\u003ca\\u003e \\u0026 \'b\' \\"c\\" \\\\ /"'),
        ("\b\f\n\r\t\x00\x1f\x7f", '"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"'),
        ("é 你 😀 \u2028\u2029", '"é 你 😀 \\u2028\\u2029"'),
        ("\ud800", '"\\ufffd"'),
        ({"b": 1.0, "a": {"z": [], "y": {}}}, '{"a":{"y":{},"z":[]},"b":1}'),
        ([None, True, False], "[null,true,false]"),
        (0.0, "0"),
        (-1.5, "-1.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e-7, "1.5e-7"),
        (1e-6, "0.000001"),
        (1.25e300, "1.25e+300"),
        (float("inf"), "null"),
        (b"hi", '"aGk="'),
    ],
)  # fmt: skip
def test_json_is_written_as_gos_encoder_writes_it(value, text):
    assert json_text(value) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_json_read_back_is_what_was_written(value):
    written = json_text(json_value(value))

    # All numbers as floats: 1e17 may be written without an exponent.
    assert json.loads(written, parse_int=float) == json.loads(json.dumps(value), parse_int=float)


@settings(max_examples=150, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_float_reads_back_as_itself(value):
    assert float(text_of(value)) == value


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_a_quoted_text_reads_back_as_itself(text):
    assert unquote(quoted(text)) == text
    assert unquote(quoted(text, is_ascii=True)) == text
    assert quoted(text, is_ascii=True).isascii()
