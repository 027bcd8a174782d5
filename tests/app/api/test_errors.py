"""What a caller reads who asks for what is not there."""

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from app.api.errors import install_errors


@pytest.fixture
def http():
    app = FastAPI()
    install_errors(app)

    @app.get("/kb/status")
    def status():
        return {}

    @app.get("/kb/refused")
    def refused():
        raise HTTPException(403, "not from there")

    @app.get("/broken")
    def broken():
        raise RuntimeError("the disk is on fire")

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/nope", "/kb/nope", "/kb", "/healthz/nope", "/api", "/apis/x"])
def test_an_unknown_route_under_any_prefix_is_refused_in_our_shape(http, path):
    reply = http.get(path)

    assert reply.status_code == 404
    assert reply.json() == {"error": f"Not Found: GET {path}; /docs lists what there is"}


def test_a_wrong_method_says_which_ones_there_are(http):
    reply = http.post("/kb/status")

    assert reply.status_code == 405
    assert reply.json()["error"].startswith("Method Not Allowed: POST /kb/status")
    assert reply.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/api/nope", "/v1/nope"])
def test_clients_of_the_engine_read_ollamas_words(http, path):
    reply = http.get(path)

    assert (reply.status_code, reply.text) == (404, "404 page not found")


def test_a_refusal_with_words_of_its_own_keeps_them(http):
    reply = http.get("/kb/refused")

    assert (reply.status_code, reply.json()) == (403, {"error": "not from there"})


def test_what_breaks_is_named_without_a_traceback(http):
    reply = http.get("/broken")

    assert reply.status_code == 500
    assert reply.json() == {"error": "internal error: RuntimeError: the disk is on fire"}
