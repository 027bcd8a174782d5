import time
from io import BytesIO

import pytest

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
        jobs = [client.job(job_id) for _ in range(4)]

    assert [job.is_finished for job in jobs] == [False, False, False, True]
    assert [(one.path, bool(one.reason)) for one in jobs[-1].errors] == [("b.bad", True)]


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

    while not world.n_closed and time.monotonic() - began < 10:
        time.sleep(0.02)
    assert world.n_closed == 1
    assert time.monotonic() - began < 5


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
