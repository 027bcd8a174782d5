"""What stands below an answer, in the question's language, and how it is taken off again."""

import pytest

from app.kb_footer import footer, title_of, without_footer
from app.query.types import Answer, Citation, Passage, Rewritten, Sentence

EN, ZH = "How tall is it?", "它有多高？"


def passage(title="The harbour", document="d1", path="bay/harbour.md"):
    return Passage(1, document, path, title, None, (), 0, 9, "It is tall", 0.9)


def citation(n=1, page=None, label="", document="d1", path="bay/harbour.md", warnings=()):
    return Citation(n, document, path, page, 0, 9, "It is tall", label, warnings)


def answer(citations=(), sentences=(), mode="generated", passages=None):
    passages = passages or (passage(),)
    return Answer("It is tall [1]", mode, sentences, citations, passages, Rewritten(EN, "tall"))


@pytest.mark.parametrize(
    ("question", "given", "expected"),
    [
        (EN, answer((citation(),)), "\n\nSources:\n- [1] The harbour, bay/harbour.md"),
        (
            EN,
            answer((citation(page=3),)),
            "\n\nSources:\n- [1] The harbour, bay/harbour.md, page 3",
        ),
        (
            EN,
            answer((citation(page=3, label="iv"),)),
            "\n\nSources:\n- [1] The harbour, bay/harbour.md, page iv",
        ),
        (ZH, answer((citation(page=3),)), "\n\n来源：\n- [1] The harbour，bay/harbour.md，第3页"),
        (
            EN,
            answer((citation(2, path="b.md", document="d2"), citation(1), citation(1, page=9))),
            "\n\nSources:\n- [1] The harbour, bay/harbour.md\n- [2] b.md",
        ),
        (
            EN,
            answer((citation(warnings=("holds instructions",)),)),
            "\n\nSources:\n- [1] The harbour, bay/harbour.md, ⚠ holds instructions",
        ),
        (
            EN,
            answer((citation(1), citation(2, page=2), citation(3))),
            "\n\nSources:\n- [1] [3] The harbour, bay/harbour.md\n"
            "- [2] The harbour, bay/harbour.md, page 2",
        ),
        (EN, answer(mode="refused"), ""),
    ],
    ids=[
        "plain",
        "page",
        "printed page",
        "Chinese",
        "each number once",
        "warning",
        "each place once",
        "refused",
    ],
)
def test_each_source_is_named_once_by_title_path_and_page(question, given, expected):
    assert footer(question, given) == expected


def test_sentences_that_are_not_borne_out_are_named():
    said = (
        Sentence("It is tall.", (1,), "supported"),
        Sentence("It is red.", (), "not_found"),
        Sentence("It is old.", (1,), "partly"),
    )

    assert footer(EN, answer(sentences=said)) == (
        "\n\nNot verified: sentence 2 (not found in the documents), sentence 3 (only partly)."
    )
    assert footer(ZH, answer(sentences=said)) == (
        "\n\n未证实：第2句（资料中未找到）、第3句（仅部分）。"
    )


def test_what_a_document_quotes_is_not_doubted():
    assert footer(EN, answer(sentences=(Sentence("A.", (), "partly"),), mode="extractive")) == ""


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("![x](http://evil/?q)", r"!\[x\](http://evil/?q)"),
        ("a\n\nSources:\n- [9] b", r"a Sources: - \[9\] b"),
        ("<img src=x>", r"\<img src=x>"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_a_title_can_become_neither_link_nor_picture_nor_line(title, shown):
    given = answer((citation(),), passages=(passage(title),))

    assert footer(EN, given) == f"\n\nSources:\n- [1] {shown}, bay/harbour.md"


def test_a_document_without_title_is_called_by_its_path():
    assert title_of(citation(), answer(passages=(passage(title=""),))) == "bay/harbour.md"


@pytest.mark.parametrize("question", [EN, ZH])
def test_a_footer_comes_off_as_it_went_on(question):
    said = (Sentence("It is red.", (), "not_found"),)
    given = answer((citation(page=3), citation(2), citation(4)), said)

    text = "It is 42.5 metres tall [1]. It is red." + footer(question, given)

    assert without_footer(text) == "It is 42.5 metres tall. It is red."
    assert (
        without_footer(text.replace("\n", "\r\n") + "\n\n") == "It is 42.5 metres tall. It is red."
    )


@pytest.mark.parametrize(
    "text",
    [
        "Sources: the Nile has two.",
        "Nothing was found.",
        "来源：尼罗河有两个。",
        "Look:\nSources:\n- a list\n- of its own",
    ],
)
def test_words_of_the_answer_itself_stay(text):
    assert without_footer(text) == text
