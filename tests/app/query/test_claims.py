from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.query.claims import claim_of, is_mask
from app.query.support import weigh


def words(text):
    return [[one for one in clause.tokens if not is_mask(one)] for clause in claim_of(text).clauses]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Merck tested the vaccine.", "The vaccine was tested by Merck."),
        ("Titan is Saturn's largest moon.", "Titan is the largest moon of Saturn."),
        ("In winter, trails are closed.", "Trails are closed in winter."),
        ("She passed away in Geneva.", "She died in Geneva."),
        ("The lorry began to roll.", "The truck started to roll."),
        ("惠更斯发现了土卫六。", "土卫六由惠更斯发现。"),
        ("信件被他烧毁。", "他烧毁信件。"),
        ("杜文秀在日内瓦逝世。", "杜文秀于日内瓦去世。"),
    ],
)
def test_the_same_in_another_form_reads_alike(one, other):
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The vaccine tested Merck.", "The vaccine was tested by Merck."),
        ("Ganymede is larger than Titan.", "Titan is larger than Ganymede."),
        ("Sales rose by 15 %.", "Sales fell by 15 %."),
        ("土卫六发现惠更斯。", "土卫六由惠更斯发现。"),
    ],
)
def test_another_statement_reads_otherwise(one, other):
    assert words(one) != words(other)


def test_a_sentence_falls_into_what_it_states():
    claim = claim_of("Helios employed 340 people in Leeds and 75 in Suzhou, but nobody in Paris.")

    assert [clause.tokens for clause in claim.clauses] == [
        ("helio", "employ", "\ue000", "person", "leed"),
        ("\ue001", "suzhou", "pari"),
    ]
    assert claim.head == ("helio",)


def test_a_pronoun_names_nobody():
    assert claim_of("He was born in 1856.").head == ()
    assert claim_of("He was born in 1856.").has_pronoun
    assert claim_of("The first president, Manuel de Arriaga, resigned.").head == (
        "president", "manuel", "de", "arriaga"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "given", "fault", "about"),
    [
        ("It is 42 metres tall.", "It is 42 metres tall.", "", ""),
        ("It is 43 metres tall.", "It is 42 metres tall.", "number", "43 metres"),
        ("It opened in 1931.", "It opened in 1932.", "date", "1931"),
        ("It belongs to Spain.", "It belongs to Italy.", "name", "Spain"),
        ("It is tall.", "It is not tall.", "opposite", ""),
        ("It is tall.", "It may be tall.", "limit", ""),
        ("Dogs chase cats.", "Cats chase dogs.", "order", ""),
        ("It is green and tall.", "It is tall.", "word", "green"),
    ],
)
def test_the_gravest_fault_is_named(told, given, fault, about):
    verdict = weigh(claim_of(told).clauses[0], claim_of(given), ())

    assert (verdict.fault, verdict.about) == (fault, about)
    assert verdict.is_borne_out == (not fault)


@given(st.text(max_size=120))
def test_every_text_can_be_read_and_bears_itself_out_or_says_nothing(text):
    claim = claim_of(text)

    for clause in claim.clauses:
        verdict = weigh(clause, claim, ())
        assert verdict.fault not in ("number", "date", "name", "word")
