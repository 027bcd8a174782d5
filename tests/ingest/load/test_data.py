import json

import pytest

from ingest.errors import BrokenFileError
from ingest.load.loaders import load

LONG = "word " * 400


def pieces(text, name):
    loaded = load(text.encode(), name)
    assert loaded.text == text
    assert not loaded.warnings
    return [(block.headings, text[block.start : block.end]) for block in loaded.blocks]


def test_json_has_a_block_for_each_entry_under_its_keys():
    text = '{"name": "quire", "v": 1, "假期": {"days": [10, 12]}, "list": [{"x": 1}, {"x": 2}]}'

    assert pieces(text, "a.json") == [
        ((), '{"name": "quire", "v": 1,'),
        (("假期",), '"假期": {"days": [10, 12]},'),
        (("list",), '"list": [{"x": 1}, {"x": 2}]}'),
    ]


def test_what_is_long_in_json_is_cut_at_the_entries_within():
    text = json.dumps({"a": {"b": {"text": LONG}, "c": {"d": 1}}})

    assert [headings for headings, _ in pieces(text, "a.json")] == [("a", "b"), ("a", "c")]


def test_a_big_array_is_cut_between_its_elements():
    text = json.dumps([{"id": n, "text": "好" * 300} for n in range(50)], ensure_ascii=False)

    found = pieces(text, "a.json")

    assert len(found) == 50
    assert all(piece.lstrip("[").startswith('{"id"') for _, piece in found)


def test_brackets_and_commas_within_strings_and_comments_are_text():
    text = '{"a": {"b": "]}, \\" {"}, // [\n "c": {"d": 1}}'

    assert [headings for headings, _ in pieces(text, "a.jsonc")] == [("a",), ("c",)]


def test_each_line_of_json_lines_is_a_record():
    text = '{"a": 1}\n{"b": 2}\nnot json\n' + json.dumps({"c": {"d": LONG}}) + "\n"

    found = pieces(text, "a.jsonl")

    assert [piece[:8] for _, piece in found] == ['{"a": 1}', '{"b": 2}', "not json", '{"c": {"']
    assert found[-1][0] == ("c",)


def test_yaml_has_a_block_for_each_entry_comments_with_what_follows():
    text = (
        "# settings\nname: x\nversion: 1\nitems:\n- a: 1\n  b: 2\n- c\n"
        "# about jobs\njobs:\n  build: &b\n    run: |\n      echo: hi\n  test: *b\n---\n"
        "其他:\n  k: 2\n"
    )

    assert pieces(text, "a.yaml") == [
        ((), "# settings\nname: x\nversion: 1"),
        (("items",), "items:\n- a: 1\n  b: 2\n- c"),
        (
            ("jobs",),
            "# about jobs\njobs:\n  build: &b\n    run: |\n      echo: hi\n  test: *b\n---",
        ),
        (("其他",), "其他:\n  k: 2"),
    ]


def test_lines_of_text_within_yaml_are_no_entries():
    text = f"a:\n  script: |\n    x: 1\n    y: {LONG}\n  b:\n    c: {LONG}\n"

    assert [headings for headings, _ in pieces(text, "a.yml")] == [("a", "script"), ("a", "b", "c")]


def test_toml_and_ini_have_a_block_for_each_table():
    text = 'title = "x"\n# about\n[tool.ruff]\nline = 1\ns = """\n[not]\n"""\n[[a."b.c"]]\nx = 1\n'

    assert pieces(text, "a.toml") == [
        ((), 'title = "x"'),
        (("tool", "ruff"), '# about\n[tool.ruff]\nline = 1\ns = """\n[not]\n"""'),
        (("a", "b.c"), '[[a."b.c"]]\nx = 1'),
    ]
    assert [one[0] for one in pieces("[一]\na=1\n; c\n[b]\nx=2\n", "a.ini")] == [("一",), ("b",)]


def test_xml_has_a_block_for_each_element_named_by_its_attributes():
    text = (
        '<?xml version="1.0"?>\n<shop>\n <book id="b1"><t>好书</t><n>1</n></book>\n'
        f' <book id="b2"><t>{LONG}</t><n>2</n></book>\n</shop>'
    )

    assert [headings for headings, _ in pieces(text, "a.xml")] == [
        ("shop", "book b1"),
        ("shop", "book b2", "t"),
        ("shop", "book b2"),
    ]


def test_xml_in_the_encoding_that_it_names():
    text = '<?xml version="1.0" encoding="gb2312"?><r><a><b>年假规定</b></a></r>'

    assert load(text.encode("gb18030"), "a.xml").text == text


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", '{"a": [1, 2}'), ("a.json", '{"a": 1'), ("a.xml", "<a><b></a>")]
)
def test_what_is_malformed_is_read_as_plain_text_with_a_warning(name, text):
    loaded = load(text.encode(), name)

    assert loaded.text == text
    assert "not valid" in loaded.warnings[0]


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]" for n in range(9)
)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "[" * 50_000 + "]" * 50_000, "nested"),
        ("a.xml", "<a>" * 3000 + "</a>" * 3000, "nested"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entities"),
        ("a.yaml", LAUGHS, "aliases"),
        ("a.yaml", "- " * 50_000 + "x", "nested"),
    ],
)
def test_bombs_are_refused(name, text, words):
    with pytest.raises(BrokenFileError, match=words):
        load(text.encode(), name)
