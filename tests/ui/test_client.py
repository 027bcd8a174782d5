import time
from io import BytesIO

import pytest

from tests.ui.fake_api import migration
from ui.client import Client
from ui.errors import RefusedError, ServerGoneError


def test_documents_are_listed_searched_read_and_deleted(api):
    with Client(api) as client:
        found, total = client.documents("default", query="HANDBOOK")
        text = client.text("d1")
        client.delete("d1")
        left, _ = client.documents("default")

    assert (found[0].title, total, left) == ("handbook.md", 1, [])
    assert text.text[text.chunks[0].start : text.chunks[0].end].startswith("## Leave")


def test_an_upload_is_followed_to_its_end(api):
    with Client(api) as client:
        job_id = client.upload("default", [("a.txt", BytesIO(b"hi")), ("b.bad", BytesIO(b"?"))])
        jobs = [client.jobs()[0] for _ in range(4)]

    assert {job.id for job in jobs} == {job_id}
    assert [job.is_finished for job in jobs] == [False, False, False, True]
    assert [(one.path, bool(one.reason)) for one in jobs[-1].errors] == [("b.bad", True)]


def test_a_job_is_tried_again_and_cancelled(api):
    with Client(api) as client:
        job_id = client.upload("default", [("b.bad", BytesIO(b"?"))])
        failed = [client.jobs()[0] for _ in range(2)][-1]
        again = client.retry(job_id)
        cancelled = client.cancel(job_id)

    assert [one.reason for one in failed.errors] == ["no loader for .bad; try .txt"]
    assert (again.is_finished, again.errors) == (False, ())
    assert (again.passages_per_s, again.eta_s) == (12.34, 95.0)
    assert cancelled.is_finished


def test_folders_are_watched_confirmed_and_left(api, world):
    with Client(api) as client:
        client.watch("/home/ann/papers", "notes")
        world.watched[0] |= {"state": "needs confirmation", "n_held": 7}
        before = client.watched()
        client.confirm("/home/ann/papers", "notes")
        after = client.watched()
        client.unwatch("/home/ann/papers", "notes", is_forgotten=True)
        left = client.watched()

    assert [(one.folder, one.collection, one.n_held, one.is_asking) for one in before] == [
        ("/home/ann/papers", "notes", 7, True)
    ]
    assert ([one.is_asking for one in after], left) == ([False], [])
    assert world.done == ["confirm /home/ann/papers", "unwatch /home/ann/papers True"]


@pytest.mark.parametrize("wrap", [list, lambda told: {"migrations": told}])
def test_migrations_and_the_index_are_told_and_steered(api, world, wrap):
    world.migrations = wrap([migration(can_revert=True)])
    world.index = {"is_done": False, "failed": False, "n_texts": 5, "n_index": 7}

    with Client(api) as client:
        (found,), index = client.migrations(), client.index()
        client.revert("default")
        client.rebuild()
        client.compact()

    assert (found.to_model, found.n_done, found.eta_s) == ("bge-m3:latest", 412, 5400.0)
    assert found.is_under_way
    assert (index.is_done, index.failed, index.n_index) == (False, "", 7)
    assert world.done == ["revert default", "rebuild", "compact"]


def test_a_server_without_these_routes_is_no_error(api):
    with Client(api) as client:
        assert client.migrations() == []
        assert client.index() is None


def test_an_answer_comes_in_pieces_and_ends_with_the_whole(api):
    with Client(api) as client, client.ask("How much leave?", "default", []) as events:
        names = [event.name for event in events]

    assert names[:2] == ["status", "passages"]
    assert names.count("token") > 3
    assert names[-2:] == ["citations", "done"]


@pytest.mark.parametrize(("question", "until"), [("long", "token"), ("silent", "tick")])
def test_leaving_the_answer_ends_it_on_the_server(api, world, question, until):
    began = time.monotonic()

    with Client(api) as client, client.ask(question, "default", []) as events:
        next(event for event in events if event.name == until)

    while not world.n_closed and time.monotonic() - began < 40:  # either goes on for a minute
        time.sleep(0.02)
    assert world.n_closed == 1


def test_the_servers_own_words_come_with_an_error(api):
    with Client(api) as client:
        with pytest.raises(RefusedError, match="no document 'x'") as missing:
            client.text("x")
        with (
            pytest.raises(RefusedError, match="server busy") as busy,
            client.ask("busy", "default", []),
        ):
            pass

    assert (missing.value.status, busy.value.status) == (404, 503)


@pytest.mark.parametrize("address", ["closed", "http://", "nonsense"])
def test_nobody_there_is_told_as_such(closed_address, address):
    url = closed_address if address == "closed" else address
    with Client(url) as client, pytest.raises(ServerGoneError):
        client.status()
