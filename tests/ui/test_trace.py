"""The trace of an answer as a table."""

import pytest

from ui.trace import MAX_ROWS, facts_of, left_text, refused_text, trace_html, why_text
from ui.words import Words

EN, ZH = Words("en"), Words("zh")
CANDIDATE = {
    "path": "notes/<b>.md",
    "page": 2,
    "dense": {"rank": 1, "score": 0.61},
    "lexical": None,
    "fused": {"rank": 3, "score": 0.4},
    "reranked": None,
    "passage": 2,
    "left_out": "",
}
TRACE = {
    "question": "Where?",
    "rewritten": {"standalone": "Where was Tesla born?", "by": "rule"},
    "filters": "file:*.md",
    "candidates": [CANDIDATE],
    "dense_weight": 0.4,
    "confidence": 0.512,
    "bar": 0.3,
    "budget": {"context": 4096, "room": 3000, "used": 120, "left_out": 2},
    "prompt": {"version": 1, "n_tokens": 1700, "n_reused": 512, "n_generated": 20},
    "mode": "generated",
    "why": "borne_out",
    "gone": ["old.md"],
    "notices": ["ranked without the reranker"],
    "timings": {"retrieve": 0.02},
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            EN,
            [
                "40% by meaning",
                "0.51, refused below 0.30",
                "120 of 3,000",
                "1,700 tokens",
                "old.md",
            ],
        ),
        (ZH, ["语义 40%", "0.51，低于 0.30", "3,000 个词元", "1,700 个词元", "old.md"]),
    ],
)
def test_facts_are_told_in_both_languages(words, expected):
    told = " | ".join(f"{name}: {text}" for name, text in facts_of(TRACE, words))

    assert all(part in told for part in expected)
    assert "Where was Tesla born?" in told
    assert "ranked without the reranker" in told


def test_what_was_not_done_is_not_shown():
    html = trace_html({**TRACE, "prompt": None, "gone": [], "filters": ""}, EN)

    assert "Chat model" not in html
    assert "Deleted" not in html
    assert "Only in" not in html


def test_places_are_told_and_foreign_text_is_escaped():
    html = trace_html(TRACE, EN)

    assert "1 (0.61)" in html
    assert "<td>–</td>" in html
    assert "passage 2" in html
    assert "notes/&lt;b&gt;.md · page 2" in html
    assert "reranked</th>" not in html
    assert 'class="q-used"' in html


def test_the_reranker_has_a_column_if_it_was_asked_and_long_lists_are_cut():
    many = [{**CANDIDATE, "reranked": {"rank": 1, "score": 0.9}, "passage": None}] * 30

    html = trace_html({**TRACE, "candidates": many}, EN)

    assert "reranked</th>" in html
    assert html.count("<tr>") == MAX_ROWS + 1 + sum(bool(t) for _, t in facts_of(TRACE, EN))
    assert "… and 10 more" in html


def test_a_trace_of_nothing_is_shown_without_an_error():
    assert "q-table" in trace_html({}, EN)
    assert trace_html({"candidates": [{}], "why": None}, ZH)


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        ("below top_k", "not among the best"),
        ("duplicate of 2", "says the same as another"),
        ("duplicate", "says the same as another"),
        ("merged into 12", "joined to its neighbour"),
        ("no room", "no room"),
        ("deleted", "deleted"),
        ("of a later kind", "of a later kind"),
        ("", ""),
    ],
)
def test_reasons_are_put_into_our_words(left_out, expected):
    assert left_text(left_out, EN) == expected


def test_a_reason_of_a_newer_server_is_shown_as_it_is():
    assert why_text({"why": "moon_phase"}, ZH) == "moon_phase"
    assert "模型" in why_text({"why": "borne_out"}, ZH)


def test_of_a_model_that_was_stopped_nobody_knows_what_it_reused():
    prompt = {"version": 1, "n_tokens": 700, "n_reused": 0, "n_generated": 20, "is_estimated": True}

    told = " | ".join(text for _, text in facts_of({**TRACE, "prompt": prompt}, EN))

    assert "700 tokens, ? of them" in told


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("below_bar", "do not seem to answer"),
        ("filtered_out", "The filters let nothing through."),
        ("nothing_stored", "There are no documents yet."),
    ],
)
def test_a_refusal_is_told_by_its_reason(why, told):
    assert told in refused_text({"why": why}, EN)
