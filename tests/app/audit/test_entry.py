"""A line of the log: what it holds, and the chain that it is a link of."""

import json

from app.audit.entry import MAX_COLLECTIONS, MAX_TEXT, NOTHING, Entry, Link, hash_of, parsed, sealed


def entry(**more):
    known = {
        "time": "2026-01-01T00:00:00Z",
        "request_id": "r",
        "key": "k1",
        "key_name": "joe",
        "address": "10.0.0.1",
        "method": "POST",
        "route": "/kb/query",
        "collections": ("b", "a"),
        "status": 200,
        "duration_ms": 1.5,
    }
    return Entry(**known | more)


def test_each_line_holds_the_hash_of_the_one_before():
    first, link = sealed(Link(), entry().fields())
    second, end = sealed(link, entry(status=404).fields())

    one, two = json.loads(first), json.loads(second)
    assert (one["n"], one["prev"], one["collections"]) == (1, NOTHING, ["a", "b"])
    assert (two["n"], two["prev"], two["status"]) == (2, hash_of(first[:-1]), 404)
    assert end == Link(2, hash_of(second[:-1]))


def test_hostile_values_stay_inside_their_line_and_are_bounded():
    names = tuple(f"c{n}\n" for n in range(100))
    raw, _ = sealed(Link(), entry(key_name="a\nb\u2028" + "x" * 9999, collections=names).fields())

    assert raw.count(b"\n") == 1
    assert raw.isascii()
    told = parsed(raw)
    assert len(told["key_name"]) == MAX_TEXT
    assert len(told["collections"]) == MAX_COLLECTIONS


def test_what_is_no_line_of_ours_is_none():
    for raw in (b"", b'{"n":1', b"[]", b"5", b'{"n":"1","prev":""}', b"\xff", b'{"prev":""}'):
        assert parsed(raw) is None
