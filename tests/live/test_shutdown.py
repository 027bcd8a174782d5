"""SIGTERM to a real server: what runs may finish or is told, what comes is sent away, exit 0."""

import json
import signal
import threading
import time

import httpx
import pytest

from tests.live.conftest import finished

PATIENCE_S = 60
ENDLESS = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,"
MODEL = "smollm2:135m"


def ollama(n):
    options = {"num_predict": n, "temperature": 0, "num_ctx": 4096}
    return "/api/generate", {"model": MODEL, "prompt": ENDLESS, "raw": True, "options": options}


def openai(n):
    body = {"model": MODEL, "prompt": ENDLESS, "max_tokens": n, "temperature": 0, "stream": True}
    return "/v1/completions", body


def query():
    body = {"question": "Who built the mill of Orbeck?", "stream": True}
    return "/kb/query", body


class Asking(threading.Thread):
    """A stream that is read in a thread, to its end."""

    def __init__(self, url, asked):
        super().__init__(daemon=True)
        self.url, (self.path, self.body) = url, asked
        self.begun = threading.Event()
        self.text, self.error, self.status = "", None, 0
        self.start()

    def run(self):
        try:
            with httpx.stream("POST", self.url + self.path, json=self.body, timeout=120) as reply:
                self.status = reply.status_code
                for text in reply.iter_text():
                    self.text += text
                    self.begun.set()
        except httpx.HTTPError as error:
            self.error = error
        self.begun.set()


@pytest.fixture
def started(quire):
    def start(grace_s):
        process = quire("serve", "--no-ui")
        process._env["QUIRE_GRACE_S"] = str(grace_s)
        process._env["OLLAMA_NUM_PARALLEL"] = "2"
        client = process.start()
        body = [("files", ("mill.md", b"The mill of Orbeck was built in 1802 by Runa Holt.\n"))]
        finished(client, client.post("/kb/documents", files=body).json()["job_id"])
        return process, client

    return start


def is_gone(url):
    try:
        httpx.get(f"{url}/readyz", timeout=5)
    except httpx.HTTPError:
        return True
    return False


def until_stopping(url):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        reply = httpx.get(f"{url}/readyz", timeout=5)
        if reply.status_code == 503:
            return reply
        time.sleep(0.01)
    raise AssertionError("it does not stop")


def test_within_the_grace_everything_finishes_while_new_requests_are_sent_away(started):
    process, _ = started(PATIENCE_S)
    running = [Asking(process.url, one) for one in (ollama(150), openai(150), query())]
    for one in running:
        assert one.begun.wait(PATIENCE_S)

    process._process.send_signal(signal.SIGTERM)

    assert until_stopping(process.url).json() == {"ready": False, "reason": "stopping"}
    refused = httpx.post(process.url + "/api/chat", json={"model": MODEL}, timeout=5)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    for one in running:
        one.join(PATIENCE_S)
    assert process._process.wait(PATIENCE_S) == 0
    first, second, third = running
    assert json.loads(first.text.splitlines()[-1])["done_reason"] == "length"
    assert second.text.endswith("data: [DONE]\n\n")
    assert "event: done" in third.text
    assert is_gone(process.url)


def test_after_the_grace_each_is_told_in_its_own_shape_and_who_waits_need_not(started):
    process, _ = started(1)
    running = [Asking(process.url, one) for one in (ollama(3500), openai(3500))]
    for one in running:
        assert one.begun.wait(PATIENCE_S)
    waiting = Asking(process.url, ollama(3500))  # both places are taken
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        text = httpx.get(process.url + "/metrics").text
        if any(
            line.startswith("quire_http_requests_running") and float(line.split()[-1]) >= 4
            for line in text.splitlines()
        ):
            break
        time.sleep(0.02)

    assert process.end(signal.SIGTERM) == 0

    first, second = running
    for one in (*running, waiting):
        one.join(PATIENCE_S)
        assert one.error is None
    assert "stopping" in json.loads(first.text.splitlines()[-1])["error"]
    last = json.loads(second.text.strip().rsplit("data: ", 1)[1])
    assert "stopping" in last["error"]["message"]
    assert "[DONE]" not in second.text
    assert waiting.status == 503
    assert "Traceback" not in process.output()


def test_an_idle_server_with_a_page_open_ends_and_a_second_signal_ends_at_once(quire):
    websockets = pytest.importorskip("websockets.sync.client")
    exceptions = pytest.importorskip("websockets.exceptions")
    process = quire("serve")
    process._env["QUIRE_GRACE_S"] = "600"  # a page that were waited for would be noticed
    process.start()
    address = process.url.replace("http", "ws", 1) + "/ui/_stcore/stream"
    with websockets.connect(address, origin=process.url) as page:
        assert process.end(signal.SIGTERM) == 0
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            list(iter(lambda: page.recv(PATIENCE_S), None))
        assert closed.value.rcvd.code == 1012
    client = process.start()
    asking = Asking(process.url, ollama(3500))
    assert asking.begun.wait(PATIENCE_S)
    process._process.send_signal(signal.SIGTERM)
    until_stopping(process.url)
    time.sleep(0.4)  # one that comes sooner is the same signal, sent twice

    assert process.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert client is not None
