import numpy as np
import pytest

from ingest.context import context_of, searchable_text
from ingest.documents_store import Documents
from ingest.types import Block, Chunk, Loaded
from tests.fakes import bag_of_terms, count_tokens


class Recorder:
    """An embedding model that remembers what it was given."""

    def __init__(self):
        self.texts = []
        self.sizes = []

    def embed(self, texts, is_query):
        self.texts += texts
        self.sizes.append(len(texts))
        return np.stack([bag_of_terms(text) for text in texts])


@pytest.fixture
def recorder():
    return Recorder()


def test_what_is_embedded_is_prefix_headings_and_text(open_kb, model, recorder):
    kb = open_kb(model.embedder(embed=recorder.embed, document_prefix="passage: "))
    text = "# Leave\n\n" + "\n\n".join(f"Rule {n} says: " + "word " * 40 for n in range(3))

    kb.wait(kb.submit("default", [("a.md", text.encode())]), 20)

    assert recorder.texts[0].startswith("passage: # Leave\n\nRule 0")
    assert recorder.texts[1].startswith("passage: Leave\nRule 1")


def test_no_text_given_to_the_model_is_longer_than_it_can_read(open_kb, model, recorder):
    kb = open_kb(
        model.embedder(embed=recorder.embed, max_tokens=32, document_prefix="a b c: "),
        chunk_tokens=400,
    )
    text = "# A heading of some words\n\n" + "word " * 300 + "字" * 300

    kb.wait(kb.submit("default", [("a.md", text.encode())]), 20)

    assert max(count_tokens(recorder.texts)) <= 30
    assert max(recorder.sizes) <= 32


def test_a_model_that_fails_is_reported_and_the_next_file_goes_on(open_kb, model):
    calls = []

    def embed(texts, is_query):
        calls.append(texts)
        if len(calls) == 1:
            raise RuntimeError("out of memory")
        return model.embed(texts, is_query)

    kb = open_kb(model.embedder(embed=embed))

    job = kb.wait(kb.submit("default", [("a.txt", b"one"), ("b.txt", b"two")]), 20)

    assert [(one.path, one.reason) for one in job.errors] == [
        ("a.txt", "RuntimeError: out of memory")
    ]
    assert job.n_stored == 1


def test_an_ingest_stops_in_the_middle_of_a_file_and_goes_on_without_embedding_twice(
    open_kb, model
):
    text = "\n\n".join(f"Passage {n} " + "word " * 50 for n in range(1200)).encode()
    seen = []

    def embed(texts, is_query):
        seen.extend(texts)
        if len(seen) > 700:
            stop.set()
            stopping.wait(20)
        return model.embed(texts, is_query)

    import threading

    stop, stopping = threading.Event(), threading.Event()
    kb = open_kb(model.embedder(embed=embed))
    job_id = kb.submit("default", [("a.txt", text)])
    stop.wait(20)
    closer = threading.Thread(target=kb.close)
    closer.start()
    while not kb._worker._is_stopping:
        stop.wait(0.01)
    stopping.set()
    closer.join(20)
    n_before = model.n_embedded

    job = open_kb().wait(job_id, 30)

    assert (job.state, job.n_stored) == ("done", 1)
    assert n_before < 1200
    assert model.n_embedded - n_before == 1200 - 512


def test_a_file_that_comes_again_while_it_is_deleted_is_stored_anew(open_kb, monkeypatch):
    """It is known when it is looked for, and gone when its place is noted."""
    kb = open_kb()
    monkeypatch.setattr(Documents, "holds", lambda *_: True)

    job = kb.wait(kb.submit("default", [("tea.md", b"Green tea on Fridays.")]), 60)

    assert (job.errors, job.n_stored) == ((), 1)
    assert kb.documents()[1] == 1


def test_a_cut_table_takes_its_header_along():
    text = "| Name | Days |\n| Ann | 10 |\n| Bob | 12 |"
    table = Block(0, len(text), "table", ("Leave",), header=(0, 15))
    row = Chunk(29, len(text), text[29:], ("Leave",))

    assert context_of(Loaded(text, (table,)), row) == "Leave\n| Name | Days |"
    assert context_of(Loaded(text, (table,)), Chunk(0, 15, text[:15])) == ""
    assert searchable_text(Loaded(text, (table,)), row).endswith("| Bob | 12 |")


def test_lone_surrogates_are_replaced_one_for_one(open_kb):
    kb = open_kb(load=lambda _data, _name: Loaded("a \ud800 tea", ()))

    job = kb.wait(kb.submit("default", [("a.txt", b"x")]), 20)

    assert job.state == "done"
    assert kb.text(kb.documents()[0][0].id) == "a \ufffd tea"


def test_a_disk_so_full_that_no_failure_can_be_written_parks_the_job_until_the_next_start(
    open_kb, model
):
    is_full = [True]

    def embed(texts, is_query):
        if is_full[0]:
            raise RuntimeError("x" * 1_000_000)  # a reason that needs pages that are not there
        return model.embed(texts, is_query)

    kb = open_kb(model.embedder(embed=embed))
    kb.create_collection("default")
    writer = kb._store._writer
    with kb._store._lock:
        (n_pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count={n_pages + 2}")

    job_id = kb.submit("default", [("a.txt", b"green tea")])
    job = kb.wait(job_id, 20)

    assert job.state == "failed"
    assert "full" in job.errors[0].reason
    is_full[0] = False
    kb.close()
    assert open_kb().wait(job_id, 20).n_stored == 1
