"""Who may ask: origins of web pages and names of this machine."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from engine.api.guard import Guard, is_local_host, is_loopback, without_port


async def hello(request):
    return PlainTextResponse("hello")


async def greet(socket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def client(*origins, host="127.0.0.1"):
    app = Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", greet)])
    return TestClient(Guard(app, origins=origins, host=host), base_url="http://localhost:11434")


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "https://localhost:3000",
        "http://127.0.0.1:8080",
        "http://0.0.0.0",
        "app://here",
        "file://x",
        "tauri://localhost",
        "vscode-webview://abc",
    ],
)
def test_local_origins_are_let_in_and_named(origin):
    reply = client().get("/", headers={"origin": origin})

    assert reply.text == "hello"
    assert reply.headers["access-control-allow-origin"] == origin
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost.evil.example", "chrome-extension://x"],
)
def test_foreign_origins_are_refused_without_a_word(origin):
    for method in ("GET", "OPTIONS"):
        reply = client().request(method, "/", headers={"origin": origin})
        assert (reply.status_code, reply.content) == (403, b"")


def test_further_origins_may_be_listed_with_wildcards():
    one = client("https://*.example.org", "chrome-extension://*")

    assert one.get("/", headers={"origin": "https://a.example.org"}).status_code == 200
    assert one.get("/", headers={"origin": "chrome-extension://abc"}).status_code == 200
    assert one.get("/", headers={"origin": "https://example.com"}).status_code == 403


def test_a_star_lets_everybody_in():
    reply = client("*").get("/", headers={"origin": "http://evil.example"})

    assert reply.headers["access-control-allow-origin"] == "*"


def test_the_own_origin_and_no_origin_pass_unmarked():
    same = client().get("/", headers={"origin": "http://box.local:80", "host": "box.local:80"})

    assert same.text == "hello"
    assert "access-control-allow-origin" not in same.headers
    assert client().get("/").text == "hello"


def test_a_preflight_is_answered_here():
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "DELETE"}

    reply = client().options("/", headers=headers)

    assert (reply.status_code, reply.content) == (204, b"")
    assert "DELETE" in reply.headers["access-control-allow-methods"]
    assert "x-stainless-retry-count" in reply.headers["access-control-allow-headers"]
    assert "Authorization" in reply.headers["access-control-allow-headers"]
    assert client().options("/").status_code == 204


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:11434", 200),
        ("[::1]:11434", 200),
        ("10.1.2.3", 200),
        ("192.168.0.5:80", 200),
        ("box.local", 200),
        ("host.docker.internal:11434", 200),
        ("a.localhost", 200),
        ("evil.example", 403),
        ("evil.example:11434", 403),
        ("8.8.8.8", 403),
        ("localhost.evil.example", 403),
    ],
)
def test_a_loopback_server_answers_to_local_names_alone(host, status):
    assert client().get("/", headers={"host": host}).status_code == status
    assert client(host="0.0.0.0").get("/", headers={"host": host}).status_code == 200


def test_web_sockets_are_guarded_too():
    with client().websocket_connect(
        "ws://localhost/ws", headers={"origin": "http://localhost:1"}
    ) as socket:
        assert socket.receive_text() == "hello"
    with (
        pytest.raises(WebSocketDisconnect),
        client().websocket_connect("ws://localhost/ws", headers={"origin": "http://evil.example"}),
    ):
        pass


def test_names_and_addresses_are_told_apart():
    assert [is_loopback(one) for one in ("localhost", "::1", "0.0.0.0", "", "box")] == [
        *(True, True),
        *(False, False, False),
    ]
    assert is_local_host("Box", "box")
    assert is_local_host("", "box")
    assert [without_port(one) for one in ("a:1", "[::1]:2", "::1", "a")] == ["a", "::1", "::1", "a"]
