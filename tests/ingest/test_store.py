import sqlite3

import pytest

from ingest.documents_store import Documents
from ingest.errors import CollectionNotFoundError, IngestError
from ingest.lexical import terms
from ingest.schema import MIGRATIONS
from ingest.search_store import Searches
from ingest.store import Store
from tests.fakes import FakeModel


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "kb.sqlite3")
    yield store
    store.close()


def test_a_failing_change_leaves_nothing_behind(store):
    def fail():
        with store.writing() as connection:
            connection.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert store.meta("a") is None


def test_readers_see_one_state_while_somebody_writes(store):
    store.set_meta("a", "old")
    with store.reading() as connection:
        query = "SELECT value FROM meta WHERE key = 'a'"
        assert connection.execute(query).fetchone() == ("old",)
        store.set_meta("a", "new")
        assert connection.execute(query).fetchone() == ("old",)

    assert store.meta("a") == "new"


def test_readers_see_the_file_as_memory_and_the_writer_does_not(store):
    with store.reading() as connection:
        assert connection.execute("PRAGMA mmap_size").fetchone()[0] > 0
    with store.writing() as connection:
        assert connection.execute("PRAGMA mmap_size").fetchone() == (0,)


def test_a_reader_of_before_reads_on_after_the_file_has_become_short(store):
    values = {f"key {at}": f"{at} " * 5_000 for at in range(100)}
    for key, value in values.items():
        store.set_meta(key, value)
    store.truncate_log()
    assert store.meta("key 99") == values["key 99"]

    store.drop_meta(list(values)[1:])
    assert store.rewrite(lambda: False)
    assert store.truncate_log()

    assert store.meta("key 0") == values["key 0"]
    assert store.meta("key 99") is None


def test_a_file_that_is_no_catalogue_is_refused(tmp_path):
    (tmp_path / "kb.sqlite3").write_text("not a database " * 100, encoding="utf-8")

    with pytest.raises(IngestError, match=r"kb\.sqlite3"):
        Store(tmp_path / "kb.sqlite3")


def test_numbers_of_collections_are_never_used_twice(store):
    embedder = FakeModel().embedder()
    assert store.create_collection("one", embedder)
    assert not store.create_collection("one", embedder)
    number = store.collection_id("one")
    spaces = store.delete_collection("one")
    store.create_collection("one", embedder)

    assert store.collection_id("one") > number
    assert store.space_ids() > spaces
    with pytest.raises(CollectionNotFoundError):
        store.collection("two")


def test_lexical_indexes_of_another_version_are_made_anew(tmp_path, open_kb):
    kb = open_kb()
    kb.wait(kb.submit("default", [("a.txt", b"# Drinks\n\ngreen tea")]), 20)
    kb.close()
    store = Store(tmp_path / "home" / "kb.sqlite3")
    with store.writing() as connection:
        connection.execute("INSERT INTO terms_1 (terms_1) VALUES ('delete-all')")
        connection.execute("UPDATE spaces SET lexical_version = 0")
    assert Searches(store).lexical("default", "tea", 1, None) == []

    Documents(store).refresh_terms()

    assert Searches(store).lexical("default", "tea", 1, None)[0].headings == ("Drinks",)
    assert terms("tea") == ["tea"]
    store.close()


def test_a_hit_knows_its_neighbours_its_parent_and_its_language(open_kb):
    kb = open_kb(chunk_tokens=20)
    text = "# Leave\n\n" + "\n\n".join(f"The rule {n} is for all of you. " * 3 for n in range(4))
    kb.wait(kb.submit("default", [("a.md", text.encode())]), 20)

    first, second, *_, last = sorted(kb.lexical("default", "rule", 20), key=lambda hit: hit.start)

    assert (first.previous_id, first.next_id) == (None, second.chunk_id)
    assert (second.previous_id, last.next_id) == (first.chunk_id, None)
    assert first.parent[0] == 0
    assert first.parent[1] >= second.end
    assert (first.language, kb.documents()[0][0].metadata["language"]) == ("en", "en")
    assert kb.chunks(first.document_id)[0].parent == first.parent


def test_chunks_of_an_older_catalogue_are_their_own_parents(tmp_path):
    path = tmp_path / "old.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0])
    connection.executescript(
        """
        INSERT INTO collections VALUES (1, 'c', 'm', 'd', 1, '', '', 0, '');
        INSERT INTO documents VALUES ('x', 1, '', '', '', 0, 9, '[]', '{}', '[]', 1, '');
        INSERT INTO texts VALUES ('x', 0, 'green tea');
        INSERT INTO vectors VALUES ('k', '');
        INSERT INTO chunks VALUES (7, 'x', 1, 6, 9, NULL, '[]', 1, 'k');
        PRAGMA user_version = 1;
        """
    )
    connection.close()

    store = Store(path)
    hits, missing = Searches(store).hits("c", {7: 0.5})

    assert [(hit.text, hit.parent, hit.language) for hit in hits] == [("tea", (6, 9), "")]
    assert (hits[0].previous_id, hits[0].next_id, missing) == (None, None, [])
    store.close()


def test_a_collection_names_its_model_without_being_counted(store):
    model = FakeModel().embedder()
    store.create_collection("a", model)

    assert store.embedding_model("a") == model.model
    with pytest.raises(CollectionNotFoundError, match="a"):
        store.embedding_model("nobody")
