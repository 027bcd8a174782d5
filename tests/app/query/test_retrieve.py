from __future__ import annotations

import pytest

from app.query.retrieve import (
    BALANCED,
    FOREIGN,
    RECALL_FLOOR,
    blend,
    dense_weight,
    fuse,
    idf_of,
    retrieve,
)
from app.query.types import Ask, Filters, Rewritten
from app.query.words import hold
from ingest.types import Hit


def hit(chunk_id: int, text: str, score: float) -> Hit:
    return Hit(chunk_id, f"d{chunk_id}", f"{chunk_id}.md", "", None, (), 0, len(text), text, score)


@pytest.mark.parametrize(
    ("model", "query", "wanted"),
    [
        ("all-minilm:latest", "where is it", BALANCED),
        ("all-minilm:latest", "上海在哪里", FOREIGN),
        ("nomic-embed-text:latest", "上海在哪里", FOREIGN),
        ("nomic-embed-text-v2-moe", "上海在哪里", BALANCED),
        ("mxbai-embed-large", "上海在哪里", FOREIGN),
        ("snowflake-arctic-embed:s", "上海在哪里", FOREIGN),
        ("snowflake-arctic-embed2:568m", "上海在哪里", BALANCED),
        ("bge-m3", "上海在哪里", BALANCED),
        ("bge-large-en-v1.5", "上海在哪里", FOREIGN),
        ("bge-large-zh", "上海在哪里", BALANCED),
        ("bge-large-zh", "where is it", FOREIGN),
        ("qwen3-embedding:0.6b", "上海在哪里", BALANCED),
        ("granite-embedding:278m-multilingual", "上海在哪里", BALANCED),
        ("granite-embedding:30m", "上海在哪里", FOREIGN),
        ("paraphrase-multilingual", "上海在哪里", BALANCED),
        ("something-of-mine", "上海在哪里", BALANCED),
    ],
)
def test_the_dense_leg_counts_little_where_its_model_does_not_know_the_language(
    model, query, wanted
):
    assert dense_weight(model, query) == pytest.approx(wanted)


def test_a_mixed_query_lies_in_between():
    weight = dense_weight("all-minilm", "what does 上海 mean in the book")

    assert FOREIGN < weight < BALANCED


def test_a_chunk_of_both_legs_appears_once_and_first():
    dense = [hit(1, "cats sleep", 0.6), hit(2, "dogs bark", 0.5)]
    lexical = [hit(2, "dogs bark", 4.0), hit(3, "dogs eat", 2.0)]

    fused = fuse("do dogs bark", dense, lexical, 0.4)

    assert [one.chunk_id for one in fused] == [2, 3, 1]
    assert fused[0].legs == {"dense": 2, "lexical": 1}
    assert fused[2].legs == {"dense": 1}


def test_a_leg_that_knows_nothing_does_not_overrule_the_other():
    dense = [hit(at, f"noise {at}", 0.9 - at / 100) for at in range(40)]
    lexical = [hit(99, "龙烟铁路全长", 9.0), *(hit(at, "铁路", 1.0) for at in range(5))]

    fused = fuse("龙烟铁路", dense, lexical, FOREIGN)

    assert fused[0].chunk_id == 99


def test_the_best_score_tells_answerable_from_absent():
    known = [hit(1, "the lighthouse of Quarrel Bay", 8.0), hit(2, "a bay", 2.0)]
    absent = [hit(2, "a bay", 8.0), hit(3, "the lamp", 1.0)]

    good = fuse("lighthouse Quarrel Bay", [hit(1, known[0].text, 0.7)], known, 0.4)
    bad = fuse("lighthouse Quarrel Bay", [hit(3, "the lamp", 0.3)], absent, 0.4)

    assert good[0].score > 0.8
    assert bad[0].score < 0.5


@pytest.mark.parametrize(
    ("dense", "lexical"), [([], []), ([hit(1, "a", 0.5)], []), ([], [hit(1, "a", 3.0)])]
)
def test_a_silent_leg_is_no_error(dense, lexical):
    assert len(fuse("a question", dense, lexical, 0.4)) == max(len(dense), len(lexical))


def test_scores_stay_between_zero_and_one():
    fused = fuse("dogs", [hit(1, "dogs", 1.01), hit(2, "x", -0.4)], [hit(1, "dogs", 7.0)], 0.4)

    assert all(0 <= one.score <= 1 for one in fused)


def test_equal_scores_keep_a_stable_order():
    hits = [hit(at, "same", 0.5) for at in (3, 1, 2)]

    assert [one.chunk_id for one in fuse("q", hits, [], 0.4)] == [1, 2, 3]


def test_blending_keeps_the_users_own_words_in_the_search():
    merged = blend([hit(1, "a", 0.8)], [hit(2, "b", 0.6), hit(1, "a", 0.5)], own_share=0.25)

    assert [one.chunk_id for one in merged] == [1, 2]
    assert merged[0].score == pytest.approx(0.25 * 0.8 + 0.75 * 0.5)


def test_rare_words_weigh_more():
    texts = [hold("the bay"), hold("the bay lighthouse"), hold("bay")]
    weights = idf_of(["bay", "lighthous", "absent"], texts)

    assert weights["bay"] < weights["lighthous"] < weights["absent"]


def test_each_leg_is_asked_for_more_than_is_wanted(library):
    retrieve(library.beats(), Ask("tesla", "default", top_k=1), Rewritten("tesla", "tesla"))

    assert ("dense", str(RECALL_FLOOR)) in library.asked
    assert RECALL_FLOOR >= 50


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
