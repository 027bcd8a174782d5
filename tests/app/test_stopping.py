"""On the way down: what is refused, what is still answered, what is counted."""

import asyncio
import json
from contextlib import suppress

from app.stopping import Halting, Stop
from tests.app.asgi import call, echo, scope_of


class Worked:
    def __init__(self, is_drained=True):
        self.n_stops, self.waited, self.is_drained = 0, [], is_drained

    def stop(self):
        self.n_stops += 1

    def drained(self, timeout_s):
        self.waited.append(timeout_s)
        return self.is_drained


def test_what_comes_while_the_server_stops_is_sent_elsewhere_and_probes_are_answered():
    stop = Stop()
    app = Halting(echo, stop=stop)
    assert call(app).status == 200
    stop.begin()

    refused = call(app, scope_of("/v1/chat/completions"))

    assert refused.status == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["connection"] == "close"
    assert "stopping" in json.loads(refused.body)["error"]["message"]
    assert call(app, scope_of("/readyz", "GET")).status == 200


def test_pages_are_not_opened_any_more():
    stop, sent = Stop(), []
    stop.begin()

    async def send(message):
        sent.append(message)

    scope = scope_of("/ui/_stcore/stream") | {"type": "websocket"}
    asyncio.run(Halting(echo, stop=stop)(scope, None, send))

    assert sent == [{"type": "websocket.close", "code": 1012}]


def test_what_runs_is_counted_but_for_probes_and_sockets():
    stop, seen = Stop(), []

    async def app(scope, receive, send):
        seen.append((scope["type"], scope["path"], stop.n_running))
        if scope["path"] == "/fails":
            raise ValueError

    halting = Halting(app, stop=stop)
    for scope in (scope_of(), scope_of("/healthz"), scope_of() | {"type": "websocket"}):
        asyncio.run(halting(scope, None, None))
    with suppress(ValueError):
        asyncio.run(halting(scope_of("/fails"), None, None))

    assert [n for _, _, n in seen] == [1, 0, 0, 1]
    assert stop.n_running == 0


def test_all_that_works_is_told_and_waited_for():
    quick, slow = Worked(), Worked(is_drained=False)
    stop = Stop((slow, quick))

    stop.end_running()

    assert stop.drained(5.0) is False
    assert (quick.n_stops, slow.n_stops) == (1, 1)
    assert quick.waited
    assert 0 <= quick.waited[0] <= 5.0
