from __future__ import annotations

import pytest

from app.query.fusion import (
    BALANCED,
    FOREIGN,
    HEAD,
    blend,
    coverage,
    dense_weight,
    fuse,
    idf_of,
    joined,
    scaled_to,
    weighed,
)
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


def place(chunk_id: int, document_id: str, start: int, text: str, score: float, **more) -> Hit:
    end = start + len(text)
    return Hit(
        chunk_id, document_id, f"{document_id}.md", more.get("title", ""), None,
        more.get("headings", ()), start, end, text, score,
    )  # fmt: skip


OTHERS = [place(90 + at, f"o{at}", 0, f"noise number {at}", 0.3) for at in range(4)]
SPREAD = "The lighthouse was built. Nobody knows who opened it. The harbour is old."
AT_ONCE = "The lighthouse of the harbour was opened early. Nobody knows it."


@pytest.mark.parametrize(
    ("why", "first", "second"),
    [
        (
            "one sentence holds the words together",
            place(1, "a", 0, AT_ONCE, 0.5),
            place(2, "b", 0, SPREAD, 0.5),
        ),
        (
            "it holds more of the words",
            place(1, "a", 0, "The lighthouse was opened at the harbour.", 0.5),
            place(2, "b", 0, "The lighthouse was red.", 0.5),
        ),
        (
            "its headings name the subject",
            place(1, "a", 0, "It was opened early.", 0.5, headings=("The harbour",)),
            place(2, "b", 0, "It was opened early.", 0.5),
        ),
        (
            "its title names the subject",
            place(1, "a", 0, "It was opened early.", 0.5, title="Lighthouse of the harbour"),
            place(2, "b", 0, "It was opened early.", 0.5, title="Bakery"),
        ),
    ],
)
def test_of_two_equal_hits_the_one_that_more_speaks_for_comes_first(why, first, second):
    ordered = weighed("when was the harbour lighthouse opened", [second, first, *OTHERS])

    assert ordered[0].chunk_id == first.chunk_id, why


def test_a_chunk_among_good_neighbours_beats_a_stray_one():
    text = "The lamp was lit."
    lonely = place(1, "a", 0, text, 0.5)
    among = [place(2 + at, "b", 100 * at, text, 0.5) for at in range(3)]

    ordered = weighed("when was the lamp lit", [lonely, *among])

    assert ordered[-1].chunk_id == lonely.chunk_id


def test_a_far_part_of_the_same_document_is_no_neighbour():
    text = "The lamp was lit."
    near = [place(1, "a", 0, text, 0.5), place(2, "a", 50, text, 0.5)]
    far = [place(3, "b", 0, text, 0.5), place(4, "b", 90_000, text, 0.5)]

    ordered = weighed("when was the lamp lit", [*far, *near])

    assert {one.chunk_id for one in ordered[:2]} == {1, 2}


def test_what_lies_behind_the_head_keeps_its_order_and_scores_no_higher():
    hits = [place(at, f"d{at}", 0, "nothing", 1 - at / 100) for at in range(HEAD)]
    better = [place(100 + at, f"e{at}", 0, "The lamp was lit.", 0.5 - at / 100) for at in range(3)]

    ordered = weighed("when was the lamp lit", [*hits, *better])

    assert [one.chunk_id for one in ordered[HEAD:]] == [100, 101, 102]
    assert all(one.score <= ordered[HEAD - 1].score for one in ordered[HEAD:])


@pytest.mark.parametrize("question", ["", "what is it", "?!", "什么"])
def test_a_question_without_content_leaves_the_order_of_the_legs(question):
    hits = [place(1, "a", 0, "one", 0.9), place(2, "b", 0, "what is it", 0.5)]

    assert [one.chunk_id for one in weighed(question, hits)] == [1, 2]


def test_weighed_scores_stay_between_zero_and_one():
    text = "lighthouse harbour opened"
    hits = [place(at, "a", at, text, 1.0, title=text) for at in range(6)]

    assert all(0 <= one.score <= 1 for one in weighed(text, hits))
    assert weighed(text, []) == []


@pytest.mark.parametrize(
    ("why", "parts", "wanted"),
    [
        ("no parts", [], [1, 2, 3, 4, 5]),
        ("new ones come fourth and fifth", [[8, 1], [9]], [1, 2, 3, 8, 9, 4, 5]),
        ("one further down moves up", [[5]], [1, 2, 3, 5, 4]),
        ("one at the head stays", [[2]], [1, 2, 3, 4, 5]),
        ("two parts with the same", [[8], [8]], [1, 2, 3, 8, 4, 5]),
        ("a part that finds nothing", [[]], [1, 2, 3, 4, 5]),
    ],
)
def test_each_part_of_a_question_gets_a_place_behind_the_head_of_the_whole(why, parts, wanted):
    whole = [hit(at, "a", 1 - at / 10) for at in (1, 2, 3, 4, 5)]

    merged = joined(whole, [[hit(at, "b", 0.95) for at in one] for one in parts])

    assert [one.chunk_id for one in merged] == wanted, why
    assert [one.score for one in merged] == sorted((one.score for one in merged), reverse=True)


def test_the_parts_of_a_question_that_finds_nothing_whole_are_all_there_is():
    assert [one.chunk_id for one in joined([], [[hit(8, "b", 0.9)]])] == [8]


@pytest.mark.parametrize(
    ("scores", "top", "wanted"),
    [([0.5, 0.25], 0.9, [0.9, 0.45]), ([0.0, 0.0], 0.9, [0.0, 0.0]), ([], 0.9, [])],
)
def test_scaling_keeps_order_and_proportion(scores, top, wanted):
    hits = [hit(at, "a", score) for at, score in enumerate(scores)]

    assert [one.score for one in scaled_to(hits, top)] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("weights", "held", "wanted"),
    [
        ({"lamp": 3.0, "sea": 1.0}, {"lamp"}, 0.75),
        ({"lamp": 0.0, "sea": 0.0}, {"lamp"}, 0.5),
        ({}, set(), 1.0),
        ({"lamp": 1.0}, set(), 0.0),
    ],
)
def test_coverage_is_the_share_of_the_weight_that_a_text_holds(weights, held, wanted):
    assert coverage(weights, held) == pytest.approx(wanted)
