from __future__ import annotations

import pytest

from app.query.extract import MAX_SENTENCES, extract
from app.query.types import Passage


def passage(n: int, text: str) -> Passage:
    return Passage(n, f"d{n}", f"d{n}.md", "", None, (), 10, 10 + len(text), text, 0.5)


EN = passage(
    1,
    "# Quarrel Bay\n\nThe harbour was opened in 1931 by the mayor. The lighthouse was built later "
    "because ships were lost. It is 42.5 metres tall. Many tourists come.",
)
ZH = passage(2, "上海轨道交通16号线于2013年12月29日开通。全线长度为59.3公里，共有13座车站。")


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("When was the harbour opened?", "The harbour was opened in 1931 by the mayor."),
        ("Why was the lighthouse built?", "because ships were lost"),
        ("How tall is the lighthouse in metres?", "It is 42.5 metres tall."),
        ("16号线什么时候开通？", "2013年12月29日"),
        ("全线有多少座车站？", "13座车站"),
    ],
)
def test_the_sentence_that_answers_comes_first(question, told):
    assert told in extract(question, [EN, ZH]).sentences[0].text


def test_sentences_are_verbatim_and_cited_one_by_one():
    extracted = extract(
        "When was the harbour of Quarrel Bay opened, and why a lighthouse?", [EN, ZH]
    )

    assert 1 <= len(extracted.sentences) <= MAX_SENTENCES
    for n, (sentence, citation) in enumerate(
        zip(extracted.sentences, extracted.citations, strict=True), 1
    ):
        assert sentence.citations == (n,)
        assert sentence.support == "supported"
        assert f"[{n}]" in extracted.text
        source = EN if citation.document_id == "d1" else ZH
        assert source.text[citation.start - 10 : citation.end - 10] == citation.text


def test_the_same_sentence_of_two_documents_is_said_once():
    twins = [passage(1, "The bay is deep."), passage(2, "The bay is deep.")]

    assert len(extract("How deep is the bay?", twins).sentences) == 1


def test_a_follow_up_is_answered_with_the_topic_in_mind():
    both = [passage(1, "Edison was born in Milan. Tesla was born in Smiljan.")]

    extracted = extract("Where was he born?", both, context="Nikola Tesla")

    assert extracted.sentences[0].text == "Tesla was born in Smiljan."


def test_nothing_comes_of_nothing():
    assert extract("Why?", []).sentences == ()
    assert extract("lighthouse", [passage(1, "...")]).sentences == ()


def test_a_small_table_answers_as_a_whole_and_reads_row_by_row():
    table = "| Years | Days of leave |\n|---|---|\n| up to 5 | 25 |\n| more | 30 |"
    text = f"Leave\n\n{table}\n\nThe end is near."

    extracted = extract("How many days of leave?", [passage(1, text)])

    assert extracted.sentences[0].text == "Years | Days of leave\nup to 5 | 25\nmore | 30"
    citation = extracted.citations[0]
    assert citation.text == text[citation.start - 10 : citation.end - 10]
    assert "The end" not in citation.text


def test_a_question_in_a_document_leads_to_its_answer():
    text = "## How long is the guarantee?\n\nTwo years from the invoice.\n\n## Who pays?\n\nWe do."

    extracted = extract("How long is the guarantee?", [passage(1, text)])

    assert extracted.sentences[0].text == "Two years from the invoice."
    assert all("?" not in one.text for one in extracted.sentences)


def test_a_heading_is_no_answer_though_it_repeats_the_question():
    text = (
        "Every lamp has a warranty of two years.\n\n## How long it takes\n\nLeeds | 8\nSuzhou | 6"
    )

    extracted = extract("How long is the warranty on the lamp?", [passage(1, text)])

    assert extracted.sentences[0].text == "Every lamp has a warranty of two years."
