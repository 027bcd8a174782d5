"""Beginnings of downloads are cut, noted and read back as Ollama does it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import LibraryError
from engine.library.partial import (
    Part,
    PartSizes,
    is_whole,
    opened,
    parse_part,
    plan_parts,
    read_parts,
    render_part,
)

COUNTS = st.integers(0, 2**50)


@pytest.mark.parametrize(
    ("total", "sizes"),
    [
        (0, []),
        (1, [1]),
        (100_000_000, [100_000_000]),
        (250_000_000, [100_000_000, 100_000_000, 50_000_000]),
        (3_200_000_000, [200_000_000] * 16),
        (17_000_000_000, [1_000_000_000] * 17),
    ],
)
def test_parts_are_of_100_mb_to_1_gb(total, sizes):
    assert [part.size for part in plan_parts(total, PartSizes())] == sizes


@given(st.integers(0, 5000), st.integers(1, 20), st.integers(1, 100), st.integers(0, 500))
@settings(max_examples=200, deadline=None)
def test_parts_cover_every_byte_once(total, n_parts, smallest, more):
    parts = plan_parts(total, PartSizes(n_parts, smallest, smallest + more))

    assert is_whole(parts, total)


@given(COUNTS, COUNTS, COUNTS, st.data())
@settings(max_examples=200, deadline=None)
def test_notes_are_read_back(number, offset, size, data):
    part = Part(number, offset, size, data.draw(st.integers(0, size)))

    assert parse_part(render_part(part)) == part


@given(st.binary(max_size=60) | st.from_regex(rb'\{"N":-?[0-9]{1,3},"Offset":[0-9a-e"]{1,9}'))
@settings(max_examples=200, deadline=None)
def test_what_is_no_note_is_none(raw):
    part = parse_part(raw)

    assert part is None or 0 <= part.completed <= part.size


@pytest.mark.parametrize(
    "raw",
    [
        b'{"N":0,"Offset":0,"Size":5,"Completed":6}',
        b'{"N":0,"Offset":-1,"Size":5}',
        b'{"N":0,"Offset":0,"Size":5,"Completed":"1"}',
        b'{"N":0,"Offset":0}',
        b"[" * 5000,
    ],
)
def test_impossible_notes_are_none(raw):
    assert parse_part(raw) is None


def test_one_thread_at_a_time_has_the_beginnings(tmp_path):
    path = tmp_path / "sha256-x-partial"

    with opened(path, 10) as first, opened(path, 10) as second:
        assert first is not None
        assert second is None
    with opened(path, 10) as third:
        assert third is not None


def test_notes_of_another_name_count_for_nothing(tmp_path):
    path = tmp_path / "sha256-x-partial"
    (tmp_path / "sha256-x-partial-7").write_bytes(render_part(Part(3, 0, 10)))

    assert read_parts(path) == []


def test_a_link_in_the_place_of_the_beginnings_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = tmp_path / "sha256-x-partial"
    path.symlink_to(victim)

    with pytest.raises(LibraryError, match="cannot write"), opened(path, 3):
        pass

    assert victim.read_bytes() == b"precious"
