from __future__ import annotations

from app.query.pack import BLOCK_TOKENS, MIN_TOKENS, labelled, pack, with_labels
from app.query.types import Citation
from ingest.types import Hit

TEXT = "Alpha is the first letter. Beta is the second letter.\n\nGamma is the third letter. " * 4
TEXTS = {"one": TEXT, "two": "Something else stands here. " * 10}


def count(texts):
    return [len(text.split()) for text in texts]


def hit(document_id: str, start: int, end: int, score: float, page: int | None = None) -> Hit:
    text = TEXTS[document_id][start:end]
    return Hit(
        start,
        document_id,
        f"{document_id}.md",
        "",
        page,
        ("A", str(start)),
        start,
        end,
        text,
        score,
    )


def packed(hits, budget=1000):
    return pack(hits, TEXTS.__getitem__, count, budget)


def test_passages_are_numbered_best_first_and_are_slices():
    passages = packed([hit("one", 0, 26, 0.9), hit("two", 0, 27, 0.5)])

    assert [passage.n for passage in passages] == [1, 2]
    assert [passage.document_id for passage in passages] == ["one", "two"]
    assert all(TEXTS[one.document_id][one.start : one.end] == one.text for one in passages)


def test_neighbours_become_one_passage():
    passages = packed([hit("one", 27, 53, 0.9), hit("two", 0, 27, 0.8), hit("one", 0, 26, 0.5)])

    assert [(one.start, one.end) for one in passages] == [(0, 53), (0, 27)]
    assert passages[0].score == 0.9
    assert passages[0].headings == ("A",)
    assert passages[0].text == TEXT[0:53]


def test_a_hit_between_two_others_joins_all_three():
    passages = packed([hit("one", 0, 26, 0.9), hit("one", 55, 82, 0.8), hit("one", 26, 55, 0.7)])

    assert [(one.start, one.end) for one in passages] == [(0, 82)]


def test_overlapping_hits_become_one_passage():
    passages = packed([hit("one", 0, 40, 0.9), hit("one", 20, 53, 0.5)])

    assert [(one.start, one.end) for one in passages] == [(0, 53)]


def test_pages_are_not_joined_so_that_citations_name_the_right_one():
    passages = packed([hit("one", 0, 26, 0.9, page=1), hit("one", 27, 53, 0.5, page=2)])

    assert [one.page for one in passages] == [1, 2]


def test_distant_hits_of_one_document_stay_apart():
    assert len(packed([hit("one", 0, 26, 0.9), hit("one", 100, 140, 0.5)])) == 2


def test_the_same_text_is_given_once():
    passages = packed([hit("two", 0, 27, 0.9), hit("two", 56, 83, 0.5)])

    assert [(one.start, one.end) for one in passages] == [(0, 27)]


def test_what_is_too_long_is_cut_at_a_sentence_end():
    passages = packed([hit("one", 0, len(TEXT), 0.9)], budget=BLOCK_TOKENS + MIN_TOKENS + 4)

    assert len(passages) == 1
    assert passages[0].text.endswith(".")
    assert passages[0].text == TEXT[: passages[0].end]
    assert count([passages[0].text])[0] <= MIN_TOKENS + 4


def test_a_merged_passage_that_is_too_long_falls_back_to_its_best_hit():
    hits = [hit("one", 166, 276, 0.9), hit("one", 0, 166, 0.5)]

    passages = packed(hits, budget=BLOCK_TOKENS + 26)

    assert passages[0].start == 166
    assert passages[0].text == TEXT[166 : passages[0].end]


def test_passages_and_citations_bear_the_label_printed_on_their_page():
    passages = packed([hit("one", 0, 26, 0.9, page=4), hit("two", 0, 27, 0.8)])
    cited = [
        Citation(1, "one", "one.md", 4, 0, 5, "Alpha"),
        Citation(2, "two", "two.md", None, 0, 9, "Something"),
        Citation(3, "gone", "gone.md", 4, 0, 1, "?"),
    ]

    told = labelled(passages, lambda document, page: f"{document}-{page}")

    assert [one.page_label for one in told] == ["one-4", ""]
    assert [one.page_label for one in with_labels(cited, told)] == ["one-4", "", ""]


def test_no_budget_gives_no_passages():
    assert packed([hit("one", 0, 26, 0.9)], budget=0) == []
    assert packed([hit("one", 0, 26, 0.9)], budget=-100) == []
    assert packed([]) == []
