import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import split
from ingest.types import Block, Loaded
from tests.fakes import count_tokens, load_plain

WORDS = st.sampled_from(
    [
        "the cat. ",
        "Dr. Who ",
        "v1.2.3 ",
        "你好。",
        "世界",
        "，",
        "\n",
        "\n\n",
        "👩‍👩‍👧",
        "e\u0301",
        " ",
        "! ",
        "x" * 30,
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=8), max_size=80).map("".join)


@st.composite
def loaded_texts(draw):
    text = draw(TEXTS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    kinds = st.sampled_from(["heading", "paragraph", "list", "table", "code"])
    paths = st.sampled_from([(), ("A",), ("A", "B")])
    blocks = [
        Block(start, end, draw(kinds), draw(paths), draw(st.sampled_from([None, 1, 2])))
        for start, end in zip(cuts, cuts[1:], strict=False)
        if draw(st.booleans())
    ]
    return Loaded(text, tuple(blocks))


@given(loaded_texts(), st.integers(3, 20), st.integers(3, 30), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_a_text_is_cut_the_same_however_many_of_its_pieces_are_looked_at_at_once(
    loaded, target, limit, n_pieces
):
    at_once = list(split(loaded, count_tokens, target_tokens=target, max_tokens=limit))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ingest.chunk._COUNTED", n_pieces)
        few = list(split(loaded, count_tokens, target_tokens=target, max_tokens=limit))

    assert few == at_once


def test_a_long_text_is_cut_in_less_memory_than_it_takes_itself():
    paragraph = "A book has many paragraphs, each of some words. " * 12
    spans = [(at, at + len(paragraph) - 1) for at in range(0, 3_000_000, len(paragraph))]
    loaded = Loaded(paragraph * len(spans), tuple(Block(*one, "paragraph") for one in spans))

    tracemalloc.start()
    try:
        chunks = split(loaded, _quick_count, target_tokens=300, max_tokens=500)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(chunks) > 1_000
    assert peak < len(loaded.text)


def _quick_count(texts):
    return [1 + len(one) // 4 for one in texts]


@given(loaded_texts(), st.integers(3, 20), st.integers(3, 30))
@settings(max_examples=150, deadline=None)
def test_chunks_are_exact_ordered_slices_that_cover_everything_within_the_limit(
    loaded, target, limit
):
    chunks = split(loaded, count_tokens, target_tokens=target, max_tokens=limit)

    covered = set()
    position = 0
    for chunk in chunks:
        assert position <= chunk.start < chunk.end
        assert chunk.text == loaded.text[chunk.start : chunk.end]
        assert chunk.n_tokens == count_tokens([chunk.text])[0] <= limit
        covered.update(range(chunk.start, chunk.end))
        position = chunk.end
    assert all(at in covered for at, one in enumerate(loaded.text) if not one.isspace())


def test_a_heading_starts_a_chunk_and_stays_with_what_follows():
    text = "# One\n\nFirst words.\n\nMore words.\n\n# Two\n\n## Deep\n\nLast words."
    marks = [
        ("# One", "heading", ("One",)),
        ("First words.", "paragraph", ("One",)),
        ("More words.", "paragraph", ("One",)),
        ("# Two", "heading", ("Two",)),
        ("## Deep", "heading", ("Two", "Deep")),
        ("Last words.", "paragraph", ("Two", "Deep")),
    ]
    blocks = tuple(
        Block(text.index(mark), text.index(mark) + len(mark), kind, path)
        for mark, kind, path in marks
    )

    chunks = split(Loaded(text, blocks), count_tokens, target_tokens=50, max_tokens=60)

    assert [chunk.text for chunk in chunks] == [
        "# One\n\nFirst words.\n\nMore words.",
        "# Two\n\n## Deep\n\nLast words.",
    ]
    assert [chunk.headings for chunk in chunks] == [("One",), ("Two", "Deep")]


def test_pages_do_not_share_a_chunk():
    text = "one page\n\nnext page"
    blocks = (Block(0, 8, "paragraph", (), 1), Block(10, 19, "paragraph", (), 2))

    chunks = split(Loaded(text, blocks), count_tokens, target_tokens=50, max_tokens=60)

    assert [(chunk.text, chunk.page) for chunk in chunks] == [("one page", 1), ("next page", 2)]


def test_a_long_section_is_cut_at_sentences_into_pieces_that_are_neither_tiny_nor_too_long():
    text = " ".join(f"Sentence number {n} of Dr. Smith has words, e.g. these." for n in range(40))

    chunks = split(Loaded(text, ()), count_tokens, target_tokens=100, max_tokens=120)

    assert all(chunk.text.startswith("Sentence") and chunk.text.endswith(".") for chunk in chunks)
    assert all(30 <= chunk.n_tokens <= 120 for chunk in chunks)


def test_a_block_that_fits_is_never_cut_and_its_small_neighbour_does_not_stand_alone():
    blocks = [f"{n}" + " word" * size for n, size in enumerate([100, 3, 100, 90, 3])]
    text = "\n\n".join(blocks)

    chunks = split(load_plain(text.encode(), "a"), count_tokens, target_tokens=80, max_tokens=120)

    assert "\n\n".join(chunk.text for chunk in chunks) == text
    assert min(chunk.n_tokens for chunk in chunks) >= 30


@pytest.mark.parametrize(
    ("kind", "line"), [("code", "    total = total + price * {}"), ("list", "- Item {}. And so")]
)
def test_code_is_cut_between_its_lines_and_a_list_between_its_items(kind, line):
    lines = [line.format(n) for n in range(80)]
    text = "\n".join(lines)
    loaded = Loaded(text, (Block(0, len(text), kind),))

    chunks = split(loaded, count_tokens, target_tokens=64, max_tokens=80)

    assert len(chunks) > 4
    pieces = [one.strip() for chunk in chunks for one in chunk.text.split("\n")]
    assert pieces == [one.strip() for one in lines]


@given(loaded_texts(), st.integers(3, 20), st.integers(3, 30))
@settings(max_examples=100, deadline=None)
def test_every_chunk_lies_in_its_parent_and_parents_do_not_overlap(loaded, target, limit):
    chunks = split(loaded, count_tokens, target_tokens=target, max_tokens=limit)

    assert list(chunks) == list(split(loaded, count_tokens, target_tokens=target, max_tokens=limit))
    for chunk in chunks:
        assert chunk.parent[0] <= chunk.start < chunk.end <= chunk.parent[1]
    parents = list(dict.fromkeys(chunk.parent for chunk in chunks))
    assert all(one[1] <= two[0] for one, two in pairwise(parents))
    for parent in parents:
        tops = {chunk.headings[:1] for chunk in chunks if chunk.parent == parent}
        assert len(tops) == 1


def test_a_parent_is_the_section_or_about_four_chunks_of_it():
    small = "# Small\n\nOne line."
    long = "# Long\n\n" + "\n\n".join(f"{n} is a number. " * 6 for n in range(40))
    loaded = load_plain(f"{small}\n\n{long}".encode(), "a")

    chunks = split(loaded, count_tokens, target_tokens=50, max_tokens=60)

    assert loaded.text[slice(*chunks[0].parent)] == small
    parents = {chunk.parent for chunk in chunks[1:]}
    sizes = count_tokens([loaded.text[slice(*parent)] for parent in parents])
    assert len(parents) > 3
    assert all(60 <= size <= 200 for size in sizes)


def test_subsections_share_the_parent_of_their_chapter_while_it_is_small():
    text = "Intro.\n\nFirst.\n\nSecond.\n\nOther."
    paths = [("A",), ("A", "One"), ("A", "Two"), ("B",)]
    at = [text.index(word) for word in ("Intro.", "First.", "Second.", "Other.")]
    blocks = [Block(one, one + 6, "paragraph", path) for one, path in zip(at, paths, strict=True)]

    chunks = split(Loaded(text, tuple(blocks)), count_tokens, target_tokens=50, max_tokens=60)

    assert [chunk.parent for chunk in chunks[:3]] == [(0, text.index("\n\nOther"))] * 3
    assert chunks[-1].parent == (at[-1], len(text))


def test_each_chunk_tells_its_language():
    text = "The cat is on the mat and it is there.\n\n猫在垫子上，它很高兴。\n\nA-77"
    loaded = load_plain(text.encode(), "a")

    chunks = split(loaded, count_tokens, target_tokens=8, max_tokens=12)

    assert {chunk.language for chunk in chunks} == {"en", "zh"}


def test_chinese_is_cut_after_its_sentence_ends():
    text = "今天天气很好，我们去公园。" * 30

    chunks = split(Loaded(text, ()), count_tokens, target_tokens=60, max_tokens=80)

    assert all(chunk.text.endswith("。") for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == text


def test_chinese_without_any_punctuation_is_cut_and_nothing_is_lost():
    text = "知识库里的每一个字都要能找到" * 400

    chunks = split(Loaded(text, ()), count_tokens, target_tokens=240, max_tokens=254)

    assert "".join(chunk.text for chunk in chunks) == text
    assert max(chunk.n_tokens for chunk in chunks) <= 254
    assert min(chunk.n_tokens for chunk in chunks) >= 80


def test_a_table_is_cut_between_its_rows():
    rows = [f"| item {n} | {n * 3} euros |" for n in range(60)]
    text = "\n".join(rows)

    chunks = split(
        Loaded(text, (Block(0, len(text), "table"),)), count_tokens, target_tokens=64, max_tokens=80
    )

    assert len(chunks) > 3
    assert [row for chunk in chunks for row in chunk.text.split("\n")] == rows


def test_counting_is_batched():
    calls = []

    def counted(texts):
        calls.append(len(texts))
        return count_tokens(texts)

    split(Loaded("One sentence here. " * 5000, ()), counted, target_tokens=200, max_tokens=250)

    assert len(calls) < 10


def test_a_limit_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        split(Loaded("text", ()), count_tokens, target_tokens=0, max_tokens=5)
