import shutil
import sqlite3

import pytest

from ingest.errors import (
    CollectionNameError,
    CollectionNotFoundError,
    DocumentNotFoundError,
    JobNotFoundError,
    LibraryLockedError,
)
from tests.fakes import bag_of_terms

FOX = "# Animals\n\nThe quick brown fox jumps over the lazy dog.\n\n# Cities\n\nParis is in France."
TEA = "Green tea comes from China and is steeped at eighty degrees."


def ids(kb):
    return {document.id for document in kb.documents()[0]}


def test_a_file_becomes_searchable_by_meaning_and_by_words(kb, put):
    job = put({"fox.md": FOX, "tea.txt": TEA})

    assert (job.state, job.n_stored, job.progress, job.errors) == ("done", 2, 1.0, ())
    dense = kb.dense("default", bag_of_terms("Paris is in France"), 3)
    lexical = kb.lexical("default", "steeping tea?", 3)
    assert dense[0].headings == ("Cities",)
    assert dense[0].path == "fox.md"
    assert 0.5 < dense[0].score <= 1.001
    assert lexical[0].text == TEA
    assert lexical[0].score > 0
    for hit in dense + lexical:
        assert hit.text == kb.text(hit.document_id)[hit.start : hit.end]


def test_hits_come_from_the_wanted_documents_only(kb, put):
    put({"a.txt": "tea in the morning", "b.txt": "tea in the evening", "c.txt": "coffee"})
    wanted = next(one.id for one in kb.documents()[0] if one.paths == ("b.txt",))

    dense = kb.dense("default", bag_of_terms("tea in the morning"), 5, document_ids=[wanted])
    lexical = kb.lexical("default", "tea", 5, document_ids=[wanted])

    assert [hit.path for hit in dense] == [hit.path for hit in lexical] == ["b.txt"]
    assert kb.dense("default", bag_of_terms("tea"), 5, document_ids=[]) == []


def test_the_same_bytes_cost_nothing_and_become_a_second_place(kb, put, model):
    put({"a.txt": TEA})
    n_before = model.n_embedded

    job = put({"a.txt": TEA, "copy.txt": TEA})

    assert (job.n_skipped, job.n_stored) == (2, 0)
    assert model.n_embedded == n_before
    (document,), total = kb.documents()
    assert (total, document.paths) == (1, ("a.txt", "copy.txt"))


def test_new_bytes_at_the_same_path_replace_the_old_document(kb, put):
    put({"a.txt": TEA})
    put({"a.txt": "Black tea comes from Assam."})

    assert kb.documents()[1] == 1
    assert kb.lexical("default", "China", 5) == []
    assert len(kb.dense("default", bag_of_terms("China"), 5)) == 1


def test_shared_passages_are_embedded_once_and_outlive_one_of_their_documents(kb, put, model):
    put({"a.txt": TEA})
    put({"b.txt": TEA + "\n"})
    assert model.n_embedded == 1

    kb.delete_document(next(one.id for one in kb.documents()[0] if one.paths == ("a.txt",)))

    assert [hit.path for hit in kb.dense("default", bag_of_terms(TEA), 5)] == ["b.txt"]


def test_a_deleted_document_leaves_nothing_behind_in_bytes(kb, put, tmp_path):
    put({"a.txt": "The secret word is Xylophonist.", "b.txt": TEA})
    kb.delete_document(kb.lexical("default", "xylophonist", 1)[0].document_id)
    kb.compactor.request("texts")
    assert kb.compactor.wait(30)
    kb.close()

    data = (tmp_path / "home" / "kb.sqlite3").read_bytes().lower()
    assert b"xylophonist" not in data
    assert b"steeped" in data


def test_deleting_what_is_not_there_says_so(kb):
    with pytest.raises(DocumentNotFoundError, match="'nothing'"):
        kb.delete_document("nothing")
    with pytest.raises(CollectionNotFoundError):
        kb.delete_collection("nothing")
    with pytest.raises(JobNotFoundError):
        kb.job("nothing")


def test_a_broken_file_is_reported_and_the_others_go_on(kb, put):
    job = put({"bad.txt": b"\0broken", "empty.txt": " \n", "good.txt": TEA, "no.txt": b"\xff\xff"})

    assert (job.state, job.n_done, job.n_stored) == ("done", 4, 1)
    assert {error.path for error in job.errors} == {"bad.txt", "empty.txt", "no.txt"}
    assert kb.documents()[1] == 1


def test_a_job_with_broken_files_only_has_failed(put):
    assert put({"bad.txt": b"\0broken"}).state == "failed"


def test_a_failing_replacement_keeps_the_old_document(kb, put):
    put({"a.txt": TEA})
    put({"a.txt": b"\0broken"})

    assert kb.text(kb.documents()[0][0].id) == TEA


def test_a_file_over_the_limit_is_refused(open_kb):
    kb = open_kb(max_file_bytes=10)

    job = kb.wait(kb.submit("default", [("big.txt", b"x" * 11)]), 20)

    assert "the limit is 10" in job.errors[0].reason


def test_an_empty_job_is_done_at_once(kb):
    assert kb.wait(kb.submit("default", []), 5).state == "done"


def test_files_are_copied_before_submit_returns(kb, tmp_path):
    file = tmp_path / "note.txt"
    file.write_text(TEA, encoding="utf-8")

    job_id = kb.submit("default", [("note.txt", file)])
    file.unlink()

    assert kb.wait(job_id, 20).n_stored == 1
    assert list((tmp_path / "home" / "staging").iterdir()) == []


@pytest.mark.parametrize("name", ["", "a/b", "x" * 64, "a\\b", " a", "a\n", "..\x00", ".."])
def test_impossible_collection_names_are_refused(kb, name):
    with pytest.raises(CollectionNameError):
        kb.create_collection(name)


@pytest.mark.parametrize("name", ["a", "资料库", "My notes 2.0", "été_1-b", "हिन्दी", "x" * 63])
def test_names_of_any_script_work(kb, put, name):
    put({"a.txt": TEA}, name)

    assert kb.collection(name).n_documents == 1
    assert len(kb.dense(name, bag_of_terms(TEA), 3)) == 1


def test_collections_do_not_see_each_other_and_go_alone(kb, put):
    put({"a.txt": TEA}, "one")
    put({"a.txt": TEA}, "two")
    kb.delete_collection("one")

    assert [one.name for one in kb.collections()] == ["two"]
    assert len(kb.dense("two", bag_of_terms(TEA), 3)) == len(kb.lexical("two", "tea", 3)) == 1
    with pytest.raises(CollectionNotFoundError, match="there is: 'two'"):
        kb.lexical("one", "tea", 3)


def test_everything_is_there_after_reopening(open_kb):
    kb = open_kb()
    kb.wait(kb.submit("default", [("a.txt", TEA.encode())]), 20)
    before = (ids(kb), kb.dense("default", bag_of_terms(TEA), 2))
    kb.close()

    again = open_kb()

    assert (ids(again), again.dense("default", bag_of_terms(TEA), 2)) == before
    assert again.status()["n_indexes_rebuilt"] == 0


def test_a_second_owner_is_refused(kb, open_kb):
    with pytest.raises(LibraryLockedError, match="pid"):
        open_kb()


def test_an_empty_collection_takes_any_model(open_kb, model):
    kb = open_kb()
    kb.create_collection("default")
    kb.close()

    kb = open_kb(model.embedder(digest="sha256:new"))

    assert kb.wait(kb.submit("default", [("a.txt", TEA.encode())]), 20).n_stored == 1


def test_documents_are_listed_in_pages_and_by_words_of_title_or_path(kb, put):
    put({f"notes/{n}_100%.txt": f"text {n}" for n in range(5)} | {"fox.md": FOX})

    page, total = kb.documents("default", limit=2, offset=1)
    assert (len(page), total) == (2, 6)
    assert [one.paths for one in kb.documents(query="cities")[0]] == [("fox.md",)]
    assert kb.documents(query="0_100%")[1] == 1
    assert kb.documents(query="_")[1] == 5


def test_chunks_are_told_with_their_headings(kb, put):
    put({"fox.md": FOX})
    document = kb.documents()[0][0]

    chunks = kb.chunks(document.id)

    assert [one.headings for one in chunks] == [("Animals",), ("Cities",)]
    assert all(one.text == FOX[one.start : one.end] for one in chunks)
    assert document.n_chunks == 2


def test_long_texts_are_sliced_right_across_parts(kb, put):
    text = " ".join(f"word{n} 汉字。" for n in range(20_000))
    put({"long.txt": text})

    hit = kb.lexical("default", "word11111", 1)[0]

    assert "word11111 " in hit.text
    assert hit.text == text[hit.start : hit.end]


def test_a_full_disk_is_reported_and_nothing_is_lost(kb, put):
    put({"a.txt": TEA})
    with kb._store.writing() as connection:
        (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    kb._store._writer.execute(f"PRAGMA max_page_count={n_pages}")

    job = put({"big.txt": " ".join(f"word{n}" for n in range(50_000))})

    assert job.state == "failed"
    assert "full" in job.errors[0].reason
    assert len(kb.dense("default", bag_of_terms(TEA), 2)) == 1
    kb._store._writer.execute("PRAGMA max_page_count=1000000000")
    assert put({"b.txt": "more text"}).state in ("done", "queued")


def test_a_catalogue_of_a_newer_program_is_refused(open_kb, tmp_path):
    open_kb().close()
    with sqlite3.connect(tmp_path / "home" / "kb.sqlite3") as connection:
        connection.execute("PRAGMA user_version=999")
    connection.close()

    with pytest.raises(Exception, match="update the program"):
        open_kb()


def test_the_vector_index_is_made_anew_when_it_is_gone(open_kb, tmp_path):
    kb = open_kb()
    kb.wait(kb.submit("default", [("fox.md", FOX.encode())]), 20)
    kb.close()
    shutil.rmtree(tmp_path / "home" / "chroma")

    again = open_kb()

    assert again.dense("default", bag_of_terms("Paris is in France"), 1)[0].headings == ("Cities",)
    assert again.status()["n_indexes_rebuilt"] == 1
    assert again.status()["n_orphans"] == 0
