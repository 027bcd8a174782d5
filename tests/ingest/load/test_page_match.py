import pytest

from ingest.load.page_match import boxes, match, squash

PAGE = """Annual report
The company had a very good year and the devel\x02
opment of new products went on. Profits rose.
第一章 总则
Profits rose. The \ufb01rst quarter was the best one."""


def words(found):
    return "".join(PAGE[at] for at in found.characters)


@pytest.mark.parametrize(
    ("span", "marked"),
    [
        ("Annual report", "Annualreport"),
        ("the development of new", "thedevelopmentofnew"),
        ("THE DEVELOPMENT, of new!", "thedevelopmentofnew"),
        ("The first quarter", "The\ufb01rstquarter"),
        ("第一章总则", "第一章总则"),
        ("year and the\ndevelopment", "yearandthedevelopment"),
        ("went on. Profits rose.", "wenton.Profitsrose."),
        ("went on", "wenton"),
    ],
)
def test_a_span_is_found_whatever_the_loader_mended(span, marked):
    found = match(span, PAGE, 0.0)

    assert found.found == "exact"
    assert words(found) == marked


@pytest.mark.parametrize(("share", "line"), [(0.0, 2), (0.9, 4)])
def test_of_two_places_the_one_is_meant_that_is_as_far_down_the_page(share, line):
    first = match("Profits rose.", PAGE, share).characters[0]

    assert PAGE[:first].count("\n") == line


def test_lines_in_another_order_are_marked_as_far_as_they_are_found():
    found = match("The first quarter was the best one. Annual report", PAGE, 0.0)

    assert found.found == "partial"
    assert words(found).startswith("Annualreport")
    assert words(found).endswith("quarterwasthebestone")


@pytest.mark.parametrize(
    ("span", "page"),
    [("", PAGE), ("...", PAGE), ("anything", ""), ("nowhere to be found", PAGE), ("...", "---")],
)
def test_what_does_not_stand_there_is_not_marked(span, page):
    assert match(span, page, 0.5) == match("", "", 0.0)


def test_many_places_are_looked_at_up_to_a_bound():
    assert match("a", "a" * 100_000, 1.0).found == "exact"


def test_accents_and_case_make_no_difference():
    assert squash("Élan Straße").text == squash("e\u0301lan STRASSE").text


def test_characters_of_one_line_become_one_box_and_a_new_line_begins_another():
    line = [(10.0, 100.0, 15.0, 110.0), (16.0, 100.0, 20.0, 110.0), (5.0, 80.0, 9.0, 90.0)]

    assert boxes(line) == [(10.0, 100.0, 20.0, 110.0), (5.0, 80.0, 9.0, 90.0)]


def test_boxes_without_size_are_left_out():
    assert boxes([(1.0, 1.0, 1.0, 5.0), (1.0, 5.0, 4.0, 5.0)]) == []
