"""Which server the client speaks to."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from app.api.wire import StatusOut
from app.client import Client, ServerError, connect, find_server, noted_url, who_listens
from app.compose import compose
from ingest.errors import LibraryLockedError


def test_a_running_server_of_our_data_is_used(server):
    client, settings = server

    with connect(settings, lambda _: None) as found:
        assert found.url == client.url
        assert not found.is_private


def test_a_server_of_other_data_is_not_ours(server, tmp_path):
    client, settings = server
    port = int(client.url.rpartition(":")[2])

    other = replace(settings, home=tmp_path, port=port)

    assert find_server(other, "knowledge") is None
    assert who_listens(client.url).startswith("another Quire (pid ")


def test_without_a_server_a_private_one_answers(server, tmp_path):
    _, settings = server
    own = replace(settings, home=tmp_path / "own")

    with connect(own, lambda _: None) as client:
        status = client.get("/kb/status", StatusOut)

        assert client.is_private
        assert status.home == str(own.home)
    assert noted_url(own.home) == ""


def test_data_that_another_process_holds_names_it(server, tmp_path):
    _, settings = server
    own = replace(settings, home=tmp_path / "own")

    with (
        compose(own, lambda _: None, is_chat_needed=False),
        pytest.raises(LibraryLockedError, match="pid"),
        connect(own, lambda _: None),
    ):
        pass


def test_refusals_come_with_the_servers_own_words(server):
    client, _ = server

    with pytest.raises(ServerError, match="job 'nothing' not found") as caught:
        client.job("nothing")

    assert caught.value.status == 404


def test_nobody_at_an_address_is_another_program():
    assert who_listens("http://127.0.0.1:1") == "another program"


def test_a_named_server_that_does_not_answer_is_an_error(server):
    client, own = server
    settings = replace(own, ollama_host=("127.0.0.1", 9))

    with pytest.raises(ServerError, match="OLLAMA_HOST names"):
        find_server(settings, "engine")
    assert find_server(settings, "knowledge") == client.url


def test_a_named_server_is_asked_for_models(server, tmp_path):
    client, own = server
    host, _, port = client.url.removeprefix("http://").partition(":")
    settings = replace(own, home=tmp_path, ollama_host=(host, int(port)))

    assert find_server(settings, "engine") == client.url


def test_a_line_ends_where_the_server_ends_it_and_nowhere_else():
    told = ['{"a":"one\u2028two\x85three"}', "", '{"b":1}']
    pieces = [one.encode() for one in ("\n".join(told)[:9], "\n".join(told)[9:])]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=iter(pieces)))
    client = Client("http://127.0.0.1:1")
    client.close()
    client._http = httpx.Client(base_url=client.url, transport=transport)

    assert list(client.lines("/api/chat", {})) == told
    client.close()
