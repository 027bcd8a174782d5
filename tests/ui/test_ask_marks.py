"""An answer as HTML with marks that open their sources."""

import re
from html import unescape

from ui.ask_marks import answer_html, opened_style
from ui.marks import MAX_ANSWER
from ui.shapes import Citation, Passage, Reply, Sentence
from ui.words import Words

EN = Words("en")


def reply(*sentences, answer="", path="/a/hand.md"):
    text = answer or " ".join(one.text for one in sentences)
    span = Citation(1, "d1", path, page=2, start=5, end=9, text="days")
    passage = Passage(7, "d1", path, page=2, heading="Leave", start=0, end=20)
    return Reply(text, sentences=sentences, citations=(span,), passages=(passage,))


def html_of(*sentences, **more):
    return answer_html(reply(*sentences, **more), "source_3_", EN)


def bare(html):
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_a_mark_names_the_button_that_opens_its_source():
    html = html_of(Sentence("Leave is 26 days. [1]", (1,)))

    assert bare(html) == "Leave is 26 days.1"
    (mark,) = re.findall(r"<button[^>]*>", html)
    assert 'data-open="source_3_1"' in mark
    assert 'aria-label="Open source 1"' in mark
    assert 'title="hand.md · page 2 · Leave: Supported by the source"' in mark


def test_a_mark_without_a_source_cannot_be_opened():
    html = html_of(Sentence("It is so.", (4,)))

    assert "<button" not in html
    assert bare(html) == "It is so.4"


def test_each_sentence_shows_its_support_and_why():
    html = html_of(
        Sentence("A.", (1,), "supported"),
        Sentence("B.", (1,), "partly"),
        Sentence("C.", (), "not_found", "41 is not in <it>"),
    )

    assert '<span class="q-supported">A.</span>' in html
    assert '<span class="q-partly">B.</span>' in html
    assert '<span class="q-not_found" title="41 is not in &lt;it&gt;">C.</span>' in html
    assert bare(html) == "A.1 B.1 C.?"


def test_what_stands_between_sentences_is_kept():
    first, second = Sentence("One.", (1,)), Sentence("Two.", (1,))

    assert bare(html_of(first, second, answer="One. [1]\n\n- Two. [1]")) == "One.1\n\n- Two.1"


def test_an_answer_cannot_bring_its_own_html():
    html = html_of(Sentence("<img src=x>", (1,)), path='"><script>')

    assert "<img" not in html
    assert "<script" not in html
    assert "<img" not in answer_html(Reply("<img>"), "source_0_", EN)


def test_a_huge_answer_is_cut_and_says_so():
    html = html_of(*[Sentence("x" * 1_000) for _ in range(MAX_ANSWER // 1_000 + 5)])

    assert bare(html).count("x") == MAX_ANSWER
    assert "the rest is not shown" in html


def test_the_mark_whose_source_is_open_is_told_by_style():
    assert '.q-cite[data-open="source_3_1"]' in opened_style("source_3_1")
