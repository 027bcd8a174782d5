import pytest

from ingest.documents_store import Documents
from ingest.errors import CollectionNotFoundError, IngestError
from ingest.lexical import terms
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


def test_a_file_that_is_no_catalogue_is_refused(tmp_path):
    (tmp_path / "kb.sqlite3").write_text("not a database " * 100, encoding="utf-8")

    with pytest.raises(IngestError, match=r"kb\.sqlite3"):
        Store(tmp_path / "kb.sqlite3")


def test_numbers_of_collections_are_never_used_twice(store):
    embedder = FakeModel().embedder()
    assert store.create_collection("one", embedder)
    assert not store.create_collection("one", embedder)
    number = store.delete_collection("one")
    store.create_collection("one", embedder)

    assert store.collection_id("one") > number
    with pytest.raises(CollectionNotFoundError):
        store.collection("two")


def test_lexical_indexes_of_another_version_are_made_anew(tmp_path, open_kb):
    kb = open_kb()
    kb.wait(kb.submit("default", [("a.txt", b"# Drinks\n\ngreen tea")]), 20)
    kb.close()
    store = Store(tmp_path / "home" / "kb.sqlite3")
    with store.writing() as connection:
        connection.execute("INSERT INTO terms_1 (terms_1) VALUES ('delete-all')")
        connection.execute("UPDATE collections SET lexical_version = 0")
    assert Searches(store).lexical("default", "tea", 1, None) == []

    Documents(store).refresh_terms()

    assert Searches(store).lexical("default", "tea", 1, None)[0].headings == ("Drinks",)
    assert terms("tea") == ["tea"]
    store.close()
