"""Who may ask: origins of web pages and names of this machine."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from engine.api.guard import Guard, is_local_host, is_loopback, without_port

LOCAL = "http://localhost:3000"


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


LISTED = """
    Authorization Content-Type User-Agent Accept X-Requested-With OpenAI-Beta x-stainless-arch
    x-stainless-async x-stainless-custom-poll-interval x-stainless-helper-method x-stainless-lang
    x-stainless-os x-stainless-package-version x-stainless-poll-helper x-stainless-retry-count
    x-stainless-runtime x-stainless-runtime-version x-stainless-timeout
"""


def test_a_preflight_lists_exactly_what_ollama_lists():
    headers = {"origin": LOCAL, "access-control-request-method": "POST"}

    reply = client().options("/", headers=headers)

    methods = set(reply.headers["access-control-allow-methods"].split(","))
    assert methods == {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
    assert set(reply.headers["access-control-allow-headers"].split(",")) == set(LISTED.split())
    assert reply.headers["access-control-allow-origin"] == LOCAL


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("port", ["", ":1", ":65535"])
def test_every_local_origin_is_let_in(scheme, name, port):
    reply = client().get("/", headers={"origin": f"{scheme}://{name}{port}"})

    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ((), "vscode-file://vscode-app", 200),
        ((), "http://127.0.0.2", 403),
        ((), "http://[::1]", 403),
        ((), "ftp://localhost", 403),
        ((), "http://localhost.evil.example:1", 403),
        ((), "xapp://here", 403),
        (("http://a.example",), "http://a.example", 200),
        (("http://a.example",), "http://a.example:80", 403),
        (("http://a.example:*",), "http://a.example:80", 200),
        (("http://a.example",), "http://b.example", 403),
        (("*.example",), "https://a.example", 200),
        (("moz-extension://*",), "moz-extension://1-2", 200),
        (("http://a+b.example",), "http://aab.example", 403),  # no pattern language but `*`
    ],
)
def test_origins_by_table(origins, origin, status):
    assert client(*origins).get("/", headers={"origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("method", "origin", "host", "status"),
    [
        ("OPTIONS", None, "localhost", 204),
        ("OPTIONS", None, "box.internal:1", 204),
        ("OPTIONS", None, "evil.example", 403),
        ("OPTIONS", LOCAL, "localhost", 204),
        ("OPTIONS", LOCAL, "evil.example", 403),
        ("GET", LOCAL, "evil.example", 403),
        # A page of the attacker's whose name leads here: its own origin, but a foreign name.
        ("GET", "http://evil.example", "evil.example", 403),
        ("GET", "http://evil.example", "localhost", 403),
        ("GET", "http://10.0.0.1:11434", "10.0.0.1:11434", 200),
    ],
)
def test_origin_and_host_must_both_be_known(method, origin, host, status):
    headers = {"host": host} | ({"origin": origin} if origin else {})

    reply = client().request(method, "/", headers=headers)

    assert reply.status_code == status
    assert status == 200 or reply.content == b""


@pytest.mark.parametrize(
    ("name", "is_local"),
    [
        ("", True),
        ("LOCALHOST", True),
        ("box", True),
        ("otherbox", False),
        ("x.local", True),
        ("x.internal", True),
        ("local", False),
        ("xlocal", False),
        ("127.1.2.3", True),
        ("0.0.0.0", True),
        ("::1", True),
        ("fd00::1", True),
        ("172.16.0.1", True),
        ("1.1.1.1", False),
        ("2606:4700:4700::1111", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_hosts_by_table(name, is_local):
    assert is_local_host(name, "box") == is_local


def named(host, *hosts, listening="0.0.0.0"):
    app = Starlette(routes=[Route("/", hello)])
    guarded = Guard(app, origins=(), host=listening, hosts=hosts)
    return TestClient(guarded).get("/", headers={"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "localhost:11434",
        "192.168.1.20:11434",
        "203.0.113.9:11434",  # no name, so no page of somebody else can stand behind it
        "[2001:db8::1]:11434",
        "quire:11434",  # a container's name
        "quire.kb.svc",
        "box.lan",
        "nas.local",
    ],
)
def test_where_others_can_reach_it_addresses_and_names_of_ones_own_network_are_let_in(host):
    assert named(host).text == "hello"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:11434", "1.2.3.4.evil.example"])
def test_where_others_can_reach_it_a_public_name_must_be_known(host):
    refused = named(host)

    assert refused.status_code == 403
    assert "QUIRE_HOSTS" in refused.json()["error"]


def test_names_may_be_listed_with_wildcards_on_any_address():
    for listening in ("0.0.0.0", "127.0.0.1"):
        assert named("kb.example.org:443", "kb.example.org", listening=listening).text == "hello"
        assert named("a.example.org", "*.example.org", listening=listening).text == "hello"
        assert named("example.com", "*.example.org", listening=listening).status_code == 403


def test_on_loopback_a_foreign_name_is_refused_without_a_word():
    refused = named("evil.example", listening="127.0.0.1")

    assert (refused.status_code, refused.content) == (403, b"")
