from __future__ import annotations

import pytest

from app.query.once import Once, circle, is_item, is_repeated, spelled


def told(text, n=1):
    once = Once()
    passed = [once.push(text[at : at + n]) for at in range(0, len(text), n)]
    return "".join([*passed, once.finish()])


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Nikola Tesla [1]\n" * 8, "Nikola Tesla [1]\n"),
        ("Nikola Tesla [1] " * 8, "Nikola Tesla [1] "),
        ("He left. [1] He **left**. [2] He stayed.", "He left. [1] He stayed."),
        (
            "He left in May. She came. He left in May! It was 5.",
            "He left in May. She came. It was 5.",
        ),
        ("1. Nikola Tesla\n2. Nikola Tesla\n3. Nikola Tesla", "1. Nikola Tesla\n"),
        ("它于1931年开放。[1]它于1931年开放。[2]全长五公里。", "它于1931年开放。[1]全长五公里。"),
        ("特斯拉[1]特斯拉[1]特斯拉[1]", "特斯拉[1]"),
        ("- 上海地铁第二运营有限公司\n- 上海地铁第二运营有限公司", "- 上海地铁第二运营有限公司\n"),
        ("He said it. He said it. He sa", "He said it. "),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_what_was_said_is_not_said_again(written, kept, n):
    assert told(written, n) == kept


@pytest.mark.parametrize(
    "written",
    [
        "1. Yes\n2. Yes\n3. No\n4. Yes\n",
        "- New York\n- Boston\n- New York\n",
        "- 12 km\n- 12 km\n- 13 km\n",
        "| Mon | 9 |\n|---|---|\n| Tue | 9 |\n| Mon | 9 |\n",
        "- 是\n- 否\n- 是\n- 是\n",
        "- 上海\n- 北京\n- 上海\n",
        "Is it open? Yes. Is it free? Yes.",
        "It is 5 km [1], 5 km [2] and 6 km [3].",
        "He lived in the U.S. from 1884. He lived in the U.S. Army camp.",
        "He left. He left in May.",
        "他出生于斯米连。他出生于斯米连村。",
        "```\nend\nend\nx = f(1)\nx = f(1)\n```\n",
        "It has 3.5 beds. It has 35 beds.",
        "Tesla was born in",
    ],
)
@pytest.mark.parametrize("n", [1, 4])
def test_what_is_told_for_another_reason_stays(written, n):
    assert told(written, n) == written


def test_nothing_of_a_repetition_is_shown_before_it_is_known_to_be_one():
    once = Once()
    shown = once.push("He left in May. She came. ")

    assert once.push("He left in") == ""
    assert once.push(" June.") == "He left in June."
    assert shown == "He left in May. She came. "


@pytest.mark.parametrize(
    ("written", "is_circling"),
    [
        ("Nikola Tesla [1]\n" * 4, True),
        ("He left. She came. He left. She came. It", True),
        ("He left. He left. She came. ", False),
        ("by graph encoding " * 8, True),
        ("图编码" * 8, True),
        ("It is very, very, very, very small.", False),
        ("| " + "0 | " * 20, False),
        ("..........................", False),
        ("a long, long way away, and then a long, long way back", False),
    ],
)
def test_an_answer_that_goes_in_circles_is_known_by_its_end(written, is_circling):
    once = Once()
    once.push(written)

    assert once.is_circling == is_circling
    assert bool(once.notices) == (once.is_circling or told(written) != written)


def test_of_words_that_go_round_the_first_round_stays():
    once = Once()
    passed = once.push("It works " + "by graph encoding " * 8) + once.finish()

    assert once.text == "It works by graph encoding"
    assert once.is_cut
    assert passed.startswith(once.text)


@pytest.mark.parametrize(
    ("said", "known", "in_list", "repeated"),
    [
        ("tesla built it", ["tesla built it", "he left"], False, True),
        ("tesla built it", ["tesla built it", "he left"], True, False),  # a short item, not again
        ("tesla built it", ["he left", "tesla built it"], True, True),
        ("tesla built it", ["tesla built it", "he left"] * 3, True, True),
        ("tesla built a motor in graz", ["tesla built a motor in graz", "x"], True, True),
        ("yes", ["yes"], True, False),
        ("yes", ["yes"], False, True),
        ("yes", ["yes", "no"], False, False),
        ("yes", ["yes"] * 8, True, True),
        ("是", ["是"], True, False),
        ("5 eur", ["5 eur"], True, False),
        ("5 eur", ["5 eur"], False, True),
        ("new", ["old"], False, False),
    ],
)  # fmt: skip
def test_what_counts_as_a_repetition(said, known, in_list, repeated):
    assert is_repeated(said, known, in_list) is repeated


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", None),
        ("one two three", None),
        ("x " + "one two three four " * 4, 21),
        ("one two three four " * 3, None),
        ("x [1] " + "one [1] two [2] three [1] four [3] " * 4, 41),
    ],
)
def test_a_circle_begins_after_its_first_round(text, at):
    assert circle(text) == at


def test_a_line_is_spelled_without_what_surrounds_it():
    assert (
        spelled("  2) **Nikola Tesla** [1].\n") == spelled("- nikola  tesla [2]") == "nikola tesla"
    )
    assert is_item("3. a")
    assert not is_item("3.5 metres")
