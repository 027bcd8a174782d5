from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import FileRefusedError
from ingest.load.loaders import load
from ingest.load.outline import PIECE, RUN, Cut, Offsets, Outline, blocks_of

MARKS = st.text(st.sampled_from("{}[]:,\"'\\ \n-#<>/a=&*|.;()年\u00a0"), max_size=120)


@settings(max_examples=60, deadline=None)
@given(MARKS, st.sampled_from(["json", "jsonl", "yaml", "toml", "ini", "xml", "py", "rs", "sh"]))
def test_blocks_cover_any_text_in_order(text, suffix):
    with suppress(FileRefusedError):
        loaded = load(text.encode(), f"a.{suffix}")

        places = [0, *(at for b in loaded.blocks for at in (b.start, b.end)), len(loaded.text)]
        assert places == sorted(places)
        gaps = [loaded.text[a:b] for a, b in list(pairwise(places))[::2]]
        assert not "".join(gaps).strip()


def test_loose_cuts_join_until_a_piece_is_long():
    text = "line of words\n" * 300
    cuts = [Cut(at, ("a",), is_firm=False) for at in range(0, len(text), 14)]

    sizes = [block.end - block.start for block in blocks_of(text, cuts)]

    assert all(PIECE - 30 <= size <= PIECE for size in sizes[:-1])


def test_firm_cuts_and_new_paths_always_begin_a_block():
    cuts = [Cut(0, ("a",)), Cut(2, ("a",)), Cut(4, ("b",), is_firm=False)]

    assert [(b.start, b.end) for b in blocks_of("x\ny\nz", cuts)] == [(0, 1), (2, 3), (4, 5)]


def test_what_is_small_stays_together_and_what_is_long_is_cut_within():
    outline = Outline()
    for name, size in (("small", 10), ("long", PIECE)):
        outline.open(0 if name == "small" else 100, name)
        outline.open(0 if name == "small" else 150, "inner")
        outline.leaf(200, 200 + size)
        outline.close(200 + size)
        outline.close(200 + size + 1)

    assert outline.cuts(5000) == [Cut(0, ("small",)), Cut(100, ("long", "inner"))]


def test_runs_of_small_things_are_bounded():
    outline = Outline()
    for at in range(0, 10 * RUN, 10):
        outline.leaf(at, at + 10)

    assert len(outline.cuts(10 * RUN)) == 10


@pytest.mark.parametrize("text", ["plain", "年假 a 𠀀 b"])
def test_places_in_bytes_become_places_in_characters(text):
    offset = Offsets(text.encode())

    assert [offset(len(text[:at].encode())) for at in range(len(text))] == list(range(len(text)))
