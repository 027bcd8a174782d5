import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.errors import EmptyFileError
from ingest.load.loaders import load
from tests.ingest.load.making import saved


def test_slides_are_pages_with_title_list_table_chart_and_notes():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "销售计划"
    frame = slide.placeholders[1].text_frame
    frame.text = "扩大华东市场"
    paragraph = frame.add_paragraph()
    paragraph.text, paragraph.level = "上海先行", 1
    slide.notes_slide.notes_text_frame.text = "Mention the budget."
    deck.slides.add_slide(deck.slide_layouts[6])
    third = deck.slides.add_slide(deck.slide_layouts[5])
    third.shapes.title.text = "Targets"
    table = third.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(6), Inches(1)).table
    for row, cells in enumerate([("Quarter", "Goal"), ("Q1", "12"), ("Q2", "")]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(2, 0).merge(table.cell(2, 1))
    data = CategoryChartData()
    data.categories = ["2024", "2025"]
    data.add_series("Revenue", (1.5, 2.25))
    third.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(5), Inches(4), Inches(2), data
    )

    loaded = load(saved(deck), "plan.pptx")

    assert [(b.page, b.kind, loaded.text[b.start : b.end]) for b in loaded.blocks] == [
        (1, "heading", "销售计划"),
        (1, "list", "- 扩大华东市场\n  - 上海先行"),
        (1, "paragraph", "Mention the budget."),
        (3, "heading", "Targets"),
        (3, "table", "Quarter | Goal\nQ1 | 12\nQ2"),
        (3, "table", " | Revenue\n2024 | 1.5\n2025 | 2.25"),
    ]
    assert loaded.blocks[4].headings == ("Targets",)
    assert loaded.text[slice(*loaded.blocks[4].header)] == "Quarter | Goal"
    assert loaded.warnings == ("no text on slide 2: empty or a picture",)


def test_shapes_are_read_from_top_to_bottom_whatever_their_order():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    for text, left, top in [("third", 1, 5), ("second", 5, 1), ("first", 1, 1)]:
        slide.shapes.add_textbox(
            Inches(left), Inches(top), Inches(2), Inches(1)
        ).text_frame.text = text
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(6), Inches(2), Inches(1)).text_frame.text = "grouped"

    assert load(saved(deck), "a.pptx").text == "first\n\nsecond\n\nthird\n\ngrouped"


def test_a_deck_without_text_is_an_error():
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[6])

    with pytest.raises(EmptyFileError):
        load(saved(deck), "a.pptx")
