"""Certificate and key: both, readable, fitting; and a client that trusts just them."""

import shutil
import subprocess

import httpx
import pytest

from app.config import ConfigError
from app.server import bind, build_app, running
from app.tls import Tls, tls_of, trust_of
from tests.app.conftest import settings_at

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="NOT TESTED: TLS; there is no openssl command here"
)


def make_pair(folder, name):
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split()
        + ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=kb.example.org"],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return make_pair(folder, "a"), make_pair(folder, "b")


def settings(tmp_path, cert="", key=""):
    return settings_at(tmp_path, tmp_path, QUIRE_TLS_CERT=str(cert), QUIRE_TLS_KEY=str(key))


def test_without_them_it_is_plain_http(tmp_path):
    found = settings(tmp_path)

    assert tls_of(found) is None
    assert found.url.startswith("http://")
    assert trust_of(found, found.url) is True


def test_with_them_every_address_is_https(tmp_path, pairs):
    found = settings(tmp_path, *pairs[0])

    assert tls_of(found) == Tls(*pairs[0])
    assert found.url.startswith("https://")


def test_one_alone_is_refused(tmp_path, pairs):
    cert, key = pairs[0]

    with pytest.raises(ConfigError, match="QUIRE_TLS_KEY"):
        settings(tmp_path, cert=cert)
    with pytest.raises(ConfigError, match="QUIRE_TLS_CERT"):
        settings(tmp_path, key=key)


def test_what_is_wrong_with_them_is_said(tmp_path, pairs):
    (cert, key), (_, other) = pairs
    text = tmp_path / "text"
    text.write_text("hello", encoding="utf-8")

    for given, said in (
        ((tmp_path / "no.crt", key), "QUIRE_TLS_CERT=.*No such file"),
        ((cert, tmp_path), "QUIRE_TLS_KEY=.*directory"),
        ((text, key), "not a PEM file"),
        ((cert, other), "do not work together"),
        ((key, cert), "do not work together"),
    ):
        with pytest.raises(ConfigError, match=said):
            tls_of(settings(tmp_path, *given))


def test_its_own_client_reaches_it_and_trusts_no_other_certificate(tmp_path, pairs, starter_engine):
    import time

    from app.compose import Parts

    found, stranger = settings(tmp_path, *pairs[0]), settings(tmp_path, *pairs[1])
    app = build_app(Parts(found, starter_engine, time.monotonic()), has_ui=False)
    with running(app, bind("127.0.0.1", 0), tls_of(found)) as url:
        assert url.startswith("https://")
        answer = httpx.get(f"{url}/healthz", verify=trust_of(found, url), trust_env=False)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/healthz", verify=trust_of(stranger, url), trust_env=False)

    assert answer.json() == {"status": "ok"}
    assert "strict-transport-security" in answer.headers
