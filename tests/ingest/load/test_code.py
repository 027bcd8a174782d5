import pytest

from ingest.load.loaders import load

PYTHON = '''"""Leave rules."""
import math

# How many days.
@cached
class Leave:
    """Counts days. 年假。"""

    limit = 10

    # 计算天数
    def days(self, years):
        return min(self.limit, years)  # never more


def main():
    print(Leave().days(3))
'''
SOURCES = [  # name, source, headings of its blocks
    ("a.py", PYTHON, [(), ("Leave",), ("Leave", "days"), ("main",)]),
    (
        "a.ts",
        "namespace N {\n  export interface I { a: string }\n  class C { m(): void {} }\n}\n",
        [("N",), ("N", "I"), ("N", "C"), ("N", "C", "m")],
    ),
    (
        "a.js",
        "export default class A {\n  m() {}\n}\nconst g = () => {};\nf();\n",
        [("A",), ("A", "m"), ("g",), ()],
    ),
    ("a.tsx", "export function App() {\n  return <p>你好</p>;\n}\n", [("App",)]),
    (
        "A.java",
        "package a.b;\nclass A {\n  int x;\n  void m() {}\n  class B {}\n}\n",
        [("a.b",), ("a.b", "A"), ("a.b", "A", "m"), ("a.b", "A", "B")],
    ),
    (
        "a.go",
        "package p\n// M counts.\nfunc (r *T) M() int { return 1 }\ntype T struct { a int }\n",
        [("p",), ("p", "T", "M"), ("p", "T")],
    ),
    (
        "a.rs",
        "mod m {\n  /// d\n  pub fn f() {}\n}\nimpl Tr for S {\n  fn g() {}\n}\n",
        [("m",), ("m", "f"), ("S",), ("S", "g")],
    ),
    ("a.c", "struct s { int a; };\nint *f(int a) { return 0; }\n", [("s",), ("f",)]),
    (
        "a.cpp",
        "namespace n {\ntemplate<class T> class A { void m() {} };\nint A::g() { return 1; }\n}\n",
        [("n",), ("n", "A"), ("n", "A", "m"), ("n", "A::g")],
    ),
    (
        "a.cs",
        "namespace N.M {\n  class A {\n    void M() {}\n  }\n}\n",
        [("N.M",), ("N.M", "A"), ("N.M", "A", "M")],
    ),
    (
        "a.rb",
        "module M\n  class A\n    # c\n    def m; end\n  end\nend\n",
        [("M",), ("M", "A"), ("M", "A", "m")],
    ),
    (
        "a.php",
        "<?php\nnamespace A\\B;\nclass C { public function m() {} }\n",
        [(), ("A\\B",), ("A\\B", "C"), ("A\\B", "C", "m")],
    ),
    ("a.sh", "#!/bin/sh\nf() { echo; }\nf\n", [("f",), ()]),
]


@pytest.mark.parametrize(("name", "source", "headings"), SOURCES, ids=[one[0] for one in SOURCES])
def test_each_function_and_class_is_a_block_under_its_path(name, source, headings):
    loaded = load(source.encode(), name)

    assert loaded.text == source
    assert [block.headings for block in loaded.blocks] == headings
    assert {block.kind for block in loaded.blocks} == {"code"}


def test_comments_and_decorators_stay_with_what_follows_them():
    loaded = load(PYTHON.encode(), "a.py")

    texts = [loaded.text[block.start : block.end] for block in loaded.blocks]
    assert texts[1].startswith("# How many days.\n@cached\nclass Leave:")
    assert texts[2].startswith("# 计算天数\n    def days")
    assert texts[2].endswith("# never more")


def test_nothing_but_blanks_lies_between_the_blocks():
    for name, source, _ in SOURCES:
        loaded = load(source.encode(), name)
        rest = list(source)
        for block in loaded.blocks:
            rest[block.start : block.end] = " " * (block.end - block.start)
        assert "".join(rest).isspace() or not rest


def test_a_long_function_is_cut_at_its_statements():
    body = "".join(f"    # step {n}\n    value = compute({n}, {n} + 1)\n" for n in range(200))
    source = f"def long():\n{body}\n\ndef short():\n    pass\n"

    loaded = load(source.encode(), "a.py")

    pieces = [source[b.start : b.end] for b in loaded.blocks if b.headings == ("long",)]
    assert len(pieces) > 4
    assert all(len(piece) <= 1600 for piece in pieces)
    assert all(piece.startswith(("def long", "# step")) for piece in pieces)
    assert loaded.blocks[-1].headings == ("short",)


def test_source_with_mistakes_is_still_read_whole():
    source = "def broken(:\n  ]]\n\ndef fine():\n    pass\n"

    loaded = load(source.encode(), "a.py")

    assert loaded.text == source
    assert ("fine",) in [block.headings for block in loaded.blocks]


def test_an_unknown_language_is_cut_at_blank_lines():
    loaded = load(b"select 1;\n\nselect 2;\n", "a.sql")

    assert [loaded.text[b.start : b.end] for b in loaded.blocks] == ["select 1;", "select 2;"]
    assert {block.kind for block in loaded.blocks} == {"code"}


def test_deep_nesting_of_code_does_not_overflow():
    source = "x = " + "(" * 20_000 + "1" + ")" * 20_000

    assert load(source.encode(), "a.py").text == source
