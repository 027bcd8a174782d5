"""Requests without a server: an ASGI application is called, what it sends is gathered."""

import asyncio


def scope_of(path="/kb/query", method="POST", headers=None, client=("10.0.0.1", 5)):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "headers": [
            (name.lower().encode(), str(value).encode()) for name, value in (headers or {}).items()
        ],
        "client": client,
        "query_string": b"",
    }


class Answer:
    """What was sent."""

    def __init__(self):
        self.messages = []

    async def send(self, message):
        self.messages.append(message)

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def headers(self):
        found = self.messages[0]["headers"]
        return {name.decode().lower(): value.decode() for name, value in found}

    @property
    def body(self):
        return b"".join(one.get("body", b"") for one in self.messages[1:])


def call(app, scope=None, parts=(b"",), receive=None):
    """Call an application with a body in parts; after it the client waits for ever."""
    answer, left = Answer(), list(parts)

    async def receiving():
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}
        return await asyncio.Event().wait()

    asyncio.run(app(scope or scope_of(), receive or receiving, answer.send))
    return answer


async def echo(scope, receive, send):
    """Read the whole body, tell how long it was; say nothing more to who went away."""
    n_bytes = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        n_bytes += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(n_bytes).encode()})
