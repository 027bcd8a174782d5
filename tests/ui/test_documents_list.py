"""The list of documents without a browser: filters, several at once, previews, deletions."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_documents import add_pdf
from tests.ui.test_pages import says
from ui.documents_shapes import Consequences, Quoting
from ui.state import Session
from ui.views.documents_delete import summed
from ui.words import TABLE

HOSTILE = "/home/ann/<img src=x onerror=alert(1)>\u202egnp.exe\x07*b*`c`" + "z" * 1_000


def script():
    import streamlit as st

    from ui.documents_client import DocumentsClient
    from ui.shapes import Document
    from ui.state import api_url, session
    from ui.views.documents_collections import _ask_drop, _ask_reindex, show_collections
    from ui.views.documents_delete import ask_delete
    from ui.views.documents_figures import show_figures
    from ui.views.documents_list import show_list
    from ui.views.documents_preview import open_preview

    words = session().words
    with DocumentsClient(api_url()) as client:
        status, collections = client.status(), client.collections()
    what = st.session_state.get("what", "list")
    document = Document("d1", title="handbook.md", n_characters=410, media_type="text/markdown")
    other = Document("p1", title="manual.pdf", n_characters=60, media_type="application/pdf")
    if what == "list":
        show_list(status, collections, words)
    elif what == "delete":
        ask_delete([document, other], words)
    elif what == "preview":
        open_preview(document, "all-minilm", words)
    elif what == "preview pdf":
        open_preview(other, "all-minilm", words)
    elif what == "drop":
        _ask_drop(collections[0], words)
    elif what == "reindex":
        _ask_reindex(collections[0], words)
    elif what == "sets":
        show_collections(collections, words)
    else:
        show_figures([one.name for one in collections], words)


def opened(address, what="list", language="en"):
    app = AppTest.from_function(script, default_timeout=60)
    app.secrets["quire"] = {"api_url": address}
    app.session_state["quire"] = Session(language)
    app.session_state["what"] = what
    return app.run()


@pytest.fixture
def undressed(monkeypatch):
    """Draw what a dialog holds on the page itself: without a browser none stays open."""
    monkeypatch.setattr("streamlit.dialog", lambda *_, **__: lambda draw: draw)


def html(page):
    return " ".join(one.proto.body for one in page.get("html"))


def keys(page):
    return {one.key for one in page.button}


def test_documents_are_filtered_by_type_and_the_filters_are_cleared(api, world):
    add_pdf(world)
    page = opened(api)
    assert {"preview_d1", "preview_p1"} <= keys(page)

    page.selectbox(key="filter_type").set_value("application/pdf").run()
    assert "preview_d1" not in keys(page)
    assert "Filter (1)" in says(page) or "preview_p1" in keys(page)

    page.button(key="filters_clear").click().run()
    assert {"preview_d1", "preview_p1"} <= keys(page)
    assert not page.exception


def test_filters_that_let_nothing_through_say_so_and_offer_the_way_back(api, world):
    add_pdf(world)
    page = opened(api)
    page.selectbox(key="filter_type").set_value("application/pdf").run()
    del world.documents["p1"]
    page.run()

    assert "No document matches these filters" in says(page)
    page.button(key="filters_clear_too").click().run()
    assert "preview_d1" in keys(page)


def test_several_documents_are_selected_on_a_page(api, world):
    add_pdf(world)
    page = opened(api)
    page.button(key="pick_page").click().run()
    assert "2 selected" in says(page)
    page.checkbox(key="pick_p1").uncheck().run()
    assert "1 selected" in says(page)
    page.checkbox(key="pick_p1").check().run()

    page.button(key="delete_picked").click().run()

    assert "4 passages leave search" in says(page)
    assert "handbook.md" in html(page)
    page.button(key="pick_clear").click().run()
    assert "selected" not in says(page)
    assert not page.exception


def test_several_documents_are_deleted_together_also_if_one_is_gone_already(undressed, api, world):
    add_pdf(world)
    page = opened(api, "delete")
    del world.documents["d1"], world.texts["d1"]
    page.button(key="delete_yes").click().run()

    assert world.documents == {}
    assert not page.error
    assert not page.exception


def test_before_a_deletion_it_is_said_what_goes_what_stays_and_what_comes_back(api, world):
    page = opened(api)
    page.button(key="delete_d1").click().run()

    told = says(page)
    assert "3 passages leave search" in told
    assert "comes back as soon as the folder is read again" in told
    assert "/home/ann/papers/handbook\\.md".replace("/", "\\/") in told
    assert "quotes of it: 1" in told
    assert "<b>and</b>" not in told
    assert world.documents


def test_a_document_that_somebody_else_deletes_meanwhile_is_no_error(api, world):
    page = opened(api)
    page.button(key="delete_d1").click().run()
    world.documents.clear()
    world.texts.clear()
    page.run()

    assert not page.exception
    assert "No documents yet" in says(page)


def test_a_preview_of_what_is_gone_says_so(api, world):
    page = opened(api)
    del world.texts["d1"]
    page.button(key="preview_d1").click().run()

    assert "no longer there" in says(page)
    assert not page.exception


def test_a_preview_shows_the_chunks_and_one_of_them_with_its_place(undressed, api):
    page = opened(api, "preview")
    assert html(page).count('class="q-chunk') == 3

    page.number_input(key="pick_d1_1").set_value(2).run()

    told = html(page)
    assert "q-picked" in told
    assert "Travel" in told
    assert "all-minilm" in told
    assert not page.exception


def test_a_chunk_of_a_pdf_is_looked_at_on_its_page(undressed, api, world):
    add_pdf(world)
    page = opened(api, "preview pdf")
    page.segmented_control(key="how_p1").set_value("page").run()

    assert world.done == ["page 1 0"]
    assert "Page 1 of 3" in says(page)
    assert not page.exception


def test_of_a_huge_document_only_a_window_is_fetched(api, world):
    world.add("big", "/home/ann/big.txt", ("## part\n" + "some words here\n" * 4_000) * 150)
    page = opened(api)
    page.button(key="preview_big").click().run()

    assert len(html(page)) < 500_000
    assert "in 481 parts" in says(page)
    assert not page.exception


def test_names_of_any_kind_are_shown_as_they_are(api, world):
    world.add("bad", HOSTILE, "## a\ntext")
    world.documents["bad"]["title"] = HOSTILE
    world.documents["bad"]["media_type"] = "<b>x</b>/<i>y</i>"
    page = opened(api)
    page.checkbox(key="pick_bad").check().run()
    page.button(key="delete_bad").click().run()

    told = html(page)
    assert "<img" not in told
    assert "<i>" not in told
    assert "&lt;img src=x" in told
    assert not page.exception


def test_of_ten_thousand_documents_one_page_is_drawn(api, world):
    one = world.documents["d1"]
    for n in range(10_000):
        world.documents[f"n{n}"] = {**one, "id": f"n{n}", "title": f"Note {n}"}
    page = opened(api)

    assert "1–20 of 10,001" in says(page)
    assert len([key for key in keys(page) if key and key.startswith("preview_")]) == 20
    page.session_state["documents_page_number"] = 501
    page.run()
    assert "10,001–10,001 of 10,001" in says(page)
    assert not page.exception


def test_a_collection_is_made_and_a_name_that_cannot_be_one_is_refused(api, world):
    page = opened(api, "sets")
    for name in ("", "a/b"):
        page.text_input(key="collection_name").set_value(name)
        next(one for one in page.button if one.label == "Create it").click().run()
        assert world.done == []
    page.text_input(key="collection_name").set_value(" contracts ")
    next(one for one in page.button if one.label == "Create it").click().run()

    assert world.done == ["create contracts"]
    assert not page.exception


def test_a_collection_with_documents_is_deleted_only_by_its_name(undressed, api, world):
    page = opened(api, "drop")
    assert "1 documents with 3 passages" in says(page)

    page.button(key="drop_yes").click().run()
    assert "That is not its name" in says(page)
    assert world.done == []

    page.text_input(key="drop_typed").set_value("default")
    page.button(key="drop_yes").click().run()
    assert world.done == ["drop default"]
    assert not page.exception


def test_indexing_anew_is_explained_and_followed_as_a_job(undressed, api, world):
    page = opened(api, "reindex")
    assert "cut and embedded again" in says(page)

    page.button(key="reindex_yes").click().run()

    assert world.done == ["reindex default"]
    assert page.session_state["quire"].job_ids == ["r1"]


def test_figures_are_drawn_and_an_empty_library_says_what_to_do(api, world):
    add_pdf(world)
    page = opened(api, "figures")
    assert "Documents by type" in says(page)
    assert len(page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")) >= 4
    assert not page.exception

    world.documents.clear()
    page.run()
    assert "nothing to count yet" in says(page)


@pytest.mark.parametrize("what", ["list", "sets", "figures"])
def test_every_part_speaks_chinese(api, world, what):
    add_pdf(world)
    page = opened(api, what, "zh")
    told = says(page)
    english = {en for en, _ in TABLE.values() if len(en) > 14 and "{" not in en}

    assert not [one for one in english if one in told]
    assert not page.exception


def test_what_several_deletions_mean_is_put_together():
    talk, other = Quoting("c1", "One"), Quoting("c2", "Two")
    found = [
        Consequences(3, ("/a",), (talk,), 1),
        Consequences(2, (), (talk, other), 2, has_original=True),
    ]

    assert summed(found) == Consequences(5, ("/a",), (talk, other), 2, has_original=True)
    assert summed([]) == Consequences()
