import io
import threading

import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import DocumentNotFoundError, NoPictureError, QueueFullError
from ingest.load.loaders import load as load_all
from ingest.load_pool import LoadPool, PoolLimits
from ingest.pages import MAX_BYTES

pytestmark = pytest.mark.timeout(120)


def a_pdf(*pages):
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for text in pages:
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


DATA = a_pdf("The heron lamp weighs three kilograms.", "It hangs on a wall of stone.")


@pytest.fixture
def library(open_kb):
    kb = open_kb(load=load_all)

    def send(path="manual.pdf", data=DATA, collection="default"):
        job = kb.wait(kb.submit(collection, [(path, data)]), 60)
        assert not job.errors
        return next(one for one in kb.documents(collection, limit=100)[0] if path in one.paths)

    return kb, send


def originals(kb):
    return sorted(one.name for one in (kb._folder / "originals").glob("*/*"))


def span_of(kb, document, words):
    at = kb.text(document.id).index(words)
    return at, at + len(words)


def test_a_cited_span_is_marked_on_its_page_and_another_page_says_where_it_is_not(library):
    kb, send = library
    document = send()
    span = span_of(kb, document, "a wall of stone")

    there = kb.pages.picture(document.id, 2, [span])
    elsewhere = kb.pages.picture(document.id, 1, [span])

    assert there.png.startswith(b"\x89PNG")
    assert (there.found, there.n_pages) == ("exact", 2)
    assert (elsewhere.found, elsewhere.reason) == ("none", "other page")
    assert kb.pages.picture(document.id, 2, [span]) is there  # drawn once


def test_a_span_over_two_pages_is_marked_on_each(library):
    kb, send = library
    document = send()
    text = kb.text(document.id)

    found = [kb.pages.picture(document.id, n, [(0, len(text))]).found for n in (1, 2)]

    assert found == ["exact", "exact"]


def test_no_picture_has_a_reason(library):
    kb, send = library
    document, note = send(), send("note.md", b"# Tea\n\nTwo spoons.")

    with pytest.raises(NoPictureError, match="has no page 3: it has 2"):
        kb.pages.picture(document.id, 3)
    with pytest.raises(NoPictureError, match="shown as text"):
        kb.pages.picture(note.id, 1)
    with pytest.raises(DocumentNotFoundError):
        kb.pages.picture("0" * 16, 1)
    kb.pages.keep_none()
    with pytest.raises(NoPictureError, match="was not kept"):
        kb.pages.picture(document.id, 1)


def test_the_original_of_an_upload_goes_with_its_last_document(library):
    kb, send = library
    first, second = send(), send(collection="other")
    assert originals(kb) == [first.digest]

    kb.delete_document(first.id)
    assert originals(kb) == [first.digest]

    kb.delete_document(second.id)
    assert originals(kb) == []


def test_the_originals_of_a_collection_go_with_it(library):
    kb, send = library
    send(collection="other")
    kb.delete_collection("other")

    assert originals(kb) == []


def test_an_upload_that_takes_the_place_of_another_takes_its_original_too(library):
    kb, send = library
    first = send()
    second = send(data=a_pdf("Another lamp altogether."))
    kb._tidy()

    assert first.digest != second.digest
    assert originals(kb) == [second.digest]


def test_a_watched_file_is_read_from_its_folder_while_it_is_the_same(library, folder):
    kb, _ = library
    (folder / "manual.pdf").write_bytes(DATA)
    kb.wait(kb.sync(folder, "default"), 60)
    document = kb.documents()[0][0]
    assert originals(kb) == []
    assert kb.pages.picture(document.id, 1).png
    assert kb.pages.watched(document.id) == [str(folder / "manual.pdf")]

    kb.pages.forget()
    (folder / "manual.pdf").write_bytes(DATA.replace(b"%PDF-1", b"%PDF-2", 1))
    with pytest.raises(NoPictureError, match="or changed"):
        kb.pages.picture(document.id, 1)
    (folder / "manual.pdf").unlink()
    (folder / "manual.pdf").symlink_to("/dev/zero")
    with pytest.raises(NoPictureError, match="or changed"):
        kb.pages.picture(document.id, 1)


def test_a_drawer_that_hangs_or_lies_costs_one_picture(library):
    kb, send = library
    document = send()
    for target, told in (
        ("tests.ingest.nasty_draw:hang", "took longer"),
        ("tests.ingest.nasty_draw:lie", "no picture came back"),
        ("tests.ingest.nasty_draw:smuggle", "no picture came back"),
        ("tests.ingest.nasty_draw:count_wrong", "has no page 1"),
        ("tests.ingest.nasty_draw:break_down", "ValueError"),
    ):
        limits = PoolLimits(time_limit_s=0.3, time_per_mib_s=0.0)
        kb.pages._pool = LoadPool(1, limits, target=target)
        with pytest.raises(NoPictureError, match=told):
            kb.pages.picture(document.id, 1)
        kb.pages._pool.close()
        kb.pages.forget()


def test_a_page_that_could_not_be_drawn_is_not_drawn_again_for_a_while(library, monkeypatch):
    kb, send = library
    document = send()
    kb.pages._pool = LoadPool(1, target="tests.ingest.nasty_draw:break_down")
    with pytest.raises(NoPictureError, match="ValueError"):
        kb.pages.picture(document.id, 1)
    kb.pages._pool.close()
    kb.pages._pool = None  # from here on the drawer is a sound one

    with pytest.raises(NoPictureError, match="ValueError"):
        kb.pages.picture(document.id, 1, scale=2.0)
    assert kb.pages.picture(document.id, 2).png
    monkeypatch.setattr("ingest.pages._FAILED_S", 0.0)
    assert kb.pages.picture(document.id, 1).png


def test_what_a_drawer_says_of_marks_is_taken_only_from_a_list(library):
    kb, send = library
    document = send()
    kb.pages._pool = LoadPool(1, target="tests.ingest.nasty_draw:forge")

    drawn = kb.pages.picture(document.id, 1)

    assert (drawn.found, drawn.reason) == ("none", "")
    kb.pages._pool.close()


def test_who_waits_for_the_drawer_too_long_is_told(library, monkeypatch):
    kb, send = library
    document = send()
    monkeypatch.setattr("ingest.pages._WAIT_S", 0.01)
    with kb.pages._turn, pytest.raises(QueueFullError):
        kb.pages.picture(document.id, 1)


def test_a_few_wait_for_the_drawer_and_who_comes_after_them_is_told_at_once(library, monkeypatch):
    kb, send = library
    document = send()
    monkeypatch.setattr("ingest.pages._WAIT_S", 3600.0)
    kb.pages._waiting = threading.Semaphore(0)
    with kb.pages._turn, pytest.raises(QueueFullError):
        kb.pages.picture(document.id, 1)


def test_a_page_that_hangs_is_tried_once_and_all_others_do_not_wait_for_minutes(library):
    kb, send = library
    kb.pages.picture(send().id, 1)

    limits = kb.pages._pool._limits
    assert limits.n_tries == 1
    assert limits.time_for(MAX_BYTES) <= 30


def test_pictures_that_are_remembered_are_bounded_and_forgotten_with_a_deletion(
    library, monkeypatch
):
    kb, send = library
    document = send()
    monkeypatch.setattr("ingest.pages._CACHED", 2)
    for scale in (0.5, 0.6, 0.7):
        kb.pages.picture(document.id, 1, scale=scale)
    assert len(kb.pages._drawn) == 2

    kb.delete_document(document.id)

    assert not kb.pages._drawn
