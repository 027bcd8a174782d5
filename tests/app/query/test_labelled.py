"""Sentences with labels, written by hand before the code that judges them was run on them.

`supported` says all of what the passage says or less, `partly` adds something, `not_found` says
something else. What the code gets wrong stays in the set. Those numbered from 301 were written
when the code was done, to see how it does on what it was not written for.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.query.types import Passage
from app.query.verify import verify

MAX_FALSE = 0.05  # of the sentences shown as supported, and of those that are not
FORMS = ("copy", "dateform", "numberform", "currency")
MIN_FORMS, MIN_ALL = 0.8, 0.75  # share of the true ones that must be seen as such


def labelled(language):
    path = Path(__file__).parent / "labelled" / f"{language}.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def passages(texts):
    return [
        Passage(n, f"d{n}", f"d{n}.md", "", None, (), 0, len(text), text, 0.5)
        for n, text in enumerate(texts, 1)
    ]


def shown(row, texts):
    """Verify a row's sentence; checks that what is cited is there and what is not has a reason."""
    given = passages(texts)
    verified = verify(row["sentence"], given)
    for citation in verified.citations:
        assert (
            citation.text == texts[int(citation.document_id[1:]) - 1][citation.start : citation.end]
        )
    for one in verified.sentences:
        assert (one.support == "supported") == (not one.reason)
        assert one.citations or one.support == "not_found"
    states = {one.support for one in verified.sentences}
    return "supported" if states == {"supported"} else "other"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_set_is_large_and_every_case_is_told_once(language):
    rows = labelled(language)

    assert len(rows) >= 150
    assert len({(row["sentence"], *row["passages"]) for row in rows}) == len(rows)
    assert {row["label"] for row in rows} == {"supported", "partly", "not_found"}
    assert sum(row["label"] == "supported" for row in rows) >= 50


@pytest.mark.parametrize("together", [False, True], ids=["own passage", "all passages"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_shown_as_supported_is(language, together):
    rows = labelled(language)
    everything = list(dict.fromkeys(text for row in rows for text in row["passages"]))

    states = [(row, shown(row, everything if together else row["passages"])) for row in rows]
    told = [row for row, state in states if state == "supported"]
    false = [row for row in told if row["label"] != "supported"]
    unsupported = [row for row in rows if row["label"] != "supported"]
    true = [(row, state == "supported") for row, state in states if row["label"] == "supported"]
    forms = [found for row, found in true if row["kind"] in FORMS]

    assert len(false) <= MAX_FALSE * len(told), [row["sentence"] for row in false]
    assert len(false) <= MAX_FALSE * len(unsupported)
    assert sum(forms) >= MIN_FORMS * len(forms)
    assert sum(found for _, found in true) >= MIN_ALL * len(true)
