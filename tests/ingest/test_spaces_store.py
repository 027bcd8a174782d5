"""Spaces: what a catalogue of before becomes, and what each wish does to the states."""

import sqlite3
import threading

import pytest

from ingest.errors import CollectionNotFoundError
from ingest.schema import MIGRATIONS, lexical_table
from ingest.search_store import Searches
from ingest.spaces_store import SpacesStore, binding_of
from ingest.store import Store
from tests.fakes import FakeModel


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "kb.sqlite3")
    yield store
    store.close()


@pytest.fixture
def spaces(store):
    store.create_collection("c", model("a"))
    with store.writing() as connection:
        connection.execute(
            "INSERT INTO documents VALUES ('x', 1, '', '', '', 0, 0, '[]', '{}', '[]', 1, '')"
        )
    return SpacesStore(store)


def model(name):
    return FakeModel().embedder(model=f"{name}:latest", digest=f"sha256:{name}")


def states(spaces):
    return {state: one.model[0] for state, one in spaces.of("c").items()}


def test_a_catalogue_of_version_2_keeps_its_numbers_and_is_searched_as_before(tmp_path):
    path = tmp_path / "old.sqlite3"
    connection = sqlite3.connect(path)
    for script in MIGRATIONS[:2]:
        connection.executescript(script)
    connection.executescript(
        """
        INSERT INTO collections VALUES (3, 'c', 'm', 'd', 1, 'p: ', 'q: ', 7, 'then');
        INSERT INTO collections VALUES (9, 'gone', 'm', 'd', 1, '', '', 0, '');
        DELETE FROM collections WHERE id = 9;
        INSERT INTO documents VALUES ('x', 3, '', '', '', 0, 9, '[]', '{}', '[]', 1, '');
        INSERT INTO texts VALUES ('x', 0, 'green tea');
        INSERT INTO vectors VALUES ('k', '');
        INSERT INTO chunks VALUES (7, 'x', 3, 6, 9, NULL, '[]', 1, 'k', 0, 9, 'en');
        PRAGMA user_version = 2;
        """
    )
    connection.close()

    store = Store(path)
    space = SpacesStore(store).of("c")["current"]
    hits, missing = Searches(store).hits("c", {7: 0.5})
    store.create_collection("later", model("a"))

    assert (space.id, space.collection_id, space.model, space.lexical_version) == (3, 3, "m", 7)
    assert binding_of(space) == ("d", 1, "p: ", "q: ")
    assert ([hit.text for hit in hits], missing) == (["tea"], [])
    assert (store.collection("c").model, store.collection("c").n_chunks) == ("m", 1)
    assert SpacesStore(store).of("later")["current"].id == 10  # 9 was used once
    store.close()


def test_a_collection_moves_on_and_keeps_one_space_to_go_back_to(spaces, store):
    assert spaces.begin("c", model("b")) == []
    assert states(spaces) == {"current": "a", "next": "b"}
    first, second = store.space_ids()

    assert spaces.switch(second) == []
    assert states(spaces) == {"current": "b", "previous": "a"}

    assert spaces.begin("c", model("d")) == [first]
    assert states(spaces) == {"current": "b", "next": "d"}
    with store.reading() as connection:
        found = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = ?", (lexical_table(first),)
        )
        assert found.fetchone() is None


def test_going_back_takes_up_the_space_of_before(spaces, store):
    spaces.begin("c", model("b"))
    spaces.switch(store.space_ids()[-1])
    numbers = store.space_ids()

    assert spaces.begin("c", model("a")) == []
    assert states(spaces) == {"current": "b", "next": "a"}
    spaces.switch(spaces.of("c")["next"].id)
    assert states(spaces) == {"current": "a", "previous": "b"}
    assert store.space_ids() == numbers


def test_a_wish_that_is_taken_back_lays_the_half_built_space_aside(spaces):
    spaces.begin("c", model("b"))

    assert spaces.begin("c", model("a")) == []

    assert states(spaces) == {"current": "a", "previous": "b"}


def test_an_empty_collection_changes_its_model_at_once(spaces, store):
    store.create_collection("empty", model("a"))
    number = spaces.of("empty")["current"].id

    assert spaces.begin("empty", model("b")) == [number]

    assert [one.model for one in spaces.of("empty").values()] == ["b:latest"]


def test_a_space_that_is_not_the_next_one_takes_nothing_over(spaces, store):
    assert spaces.switch(store.space_ids()[0]) == []

    assert states(spaces) == {"current": "a"}


def test_a_collection_that_is_deleted_just_now_is_not_found(spaces, store):
    """Between its number and its spaces it went: a search ended with a KeyError."""
    is_over, wrong = threading.Event(), []

    def look():
        while not is_over.is_set():
            try:
                assert spaces.of("fleeting")["current"].model == "m:latest"
                Searches(store).lexical("fleeting", "tea", 5, None)
            except CollectionNotFoundError:
                pass
            except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
                wrong.append(error)
                return

    readers = [threading.Thread(target=look) for _ in range(3)]
    for one in readers:
        one.start()
    for _ in range(60):
        store.create_collection("fleeting", model("m"))
        store.delete_collection("fleeting")
    is_over.set()
    for one in readers:
        one.join()

    assert wrong == []
