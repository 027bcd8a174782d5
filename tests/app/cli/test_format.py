"""Words of Ollama's tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.cli.format import ago, clock, place, processor, sections, size, table, until

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("n_bytes", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_500, "1.5 KB"),
        (98_362_775, "98 MB"),
        (815_319_791, "815 MB"),
        (4_661_224_676, "4.7 GB"),
        (4_000_000_000, "4 GB"),
        (12_345_678_901, "12 GB"),
        (1_200_000_000_000, "1.2 TB"),
    ],
)
def test_sizes_are_decimal_and_short(n_bytes, expected):
    assert size(n_bytes) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "Less than a second ago"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (61, "About a minute ago"),
        (150, "2 minutes ago"),
        (3600, "About an hour ago"),
        (7300, "2 hours ago"),
        (3 * 86400, "3 days ago"),
        (35 * 86400, "5 weeks ago"),
        (130 * 86400, "4 months ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_times_are_told_roughly(seconds, expected):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == expected


def test_a_model_is_told_to_leave_soon_never_or_now():
    assert until(NOW + timedelta(minutes=4, seconds=30), NOW) == "4 minutes from now"
    assert until(NOW + timedelta(days=100 * 365), NOW) == "Forever"
    assert until(None, NOW) == "Forever"
    assert until(NOW - timedelta(seconds=1), NOW) == "Stopping..."


@pytest.mark.parametrize(
    ("total", "vram", "expected"),
    [
        (100, 0, "100% CPU"),
        (100, 100, "100% GPU"),
        (100, 52, "48%/52% CPU/GPU"),
        (100, 101, "Unknown"),
    ],
)
def test_the_processor_is_told_in_shares(total, vram, expected):
    assert processor(total, vram) == expected


def test_tables_align_to_the_left_without_rules():
    text = table(("NAME", "ID"), [("llama3.2:latest", "abc"), ("m:v1", "d")])

    assert text.splitlines() == [
        "NAME               ID",
        "llama3.2:latest    abc",
        "m:v1               d",
    ]


def test_sections_stand_below_each_other():
    text = sections([("Model", [("architecture", "llama")]), ("Capabilities", [("tools", "")])])

    assert text == "  Model\n    architecture    llama\n\n  Capabilities\n    tools\n"


def test_a_place_names_path_page_span():
    assert place("a.pdf", 3, 10, 20) == "a.pdf, page 3, characters 10-20"
    assert place("a.md", None, 0, 5) == "a.md, characters 0-5"
    assert place("a.pdf", 4, 1, 2, "iv") == "a.pdf, page 4 (printed iv), characters 1-2"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (59, "59 s"), (125, "2:05"), (3607, "1:00:07")]
)
def test_a_length_of_time_can_be_told_exactly(seconds, expected):
    assert clock(seconds) == expected
