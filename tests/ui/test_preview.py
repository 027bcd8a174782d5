"""A passage in its document without a browser: text, page, what happens when it is gone."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_api import FIRST, HANDBOOK
from tests.ui.fake_documents import add_pdf
from tests.ui.test_pages import says
from ui.documents_shapes import PageImage
from ui.preview import mark_text
from ui.shapes import Citation, Passage
from ui.state import Session
from ui.words import Words


def script():
    import streamlit as st

    from ui.client import Client
    from ui.preview import passage_view
    from ui.state import api_url, session

    with Client(api_url()) as client:
        passage_view(
            client, st.session_state["passage"], st.session_state["cited"], session().words
        )


def opened(address, passage, cited=(), language="en"):
    app = AppTest.from_function(script, default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    app.session_state["quire"] = Session(language)
    app.session_state["passage"] = passage
    app.session_state["cited"] = list(cited)
    return app.run()


def html(page):
    return " ".join(one.value for one in page.get("html") if hasattr(one, "value")) or " ".join(
        one.proto.body for one in page.get("html")
    )


def cited(start, end, document_id="d1", page=3):
    return Citation(1, document_id, page=page, start=start, end=end)


def test_the_cited_words_are_marked_in_the_passage_and_nothing_in_it_becomes_html(api):
    at = HANDBOOK.index(FIRST)
    passage = Passage(1, "d1", "/x/<b>h</b>.md", page=3, start=at, end=at + 200)
    page = opened(api, passage, [cited(at, at + len(FIRST))])

    shown = html(page)
    assert f"<mark>{FIRST}</mark>" in shown
    assert "&lt;b&gt;Bold claims&lt;/b&gt;" in shown
    assert "<b>h</b>" not in shown
    assert not page.exception


def test_a_pdf_is_shown_on_the_page_of_the_cited_words_with_its_neighbours(api, world):
    add_pdf(world)
    passage = Passage(1, "p1", "/x/manual.pdf", page=1, start=15, end=60)
    page = opened(api, passage, [cited(20, 40, "p1", 2)])

    assert world.done == ["page 2 20"]
    assert "Page 2 of 3" in says(page)
    assert "Marked on the page: the words that are cited." in says(page)

    page.button(key="passage_at1").click().run()

    assert "Page 3 of 3" in says(page)
    assert "The words stand on page 2." in says(page)
    assert page.button(key="passage_at1").disabled
    assert not page.exception


def test_without_a_cited_span_the_passage_itself_is_marked_on_its_page(api, world):
    add_pdf(world)
    opened(api, Passage(0, "p1", "/x/manual.pdf", page=2, start=15, end=60))

    assert world.done == ["page 2 15"]


def test_the_text_of_a_pdf_is_one_step_away(api, world):
    add_pdf(world)
    passage = Passage(1, "p1", "/x/manual.pdf", page=2, start=15, end=60)
    page = opened(api, passage, [cited(20, 40, "p1", 2)])

    page.segmented_control(key="passage_how").set_value("text").run()

    assert "<mark>" in html(page)


def test_a_page_without_its_original_says_so_and_keeps_the_text(api, world):
    add_pdf(world, path="/home/ann/gone.pdf")
    page = opened(api, Passage(1, "p1", "/x/gone.pdf", page=2, start=15, end=60))

    assert "No picture of this page" in says(page)
    assert "lamp weighs" in html(page)
    assert not page.exception


def test_a_document_that_was_deleted_shows_what_was_kept(api):
    passage = Passage(1, "zz", "/x/old.md", page=3, start=100, end=120, text="kept <i>words</i>")
    page = opened(api, passage, [cited(105, 110, "zz")])

    assert "has been deleted" in says(page)
    assert "kept " in html(page)
    assert "<i>" not in html(page)


def test_a_text_that_has_changed_since_is_told(api):
    page = opened(api, Passage(1, "d1", "/x/h.md", start=0, end=9, text="something else"))

    assert "something else" in html(page)
    assert page.warning


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_server_that_goes_away_leaves_no_traceback(closed_address, language):
    page = opened(closed_address, Passage(1, "d1", "/x/h.md", start=0, end=9), language=language)

    assert page.error
    assert not page.exception


@pytest.mark.parametrize(
    ("found", "reason", "said"),
    [
        ("exact", "", "cited"),
        ("partial", "", "as far as"),
        ("none", "scan", "read from its picture"),
        ("none", "not found", "could not be found"),
        ("none", "other page", "stand on page 7"),
    ],
)
def test_how_well_the_words_were_found_is_said(found, reason, said):
    assert said in mark_text(PageImage(b"", 9, found, reason), 7, Words("en"))
