from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.load.loaders import load

NOTES = """---
title: "Field notes"
author: Ada
---
# Handbook #

Intro with **bold**
on two lines.

Setext title
------------

- one
- two
  goes on

  still two

1. first

| Day | Hours |
|-----|------:|
| Mon | 8     |
| Tue | 7     |

### Deep *dive*

```python
# no heading
x = 1

y = 2
```

## 请假制度

员工每年享有十天年假。
"""


def pieces(text, loaded):
    return [(b.kind, b.headings, text[b.start : b.end]) for b in loaded.blocks]


def test_headings_lists_tables_and_code_are_found_with_exact_offsets():
    loaded = load(NOTES.encode(), "notes.md")
    found = pieces(NOTES, loaded)

    assert loaded.text == NOTES
    assert loaded.title == "Field notes"
    assert loaded.media_type == "text/markdown"
    assert [kind for kind, _, _ in found] == (
        "code heading paragraph heading list table heading code heading paragraph".split()
    )
    assert found[2] == ("paragraph", ("Handbook",), "Intro with **bold**\non two lines.")
    assert found[4][2].startswith("- one")
    assert found[4][2].endswith("1. first")
    assert found[6][1] == ("Handbook", "Setext title", "Deep dive")
    assert found[7][2].startswith("```python")
    assert found[7][2].endswith("y = 2\n```")
    assert found[9] == ("paragraph", ("Handbook", "请假制度"), "员工每年享有十天年假。")


def test_a_table_knows_its_header_row():
    table = next(b for b in load(NOTES.encode(), "notes.md").blocks if b.kind == "table")

    assert NOTES[slice(*table.header)] == "| Day | Hours |"
    assert NOTES[table.start : table.end].endswith("| Tue | 7     |")


def test_the_title_is_the_first_top_heading():
    assert load("## b\n\n# 员工手册\n\ntext".encode(), "a.md").title == "员工手册"


def test_headings_without_a_blank_behind_the_marks_are_headings():
    blocks = load("##报销流程\n正文".encode(), "a.md").blocks

    assert blocks[0].kind == "heading"
    assert blocks[1].headings == ("报销流程",)


def test_windows_line_ends_keep_offsets_true():
    text = "# A\r\n\r\nx\r\ny\r\n\r\n| a | b |\r\n|---|---|\r\n| 1 | 2 |\r\n"
    loaded = load(text.encode(), "a.md")

    assert [text[b.start : b.end] for b in loaded.blocks] == [
        "# A",
        "x\r\ny",
        "| a | b |\r\n|---|---|\r\n| 1 | 2 |",
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="#-*|`~= \n\r\tab1.中：", min_size=1, max_size=120).filter(
        lambda text: bool(text.strip())
    )
)
def test_blocks_of_any_text_come_in_order_and_do_not_overlap(text):
    loaded = load(text.encode(), "a.md")

    at = 0
    for block in loaded.blocks:
        assert at <= block.start < block.end <= len(text)
        at = block.end
    assert loaded.text == text
