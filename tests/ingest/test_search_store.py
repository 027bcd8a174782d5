import sqlite3
from contextlib import closing
from dataclasses import fields, replace

import pytest

from ingest.rows_store import PART_CHARACTERS, slices_of
from ingest.search_store import Searches
from ingest.store import Store
from ingest.types import Hit
from tests.fakes import bag_of_terms

TEXTS = {
    "short": "Green tea is steeped at eighty degrees. 绿茶。",
    "long": "".join(f"{at} is a number, 数字. " for at in range(9_000)),
}
EDGE = PART_CHARACTERS


@pytest.fixture
def texts():
    """A connection to texts in parts, as the catalogue has them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE texts (document_id, part, text)")
        for name, text in TEXTS.items():
            connection.executemany(
                "INSERT INTO texts VALUES (?,?,?)",
                [
                    (name, part, text[at : at + EDGE])
                    for part, at in enumerate(range(0, len(text), EDGE))
                ],
            )
        yield connection


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [("short", 0, 9), ("short", 10, 20), ("short", 40, 43)],
        [("long", 100, 200), ("long", 150, 250), ("short", 0, 9), ("long", 0, 50)],
        [("long", EDGE - 50, EDGE + 50), ("long", EDGE, EDGE + 50), ("long", EDGE - 50, EDGE)],
        [("long", EDGE - 1, 2 * EDGE + 1), ("long", 2 * EDGE, 2 * EDGE), ("long", 5, 6)],
        [("short", 0, 9), ("gone", 0, 9), ("short", 10, 20)],
    ],
)
def test_slices_are_those_of_the_texts_in_whatever_order(texts, spans):
    wanted = [TEXTS.get(name, "")[start:end] for name, start, end in spans]

    assert list(slices_of(texts, spans)) == wanted


def test_a_text_is_read_once_for_all_its_slices_in_a_row(texts):
    asked = []
    texts.set_trace_callback(asked.append)

    list(slices_of(texts, [("long", at, at + 900) for at in range(0, EDGE - 900, 900)]))

    assert len(asked) == 1


def test_chunks_of_another_collection_are_no_hits(kb, put, tmp_path):
    put({"a.txt": "tea in the morning"})
    kb.create_collection("other")
    put({"b.txt": "tea in the evening"}, "other")
    [own] = kb.dense("default", bag_of_terms("tea"), 5)
    [foreign] = kb.dense("other", bag_of_terms("tea"), 5)
    scores = {foreign.chunk_id: 0.9, own.chunk_id: 0.5, 10**6: 0.4}

    with closing(Store(tmp_path / "home" / "kb.sqlite3")) as store:
        hits, missing = Searches(store).hits("default", scores)

    assert hits == [own.scored(0.5)]
    assert missing == [foreign.chunk_id, 10**6]


def test_a_hit_with_another_score_is_the_same_in_everything_else():
    values = (
        7,
        "d",
        "a.md",
        "A",
        3,
        ("B",),
        10,
        14,
        "text",
        0.5,
        {"dense": 1},
        (0, 99),
        6,
        8,
        "en",
    )
    hit = Hit(*values)

    assert len(values) == len(fields(Hit))
    assert hit.scored(0.25) == replace(hit, score=0.25)
    assert hit.scored(0.25, {"lexical": 2}) == replace(hit, score=0.25, legs={"lexical": 2})
