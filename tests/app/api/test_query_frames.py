"""Events of the pipeline as server-sent frames."""

from __future__ import annotations

import json

import pytest

from app.api.query import frames_of
from app.api.query_wire import ExplainIn, FiltersIn, QueryIn, TraceOut
from app.query.errors import FilterError
from app.query.trace import Budget, Trace
from app.query.types import Checked, Citation, Filters, Rewritten, Sentence, Status, Token


def read(frame):
    name, data = frame.strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_checked_sentence_is_an_event_with_its_citations():
    cited = Citation(2, "d", "a.md", 3, 5, 9, "text", "iii", ("instructions",))
    sentence = Sentence("It is so.", (2,), "partly", "41 is not there")

    name, data = read(next(frames_of(Checked(4, sentence, (cited,)))))

    assert name == "sentence"
    assert data["index"] == 4
    assert data["sentence"] == {
        "text": "It is so.",
        "citations": [2],
        "support": "partly",
        "reason": "41 is not there",
    }
    assert data["citations"][0]["warnings"] == ["instructions"]
    assert data["citations"][0]["page_label"] == "iii"


def test_a_sign_of_life_makes_no_frame():
    assert list(frames_of(Token(""))) == []
    assert read(next(frames_of(Token("a\nb")))) == ("token", {"text": "a\nb"})
    assert read(next(frames_of(Status("pack")))) == ("status", {"beat": "pack"})


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), ""),
        (Filters(document_ids=("a", "b"), after="2025-01-01"), "2 documents after:2025-01-01"),
        (
            Filters(paths=("*.pdf",), also=(Filters(paths=("**/a.md",)),)),
            "path:*.pdf file:a.md",
        ),
    ],
)
def test_filters_of_a_trace_are_told_as_they_could_be_typed(filters, expected):
    trace = Trace(
        question="q",
        rewritten=Rewritten("q", "q"),
        filters=filters,
        candidates=(),
        dense_weight=0.4,
        confidence=0.1,
        bar=0.2,
        budget=Budget(0, 10, 0, 0),
        prompt=None,
        model="",
        mode="refused",
        why="below_bar",
    )

    assert TraceOut.of(trace).filters == expected


def test_what_is_explained_is_asked_as_a_question_is():
    common = {"question": "q", "collection": "c", "top_k": 3, "model": "m"}
    more = {"history": [{"role": "user", "content": "x"}], "filters": {"paths": ["*.md"]}}

    explained = ExplainIn.model_validate({**common, **more, "file": "a.md"})

    assert explained.ask() == QueryIn.model_validate({**common, **more}).ask()


def test_no_reader_takes_what_a_document_holds_for_the_end_of_a_line():
    text = "The tower\u2028is 88 metres\u2029high.\x85Green."

    frame = next(frames_of(Token(text)))

    assert len(frame.strip().splitlines()) == 2
    assert read(frame) == ("token", {"text": text})


def test_types_in_a_request_are_read_as_typed_ones_are():
    def types(*kinds):
        return FiltersIn(media_types=list(kinds)).filters().media_types

    assert types("pdf", "application/pdf", "image/*") == ("application/pdf", "image/*")
    assert types(".py") == (".py",)
    with pytest.raises(FilterError, match="media_types:nonsense"):
        types("nonsense")
