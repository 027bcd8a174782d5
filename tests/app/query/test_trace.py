from __future__ import annotations

from dataclasses import replace

import pytest

from app.query.answer import BAR, answer
from app.query.pack import BELOW, DELETED, NO_ROOM
from app.query.trace import Place, candidates_of, reason_text
from app.query.types import Ask, Filters, Passage, Retrieved, Turn
from ingest.types import Hit

BORN = "Where was Nikola Tesla born?"


def hit(chunk_id, start=0, end=10, text="ten signs.", document_id="a", score=0.5):
    return Hit(chunk_id, document_id, f"{document_id}.md", "T", None, (), start, end, text, score)


def passage(n, start=0, end=10, text="ten signs.", document_id="a"):
    return Passage(n, document_id, f"{document_id}.md", "T", None, (), start, end, text, 0.5)


def trace_of(beats, ask):
    return list(answer(beats, ask))[-1].answer.trace


def test_a_candidate_has_its_place_in_every_list():
    dense = (hit(1, score=0.9), hit(2, 20, 30, score=0.4))
    lexical = (hit(2, 20, 30, score=7.0), hit(3, 40, 50, score=1.0))
    fused = (hit(2, 20, 30, score=0.8), hit(1, score=0.6), hit(3, 40, 50, score=0.1))
    ranked = (fused[1], fused[0], fused[2])

    found = candidates_of(
        Retrieved(fused, dense, lexical),
        ranked,
        [passage(1)],
        {2: NO_ROOM, 3: BELOW},
        is_reranked=True,
    )

    assert [one.chunk_id for one in found] == [1, 2, 3]
    assert [one.dense for one in found] == [Place(1, 0.9), Place(2, 0.4), None]
    assert [one.lexical for one in found] == [None, Place(1, 7.0), Place(2, 1.0)]
    assert [one.fused.rank for one in found] == [2, 1, 3]
    assert [one.reranked.rank for one in found] == [1, 2, 3]
    assert [one.passage for one in found] == [1, None, None]
    assert [one.left_out for one in found] == ["", NO_ROOM, "below top_k"]


def test_without_a_reranker_no_candidate_has_a_place_of_it():
    one = hit(1)

    found = candidates_of(Retrieved((one,)), (one,), [], {1: DELETED}, is_reranked=False)

    assert found[0].reranked is None
    assert found[0].left_out == DELETED


def test_an_answer_is_traced_from_the_question_to_the_prompt(library, says):
    ask = Ask(BORN, "c", filters=Filters(paths=("*.md",)))
    chat = says("Nikola Tesla was born in Smiljan.")

    trace = trace_of(library.beats(chat), ask)

    assert trace.question == BORN
    assert trace.rewritten.standalone == BORN
    assert trace.filters == ask.filters
    assert trace.candidates[0].path == "tesla.md"
    assert trace.candidates[0].dense.rank == trace.candidates[0].lexical.rank == 1
    assert trace.candidates[0].passage == 1
    assert 0 < trace.dense_weight < 1
    assert trace.confidence > trace.bar == BAR
    assert trace.budget.context == 4096
    assert 0 < trace.budget.used <= trace.budget.room < 4096
    assert trace.prompt.n_tokens > trace.budget.used
    assert (trace.mode, trace.why) == ("generated", "borne_out")
    assert trace.model == "scripted:1b"
    assert set(trace.timings) == {"rewrite", "retrieve", "pack", "generate", "verify"}


def test_a_chunk_below_the_last_that_is_read_is_said_to_be_so(library, says):
    trace = trace_of(library.beats(), Ask(BORN, "c", top_k=1))

    assert {one.left_out for one in trace.candidates[1:]} == {"below top_k"}
    assert {one.passage for one in trace.candidates[1:]} == {None}


def test_the_bar_of_a_follow_up_is_lower(library):
    history = (Turn("user", BORN), Turn("assistant", "In Smiljan. [1]"))
    ask = Ask("Who was his father?", "c", history=history)

    assert trace_of(library.beats(), ask).bar < BAR / 3
    calibrated = library.beats(refusal_bar=lambda collection: 0.50)
    assert trace_of(calibrated, ask).bar == pytest.approx(0.20)
    assert trace_of(calibrated, replace(ask, history=())).bar == 0.50
    assert trace_of(library.beats(refusal_bar=lambda collection: 0.0), ask).bar == 0.0


@pytest.mark.parametrize(
    ("question", "reply", "changes", "why"),
    [
        (BORN, None, {}, "no_chat_model"),
        (BORN, "Nikola Tesla was born in Smiljan. He sang.", {}, "partly_borne_out"),
        (BORN, "Bananas are yellow.", {}, "not_borne_out"),
        ("16号线什么时候开通？", "2013", {"is_small": True}, "foreign_language"),
        ("Who composed the opera Aida in Cairo?", "Verdi.", {}, "below_bar"),
        (BORN, "Not found in the sources.", {}, "model_found_nothing"),
    ],
)
def test_the_trace_says_why_it_was_answered_so(library, says, question, reply, changes, why):
    beats = library.beats(says(reply) if reply else None, **changes)

    assert trace_of(beats, Ask(question, "c")).why == why


def test_an_empty_library_and_a_filter_that_keeps_all_out_differ(library):
    ask = Ask(BORN, "c", filters=Filters(paths=("*.pdf",)))

    assert trace_of(library.beats(), ask).why == "filtered_out"
    library.texts.clear()
    assert trace_of(library.beats(), ask).why == "nothing_stored"


def test_reasons_are_put_into_words():
    assert reason_text("below_bar", 0.12, 0.3) == "the confidence 0.12 is below the bar of 0.30"
    assert "quoted" in reason_text("no_chat_model", 0, 0)
