"""The configuration for nginx, with a real nginx where there is one."""

import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

import httpx
import pytest
import uvicorn
from websockets.sync.client import connect

from tests.deploy.upstream import Gate, build

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "nginx"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None,
    reason="nginx or openssl is not installed (Debian: apt install nginx-light openssl)",
)
MAIN = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    upstream quire_api {{ server 127.0.0.1:{upstream}; keepalive 4; }}
    include {folder}/quire.conf;
}}
"""


@dataclass
class Site:
    """Where the proxy answers, and what stands behind it."""

    https: int
    http: int
    gate: Gate
    folder: Path

    @property
    def url(self):
        return f"https://127.0.0.1:{self.https}"

    def client(self):
        return httpx.Client(base_url=self.url, verify=trusting(), timeout=30)


def trusting():
    """A client that takes the self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def written(folder, upstream):
    """Write the configuration of the repository, with ports and paths of a test."""
    https, plain = free_port(), free_port()
    text = (FOLDER / "quire.conf").read_text(encoding="utf-8")
    text = text.replace("listen 443", f"listen 127.0.0.1:{https}")
    text = text.replace("listen 80", f"listen 127.0.0.1:{plain}")
    text = re.sub(r"\n    listen \[::\].*", "", text)
    text = text.replace("/etc/nginx/tls/", f"{folder}/tls/")
    text = text.replace("/var/log/nginx/access.log", f"{folder}/access.log")
    (folder / "quire.conf").write_text(text, encoding="utf-8")
    user = "user root;" if getuser() == "root" else ""
    main = MAIN.format(folder=folder, upstream=upstream, user=user)
    (folder / "nginx.conf").write_text(main, encoding="utf-8")
    return https, plain


def started(folder, upstream):
    """Start nginx; a port that somebody else took meanwhile is tried again."""
    for _ in range(5):
        https, plain = written(folder, upstream)
        command = [NGINX, "-p", str(folder), "-e", f"{folder}/early.log", "-c", "nginx.conf"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", https), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return process, https, plain
    log = (folder / "error.log").read_text(encoding="utf-8")
    raise AssertionError(f"nginx did not start: {log}")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    make = ["sh", str(FOLDER / "new_cert.sh"), "127.0.0.1", str(folder / "tls")]
    subprocess.run(make, check=True, capture_output=True)
    gate = Gate()
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(build(gate), log_level="error", ws="websockets-sansio", lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    process, https, plain = started(folder, listening.getsockname()[1])
    yield Site(https, plain, gate, folder)
    process.terminate()
    process.wait(10)
    gate.opened.set()
    server.should_exit = True
    thread.join(10)
    listening.close()


def test_nginx_takes_the_configuration_without_a_complaint(site):
    command = [NGINX, "-t", "-p", str(site.folder), "-c", "nginx.conf"]

    said = subprocess.run(command, capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    warnings = [line for line in said.stderr.splitlines() if "[warn]" in line]
    assert [line for line in warnings if "http2" not in line] == []  # newer ones have another word


def test_a_stream_arrives_piece_by_piece(site):
    site.gate.opened.clear()
    with site.client() as client, client.stream("POST", "/api/chat", json={}) as answer:
        lines = answer.iter_lines()

        assert next(lines) == '{"n": 1}'  # while the server still holds the second one back
        site.gate.opened.set()
        assert next(lines) == '{"n": 2}'


def test_a_websocket_passes(site):
    address = f"wss://127.0.0.1:{site.https}/ui/_stcore/stream"
    with connect(address, ssl=trusting(), proxy=None) as talk:
        talk.send("hello")

        assert json.loads(talk.recv(timeout=30)) == {"got": "hello"}


def test_a_body_over_the_limit_is_refused_before_it_is_sent(site):
    talk = http.client.HTTPSConnection("127.0.0.1", site.https, context=trusting(), timeout=30)
    talk.putrequest("POST", "/kb/documents")
    talk.putheader("Content-Length", str(600 * 1024**2))
    talk.endheaders()

    answer = talk.getresponse()

    assert answer.status == 413
    assert "error" in json.loads(answer.read())
    talk.close()


def test_a_large_upload_and_a_model_pass(site):
    with site.client() as client:
        upload = client.post("/kb/documents", content=b"x" * 3_000_000)
        model = client.post("/api/blobs/x", content=b"x" * 3_000_000)

    assert upload.json() == model.json() == {"n_bytes": 3_000_000}


def test_what_the_server_is_told_of_the_client_cannot_be_made_up(site):
    forged = {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "http", "X-Request-ID": "bad id"}
    with site.client() as client:
        told = client.get("/kb/status", headers=forged).json()

    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["x-forwarded-proto"] == "https"
    assert told["host"] == told["x-forwarded-host"] == f"127.0.0.1:{site.https}"
    assert re.fullmatch(r"[0-9a-f]{32}", told["x-request-id"])
    assert "connection" not in told or told["connection"] != "upgrade"


def test_a_good_request_id_is_passed_on(site):
    with site.client() as client:
        told = client.get("/kb/status", headers={"X-Request-ID": "trace-12345678"}).json()

    assert told["x-request-id"] == "trace-12345678"


def test_questions_do_not_get_into_the_log(site):
    with site.client() as client:
        client.get("/kb/status", params={"q": "salary of the director"})

        client.get("/metrics")

    log = (site.folder / "access.log").read_text(encoding="utf-8")
    assert "GET /kb/status" in log
    assert "salary" not in log


def test_plain_http_is_sent_to_https(site):
    answer = httpx.get(f"http://127.0.0.1:{site.http}/ui/?a=1", timeout=30)

    assert answer.status_code == 308
    assert answer.headers["location"] == "https://127.0.0.1/ui/?a=1"


def test_only_new_tls_is_offered_and_browsers_stay_with_it(site):
    text = (FOLDER / "quire.conf").read_text(encoding="utf-8")
    assert re.findall(r"ssl_protocols (.*);", text) == ["TLSv1.2 TLSv1.3"]
    with site.client() as client:
        answer = client.get("/kb/status")

    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_server_that_is_away_is_told_with_when_to_come_back(site, tmp_path):
    shutil.copytree(site.folder / "tls", tmp_path / "tls")
    process, https, _ = started(tmp_path, free_port())
    try:
        answer = httpx.get(f"https://127.0.0.1:{https}/kb/status", verify=trusting(), timeout=30)
    finally:
        process.terminate()
        process.wait(10)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "error" in answer.json()
