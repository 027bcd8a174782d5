import re
from dataclasses import replace

import pytest

from ui.errors import RefusedError, ServerGoneError
from ui.format import (
    clip,
    commands_markdown,
    duration_text,
    error_text,
    file_name,
    pace_text,
    place_text,
    plain_html,
    plain_markdown,
    seconds_text,
    size_text,
    when_text,
)
from ui.shapes import Job, Passage
from ui.words import Words

EN, ZH = Words("en"), Words("zh")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `quire pull a:b`, then wait", "run `quire pull a:b`, then wait"),
        ("*a* `x` `y`", "\\*a\\* `x` `y`"),
        ("one ` alone", "one \\` alone"),
        ("`` empty", "\\`\\` empty"),
    ],
)
def test_commands_stand_out_and_nothing_else_is_markdown(text, shown):
    assert commands_markdown(text) == shown


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 B"),
        (-1, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1449, "1.4 KB"),
        (99_900, "100 KB"),
        (999_600, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_a_size_takes_the_unit_that_keeps_it_short(n_bytes, shown):
    assert size_text(n_bytes) == shown


@pytest.mark.parametrize(
    ("path", "name"),
    [("/a/b/c.txt", "c.txt"), (r"C:\papers\c.txt", "c.txt"), ("c.txt", "c.txt"), ("/", "/")],
)
def test_the_file_name_is_the_last_part_of_the_path(path, name):
    assert file_name(path) == name


def test_a_moment_is_shown_to_the_minute_and_nonsense_as_it_is():
    assert when_text("2026-11-20T09:30:59+00:00") == "2026-11-20 09:30"
    assert when_text("yesterday") == "yesterday"
    assert when_text("") == ""


def test_a_place_names_what_is_known_of_file_page_and_heading():
    passage = Passage(1, path="/a/b.pdf", page=3, heading="Leave")

    assert place_text(passage, EN) == "b.pdf · page 3 · Leave"
    assert place_text(replace(passage, page=None, heading=""), EN) == "b.pdf"
    assert place_text(replace(passage, heading=""), ZH, has_path=False) == "第 3 页"


def test_what_is_printed_on_a_page_stands_beside_its_number():
    passage = Passage(1, path="/a/b.pdf", page=4, page_label="iv")

    assert place_text(passage, EN) == "b.pdf · page 4 (printed iv)"
    assert place_text(passage, ZH) == "b.pdf · 第 4 页（页码 iv）"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (-1, "0 s", "0 秒"),
        (40.4, "40 s", "40 秒"),
        (95, "2 min", "2 分钟"),
        (3599, "1 h 0 min", "1 小时 0 分钟"),
        (7500, "2 h 5 min", "2 小时 5 分钟"),
    ],
)
def test_a_length_of_time_is_told_roughly(seconds, english, chinese):
    assert duration_text(seconds, EN) == english
    assert duration_text(seconds, ZH) == chinese


def test_pace_is_told_as_far_as_it_is_known():
    job = Job("j", passages_per_s=12.34, bytes_per_s=1_234_567.0, eta_s=95.0)

    assert pace_text(job, EN) == "12.3 passages/s · 1.2 MB/s · about 2 min left"
    assert pace_text(Job("j"), EN) == ""


def test_long_text_is_cut_with_an_ellipsis():
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abcde…"


@pytest.mark.parametrize(
    "text",
    ["**b** _i_ `c` # h", "[a](http://b)", "$x^2$", ":red[x]", "<b>x</b>", "~~s~~ | a", "1. x - y"],
)
def test_no_markdown_special_stays_bare(text):
    shown = plain_markdown(text)

    assert not set(re.sub(r"\\.", "", shown)) & set("\\`*_{}[]()<>#+-.!|~$:&")
    assert re.sub(r"\\(.)", r"\1", shown).replace("\u2060", "") == text


def test_shortcodes_and_bare_addresses_are_broken_up():
    assert "\\:\u2060smile" in plain_markdown(":smile:")
    assert "http\\:\u2060" in plain_markdown("http://example.com")
    assert plain_markdown("www.example.com").startswith("www\u2060")
    assert "\u2060" not in plain_markdown("model qwen3: good")


def test_a_label_is_one_bounded_line():
    assert plain_markdown("a\n\n# b") == "a \\# b"
    assert len(plain_markdown("x" * 999)) == 300


def test_html_is_escaped_quotes_included():
    assert plain_html("<a href=\"x\" on='y'>&") == (
        "&lt;a href=&quot;x&quot; on=&#x27;y&#x27;&gt;&amp;"
    )


@pytest.mark.parametrize(
    ("timings", "shown"),
    [({"a": 1.0, "b": 0.26}, "1.3"), ({"a": 9.0, "total": 9.5}, "9.5"), ({}, ""), ({"a": "x"}, "")],
)
def test_seconds_are_the_total_or_the_sum_of_the_beats(timings, shown):
    assert seconds_text(timings) == shown


def test_an_error_says_what_to_do():
    assert "`http://127.0.0.1:1`" in error_text(ServerGoneError("http://127.0.0.1:1"), EN)
    assert "quire up" in error_text(ServerGoneError("http://x"), ZH)
    assert "QUIRE\\_MAX" not in error_text(RefusedError(413, "too big"), EN)
    assert "QUIRE_MAX_FILE_MB" in error_text(RefusedError(413, "too big"), EN)
    assert "try again" in error_text(RefusedError(503, "busy"), EN)
    assert "\\<b\\>" in error_text(RefusedError(400, "<b>"), EN)
