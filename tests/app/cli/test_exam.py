"""What `quire eval` prints."""

from __future__ import annotations

from app.api.exam_wire import CaseOut, MissOut, PlaceOut
from app.cli.exam import miss_text


def test_what_went_wrong_is_told_without_what_would_steer_the_terminal():
    case = CaseOut(
        id="1", kind="cloze", language="en", question="Who\x1b[2J built\nit?", answer="Ann\x07",
        path="a\x1b.md", start=3, end=9, text="By Ann", is_stale=False,
    )  # fmt: skip
    place = PlaceOut(path="b\r.md", start=0, end=4, page=None)
    miss = MissOut(case=case, what="found late", rank=7, found=[place], error="")

    assert miss_text(miss).split("\n") == [
        "found late: Who [2J built it?",
        "  wanted: a .md, characters 3-9: Ann",
        "  it came at place 7",
        "  found 1: b .md, characters 0-4",
    ]
