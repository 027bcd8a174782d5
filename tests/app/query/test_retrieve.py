from __future__ import annotations

import pytest

from app.query.filters import RECALL
from app.query.retrieve import retrieve
from app.query.types import Ask, Filters, Rewritten


def test_each_leg_is_asked_for_more_than_is_wanted(library):
    retrieve(library.beats(), Ask("tesla", "default", top_k=1), Rewritten("tesla", "tesla"))

    assert ("dense", str(RECALL)) in library.asked
    assert RECALL >= 50


def test_the_head_does_not_depend_on_top_k(library):
    few, many = (
        retrieve(
            library.beats(), Ask("induction motor", "c", k), Rewritten("induction motor", "")
        ).hits
        for k in (1, 20)
    )

    assert few[:3] == many[:3]


def test_a_condensed_question_is_searched_beside_the_original(library):
    ask = Ask("And his father?", "c")

    retrieve(library.beats(), ask, Rewritten("Nikola Tesla And his father?", "", "rule"))

    queries = [query for leg, query in library.asked if leg == "lexical"]
    assert queries == ["And his father?", "Nikola Tesla And his father?"]


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        (Filters(paths=("tes*.md",)), {"tesla.md"}),
        (Filters(document_ids=("harbour.md",)), {"harbour.md"}),
        (Filters(media_types=("application/pdf",)), set()),
        (Filters(document_ids=("harbour.md",), paths=("tesla*",)), set()),
    ],
)
def test_filters_leave_only_what_may_answer(library, filters, paths):
    ask = Ask("Tesla lighthouse harbour", "c", filters=filters)

    hits = retrieve(library.beats(), ask, Rewritten(ask.question, "")).hits

    assert {one.path for one in hits} == paths


@pytest.mark.parametrize(
    ("question", "low", "high"),
    [
        ("Who built an induction motor in 1887?", 0.8, 1.0),
        ("上海轨道交通16号线全线长度", 0.8, 1.0),
        ("Which volcano erupted in Iceland?", 0.0, 0.2),
        ("珠穆朗玛峰的高度", 0.0, 0.2),
    ],
)
def test_confidence_tells_what_the_documents_hold_from_what_they_do_not(
    library, question, low, high
):
    beats = library.beats(embedding_model=lambda name: "all-minilm")

    found = retrieve(beats, Ask(question, "c"), Rewritten(question, ""))

    assert low <= found.confidence <= high


def test_the_best_hits_score_is_the_confidence(library):
    ask = Ask("Who built an induction motor?", "c")

    found = retrieve(library.beats(), ask, Rewritten(ask.question, ""))

    assert found.hits[0].score == pytest.approx(found.confidence)
    assert all(0 <= one.score <= found.confidence + 1e-9 for one in found.hits)


def test_the_parts_of_a_question_that_asks_several_things_are_searched_too(library):
    ask = Ask("How tall is the lighthouse, and where was Tesla born?", "c")
    parts = ("How tall is the lighthouse", "where was Tesla born")

    hits = retrieve(library.beats(), ask, Rewritten(ask.question, "", queries=parts)).hits

    queries = [query for leg, query in library.asked if leg == "lexical"]
    assert queries == [ask.question, *parts]
    assert {one.path for one in hits[:2]} == {"tesla.md", "harbour.md"}


def test_an_empty_library_finds_nothing_with_no_confidence(library):
    library.texts.clear()

    found = retrieve(library.beats(), Ask("anything", "c"), Rewritten("anything", ""))

    assert found.hits == ()
    assert found.confidence == 0
