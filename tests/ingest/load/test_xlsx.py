import datetime

import openpyxl
import pytest

from ingest.errors import EmptyFileError
from ingest.load.loaders import load
from tests.ingest.load.making import saved


def test_sheets_are_pages_with_their_name_and_header_row():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Prices"
    for row in [
        ["Item", "Price", "Share", "From", "In stock"],
        ["Pump", 120.0, 0.125, datetime.date(2025, 3, 1), True],
        ["Valve", 35.5, 1, None, False],
    ]:
        sheet.append(row)
    sheet["C2"].number_format = "0.0%"
    second = book.create_sheet("人员")
    for row in [["姓名", "部门"], ["王芳", "研发\n中心"]]:
        second.append(row)

    loaded = load(saved(book), "prices.xlsx")

    assert loaded.text.split("\n\n") == [
        "Prices",
        "Item | Price | Share | From | In stock\nPump | 120 | 12.5% | 2025-03-01 | TRUE\nValve | 35.5 | 1 |  | FALSE",  # noqa: E501
        "人员",
        "姓名 | 部门\n王芳 | 研发中心",
    ]
    assert [(b.page, b.headings) for b in loaded.blocks if b.kind == "table"] == [
        (1, ("Prices",)),
        (2, ("人员",)),
    ]
    table = loaded.blocks[-1]
    assert loaded.text[slice(*table.header)] == "姓名 | 部门"


def test_titles_above_a_table_and_empty_rows_within_it():
    book = openpyxl.Workbook()
    for row in [["Stock 2025"], [], ["Item", "Count"], ["Pump", 4], [], ["Valve", 7]]:
        book.active.append(row)

    text = load(saved(book), "a.xlsx").text

    assert text == "Sheet\n\nStock 2025\n\nItem | Count\nPump | 4\n\nItem | Count\nValve | 7"


def test_two_tables_on_one_sheet_keep_their_own_headers():
    book = openpyxl.Workbook()
    for row in [["Item", "Count"], ["Pump", 4], [], ["Name", "Dept", "Phone"], ["Ada", "R&D", 12]]:
        book.active.append(row)

    loaded = load(saved(book), "a.xlsx")

    headers = [loaded.text[slice(*b.header)] for b in loaded.blocks if b.kind == "table"]
    assert headers == ["Item | Count", "Name | Dept | Phone"]


def test_a_workbook_without_values_is_an_error():
    with pytest.raises(EmptyFileError):
        load(saved(openpyxl.Workbook()), "a.xlsx")


def test_many_rows_are_read():
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("data")
    for number in range(3000):
        sheet.append([number, f"row {number}"])

    assert load(saved(book), "a.xlsx").text.endswith("2999 | row 2999")
