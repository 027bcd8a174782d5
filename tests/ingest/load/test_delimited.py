import pytest

from ingest.load.loaders import load

ROWS = [["部门", "人数", "备注"], ["研发部", "42", "含实习生"], ["销售部", "17", "上海, 北京"]]


@pytest.mark.parametrize(
    ("delimiter", "name"),
    [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("|", "a.csv"), ("\t", "a.csv")],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_any_delimiter_and_encoding_gives_the_same_table(delimiter, name, encoding):
    data = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in ROWS).encode(encoding)

    loaded = load(data, name)

    assert loaded.text == "部门 | 人数 | 备注\n研发部 | 42 | 含实习生\n销售部 | 17 | 上海, 北京"
    assert [b.kind for b in loaded.blocks] == ["table"]
    assert loaded.text[slice(*loaded.blocks[0].header)] == "部门 | 人数 | 备注"


def test_line_breaks_in_cells_stay_in_their_row():
    loaded = load('name,note\nA,"first\nsecond"\nB,"第一\n第二"\n'.encode(), "a.csv")

    assert loaded.text == "name | note\nA | first second\nB | 第一第二"


def test_a_stray_quote_does_not_swallow_the_rest():
    lines = ["size,name", '12" pipe,x', '"open,y'] + [f"{n},row{n}" for n in range(200)]

    text = load("\n".join(lines).encode(), "a.csv").text

    assert "199 | row199" in text
    assert len(text.splitlines()) == 203


def test_a_title_row_and_excels_separator_line_are_no_header():
    loaded = load(b"sep=;\nStaff 2025;;\nname;dept;room\nAda;R&D;12\n", "a.csv")

    assert loaded.text == "Staff 2025\n\nname | dept | room\nAda | R&D | 12"


def test_one_column_is_a_list():
    assert load(b"alpha\nbeta\n", "a.csv").text == "alpha\nbeta"
