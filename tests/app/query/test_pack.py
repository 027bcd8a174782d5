from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.query.pack import (
    BELOW,
    BLOCK_TOKENS,
    DELETED,
    MAX_PER_DOCUMENT,
    MIN_TOKENS,
    NO_ROOM,
    WIDE,
    diverse,
    labelled,
    merged,
    pack,
    packed_with_reasons,
    with_labels,
)
from app.query.same import sameness_of, says_the_same
from app.query.tables import header_of
from app.query.types import Citation
from ingest.types import Hit

TEXT = "Alpha is the first letter. Beta is the second letter.\n\nGamma is the third letter. " * 4
TEXTS = {"one": TEXT, "two": "Something else stands here. " * 10}


_ids = itertools.count(1)


def count(texts):
    return [len(text.split()) for text in texts]


def hit(
    document_id: str,
    start: int,
    end: int,
    score: float,
    page: int | None = None,
    parent: tuple[int, int] | None = None,
) -> Hit:
    return Hit(
        next(_ids),
        document_id,
        f"{document_id}.md",
        "",
        page,
        ("A", str(start)),
        start,
        end,
        TEXTS[document_id][start:end],
        score,
        parent=(start, end) if parent is None else parent,  # as small as that, it does not grow
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


def chunk(text: str, start: int, end: int, document_id: str = "d", score: float = 0.5) -> Hit:
    """A hit in a text of its own, of which no parent is known."""
    return Hit(
        next(_ids), document_id, document_id, "", None, (), start, end, text[start:end], score
    )


def test_what_is_in_no_passage_has_its_reason():
    first, second = hit("one", 27, 53, 0.9), hit("one", 0, 26, 0.8)
    copy, gone, below = hit("two", 56, 83, 0.6), hit("two", 0, 27, 0.5), hit("one", 300, 320, 0.4)
    original = hit("two", 0, 27, 0.7)
    gone = replace(gone, document_id="gone")

    packed_ = packed_with_reasons(
        [first, second, original, copy, gone, below], TEXTS.__getitem__, count, 1000, top_k=4
    )

    assert packed_.left_out == {
        second.chunk_id: "merged into 1",
        copy.chunk_id: "duplicate of 2",
        below.chunk_id: BELOW,
        gone.chunk_id: BELOW,
    }
    assert [one.n for one in packed_.passages] == [1, 2]


def test_a_document_that_is_gone_makes_room_for_the_next():
    gone = replace(hit("two", 0, 27, 0.9), document_id="gone")
    next_ = hit("one", 0, 26, 0.5)

    packed_ = packed_with_reasons([gone, next_], TEXTS.__getitem__, count, 1000, top_k=1)

    assert packed_.left_out == {gone.chunk_id: DELETED}
    assert [one.document_id for one in packed_.passages] == ["one"]


def test_a_hit_whose_text_stands_elsewhere_by_now_is_left_out():
    stale = replace(hit("one", 0, 26, 0.9), text="What stood here before.....")

    packed_ = packed_with_reasons([stale], TEXTS.__getitem__, count, 1000)

    assert (packed_.passages, packed_.left_out) == ((), {stale.chunk_id: DELETED})


def test_what_does_not_fit_has_its_reason():
    hits = [hit("one", 0, 166, 0.9), hit("two", 0, 280, 0.8)]

    packed_ = packed_with_reasons(hits, TEXTS.__getitem__, count, BLOCK_TOKENS + 31)

    assert [one.document_id for one in packed_.passages] == ["one"]
    assert packed_.left_out == {hits[1].chunk_id: NO_ROOM}


def test_a_document_does_not_take_all_places_while_others_wait():
    many = [hit("one", at, at + 20, 0.9 - at / 1000) for at in range(0, 300, 60)]
    other = hit("two", 0, 27, 0.85)

    chosen = diverse([*many, other], 4)

    assert chosen[:MAX_PER_DOCUMENT] == many[:MAX_PER_DOCUMENT]
    assert chosen[MAX_PER_DOCUMENT] == other


def test_a_document_may_take_all_places_if_nothing_else_is_nearly_as_good():
    many = [hit("one", at, at + 20, 0.9) for at in range(0, 300, 60)]

    assert diverse([*many, hit("two", 0, 27, 0.3)], 4) == many[:4]
    assert diverse(many, 10) == many


def test_a_short_hit_grows_to_its_parent_while_there_is_room():
    small = hit("one", 27, 53, 0.9, parent=(0, 82))

    assert [(one.start, one.end) for one in packed([small])] == [(0, 81)]
    assert packed([small])[0].text == TEXT[0:81]
    tight = BLOCK_TOKENS + MIN_TOKENS
    assert [(one.start, one.end) for one in packed([small], tight + 4)] == [(27, 53)]


def test_growing_takes_no_place_from_another_hit():
    first, second = hit("one", 27, 53, 0.9, parent=(0, 320)), hit("two", 0, 27, 0.8)
    n_tokens = sum(count([first.text, second.text]))

    passages = packed([first, second], 2 * BLOCK_TOKENS + n_tokens + MIN_TOKENS)

    assert [one.document_id for one in passages] == ["one", "two"]


def test_without_a_known_parent_a_hit_grows_to_its_paragraph():
    text = "One. Two. Three.\n\nFour. Five. Six.\n\nSeven."
    five = chunk(text, 24, 29)

    assert [one.text for one in pack([five], {"d": text}.__getitem__, count, 500)] == [
        "Four. Five. Six."
    ]


def test_pages_and_other_passages_bound_the_growth():
    on_page = hit("one", 27, 53, 0.9, page=2, parent=(0, 82))
    assert [(one.start, one.end) for one in packed([on_page])] == [(27, 53)]

    left, right = (
        hit("one", 0, 26, 0.9, parent=(0, 320)),
        hit("one", 138, 165, 0.8, parent=(0, 320)),
    )
    passages = packed([left, right])
    assert passages[0].end <= passages[1].start


_SENTENCES = st.lists(
    st.sampled_from(
        ["Tesla was born in 1856.", "他生于1856年。", "The lamp | 3 | red", "It rained; no!",
         "东京是日本的首都。", "a", "x" * 700]
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


@given(st.data())
def test_passages_are_slices_that_do_not_overlap_and_fit(data):
    texts = {
        name: data.draw(st.sampled_from(["\n", "\n\n", " "])).join(data.draw(_SENTENCES))
        for name in ("p", "q")
    }
    hits = []
    for _ in range(data.draw(st.integers(1, 8))):
        name = data.draw(st.sampled_from(["p", "q"]))
        start = data.draw(st.integers(0, len(texts[name]) - 1))
        end = data.draw(st.integers(start + 1, min(len(texts[name]), start + 400)))
        low, high = data.draw(st.integers(0, start)), data.draw(st.integers(end, len(texts[name])))
        found = chunk(texts[name], start, end, name, data.draw(st.floats(0, 1)))
        hits.append(replace(found, parent=data.draw(st.sampled_from([(0, 0), (low, high)]))))
    budget = data.draw(st.integers(0, 1500))

    packed_ = packed_with_reasons(hits, texts.__getitem__, count_characters, budget)

    for one in packed_.passages:
        assert one.text == texts[one.document_id][one.start : one.end]
    for one, other in itertools.combinations(packed_.passages, 2):
        is_apart = one.end <= other.start or other.end <= one.start
        assert one.document_id != other.document_id or is_apart
    used = sum(len(one.text) + BLOCK_TOKENS for one in packed_.passages)
    assert used <= budget or not packed_.passages
    assert len(packed_.passages) + len(packed_.left_out) >= len({one.chunk_id for one in hits})
    assert all(len(one.text) <= max(WIDE, sum(len(hit.text) for hit in hits)) + 800
               for one in packed_.passages)  # fmt: skip


def count_characters(texts):
    return [len(text) for text in texts]


PROSE = (
    "The harbour of Quarrel Bay was opened in the spring after the war by the mayor of the town, "
    "who had collected the money for it himself and never spoke of it to anybody again."
)
ZH = (
    "上海轨道交通十六号线在冬天开通，全线经过许多车站，由当地的地铁公司运营，沿线居民出行方便许多。"
)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (PROSE, PROSE, True),
        (PROSE, PROSE.replace("\u0020", "\n").upper(), True),
        (PROSE, f"Quarrel Bay today: {PROSE}", True),
        (PROSE, PROSE.replace("again.", "again!"), True),
        (PROSE, PROSE.replace("spring", "spring of 1931"), False),
        (PROSE, PROSE.replace("Quarrel", "Peace"), False),
        (PROSE, PROSE.replace("never", "often"), False),
        (PROSE, "Something else altogether is told here.", False),
        (ZH, f"{ZH}（完）", True),
        (ZH, ZH.replace("，沿线", "。沿线").replace("许多。", "许多！"), True),
        (ZH, "上海轨道交通十六号线", False),
        ("Yes.", "No.", False),
    ],
)
def test_copies_say_the_same_and_what_differs_in_a_fact_does_not(one, other, is_same):
    assert says_the_same(sameness_of(one), sameness_of(other)) == is_same


@pytest.mark.parametrize(
    ("text", "at", "header"),
    [
        ("name | age\nann | 3\nbob | 4", 20, "name | age"),
        ("Intro.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", 40, "a | b"),
        ("name | age\nann | 3", 0, ""),
        ("Prose without cells.\nMore prose.", 22, ""),
        ("a | b | c\n1 | 2", 10, ""),
        ("Sales\nname | age\nann | 3", 17, "name | age"),
    ],
)
def test_a_row_of_a_table_knows_its_header(text, at, header):
    assert header_of(text, at) == header


def test_a_passage_from_inside_a_table_names_its_columns():
    text = "city | people\n" + "\n".join(f"town {n} | {n}00" for n in range(1, 200))
    at = text.index("town 150")

    (passage,) = pack([chunk(text, at, at + 16)], {"d": text}.__getitem__, count, BLOCK_TOKENS + 40)

    assert passage.headings == ("city | people",)
    assert passage.text == text[passage.start : passage.end]


def test_hits_far_apart_are_compared_without_a_copy_of_what_lies_between():
    class Long(str):
        longest = 0

        def __getitem__(self, key):
            found = super().__getitem__(key)
            Long.longest = max(Long.longest, len(found))
            return found

    text = Long("Alpha is a letter. " + "x " * 50_000 + "Beta is a letter.")
    ends = [hit("one", 0, 18, 0.9), hit("one", len(text) - 17, len(text), 0.8)]

    assert len(merged([replace(one, text=str(text)[one.start : one.end]) for one in ends],
                      lambda _: text)) == 2  # fmt: skip
    assert Long.longest < 1_000
