import pytest

from engine.errors import FormatError
from engine.replies.gbnf import until
from engine.runtime.grammar import JSON_OBJECT, check_size, grammar_of
from engine.runtime.grammar_ways import check_ways


def doubling(way, n=40):
    rules = [f"a{at} ::= {way.replace('a', f'a{at + 1}')}" for at in range(n)]
    return "\n".join(["root ::= a0", *rules])


@pytest.mark.parametrize(
    "grammar",
    [
        doubling("a | a") + '\na40 ::= "x"',  # was killed for its memory
        doubling("a a") + '\na40 ::= "x"?',  # SIGSEGV
        doubling("(a | (a))") + "\na40 ::= [a-z]",
        'root ::= "x" a0\n' + doubling("a | a").partition("\n")[2] + '\na40 ::= "x"',
        'root ::= ("a"? | "b"?){1000}',
    ],
)
def test_ways_that_double_are_refused_before_they_fill_the_memory(grammar):
    with pytest.raises(FormatError, match="more than 20,000 ways"):
        check_ways(grammar)


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= root "a" | "a"',
        'root ::= n root "a" | "a"\nn ::= "b"?',  # llama.cpp does not see this one and aborts
        'root ::= b\nb ::= c\nc ::= b "x" | "a"',
        'root ::= ("b"* root)? "a"',
    ],
)
def test_a_rule_that_can_begin_with_itself_is_refused(grammar):
    with pytest.raises(FormatError, match="can begin with itself"):
        check_ways(grammar)


@pytest.mark.parametrize(
    "grammar",
    [
        JSON_OBJECT,
        'root ::= "a" root | ""',
        'root ::= "(" root ")" | [0-9]+ ("," root)*',
        'root ::= ("yes" | "no"){1,3} <[5]> . # (\n',
        "root ::= " + " | ".join(f'"word{n}"' for n in range(5000)),
        "root ::= r0\n" + "\n".join(f"r{n} ::= r{n + 1}" for n in range(5000)) + '\nr5000 ::= "x"',
        "root ::= " + "(" * 4000 + '"x"' + ")" * 4000,
        "root ::= t\n" + until("t", "</think>"),
        'root ::= [\\]] "\\"" ("a"?)* x\nx ::= "b"{0,1000}',
    ],
)
def test_usual_grammars_pass(grammar):
    check_ways(grammar)


def test_the_ways_are_told():
    assert check_ways("root ::= " + " | ".join(f'"word{n}"' for n in range(500))) == 500
    assert check_ways('root ::= "a" ("b" | "c")') == 2


GAME = r"""
root ::= turn+
turn ::= [1-9] [0-9]? ". " move " " move "\n"
move ::= (piece | pawn | "0-0" "-0"?) [+#]?
piece ::= [KQRBN] [a-h]? [1-8]? "x"? square
pawn ::= ([a-h] "x")? square ("=" [QRBN])?
square ::= [a-h] [1-8]
"""
PROGRAM = r"""
root ::= function*
function ::= type name "(" (argument ("," ws argument)*)? ")" "{" line* "}"
type ::= ("int" | "float") [ ]+
argument ::= type name
line ::= type name ws "=" ws sum ";" | name ws "=" ws sum ";" | name "(" (sum ("," sum)*)? ")" ";"
       | "if" "(" sum ("<" | "<=" | "==") sum ")" "{" line* "}" ("else" "{" line* "}")? | comment
sum ::= product(("+" | "-") product)*
product ::= atom (("*" | "/") atom)*
atom ::= name | [0-9]+ | "-" atom | name "(" sum? ")" | "(" ws sum ws ")"
comment ::= "//" [^\n]* "\n" | "/*" ([^*] | "*" [^/])* "*/"
name ::= [a-zA-Z_] [a-zA-Z_0-9]*
ws ::= [ \t\n]*
"""
WORDS = r"""
root ::= sign+ ([ \t\n] sign+)*
sign ::= kana | han | [、-〾] | [!"#()\[\]\\^_`{|}~]
kana ::= [ぁ-ゟ] | [ァ-ヿ]
han ::= [一-鿿]
"""
LIST = r"""
root ::= "[\n" ws (value (",\n" ws value)*)? "]"
value ::= "{" ws (text ":" ws value ("," ws text ":" ws value)*)? "}" ws | text | number | root
text ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [1-9] [0-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""


@pytest.mark.parametrize("grammar", [GAME, PROGRAM, WORDS, LIST])
def test_the_kinds_of_grammars_that_people_write_pass(grammar):
    check_size(grammar)


def test_schemas_with_many_optional_fields_and_with_deep_ones_pass():
    deep = {"type": "string"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"a": deep, "b": {"type": "number"}}}
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(120)}}
    tree = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {
        "kids": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 900},
        "kind": {"anyOf": [{"type": "null"}, {"enum": ["a", "b"]}, {"type": "integer"}]},
    }}}}  # fmt: skip

    for schema in (deep, wide, tree):
        check_size(grammar_of(schema) or "")


@pytest.mark.parametrize("grammar", ["", "root", "root ::= (", 'root ::= "', "::=", "root ::= )"])
def test_what_is_no_grammar_is_left_to_llama_cpp(grammar):
    check_ways(grammar)


def test_a_schema_that_doubles_is_refused_too():
    kinds = {f"k{n}": {"anyOf": [{"$ref": f"#/$defs/k{n + 1}"}] * 2} for n in range(40)}
    schema = {"$defs": kinds | {"k40": {"type": "string"}}, "$ref": "#/$defs/k0"}

    with pytest.raises(FormatError):
        check_ways(grammar_of(schema) or "")


def test_a_large_honest_schema_passes():
    field = {"type": "array", "items": {"enum": [f"value{n}" for n in range(50)]}}
    schema = {"type": "object", "properties": {f"p{n}": field for n in range(60)}}

    check_ways(grammar_of(schema) or "")
