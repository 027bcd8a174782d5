"""Settings in, a client out: of the server that runs, or of a private one in this process."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from app.access.here import token_here
from app.api.wire import Failure, JobIdOut, JobOut, StatusOut
from app.config import Settings, url_of
from app.models import Report
from app.tls import trust_of

T = TypeVar("T", bound=BaseModel)
Needs = Literal["knowledge", "answers", "engine"]
Body = Mapping[str, object]
Trust = ssl.SSLContext | bool  # whose certificates are believed

PROBE_S = 10.0  # that a running server may take to say who it is; a busy one takes seconds
PATIENCE_S = 1800.0  # between two pieces of an answer; a cold model on a small machine is slow
ADDRESS_FILE = "server.url"


class ServerError(Exception):
    """The server refused; the message is its own."""

    def __init__(self, text: str, status: int = 500) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """One server, spoken to over HTTP."""

    def __init__(
        self, url: str, *, is_private: bool = False, key: str = "", trust: Trust = True
    ) -> None:
        self.url, self.is_private = url, is_private
        timeout = httpx.Timeout(PATIENCE_S, connect=10.0)
        self._http = httpx.Client(
            base_url=url, timeout=timeout, trust_env=False, headers=shown(key), verify=trust
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, shape: type[T], params: Mapping[str, str | int] | None = None) -> T:
        """Ask for something.

        Raises:
            ServerError: the server refuses, cannot be reached or answers nonsense.
        """
        return _read(self._send("GET", path, params=params), shape)

    def post(self, path: str, body: Body, shape: type[T]) -> T:
        """Send JSON, get JSON.

        Raises:
            ServerError: as `get`.
        """
        return _read(self._send("POST", path, body=body), shape)

    def tell(self, method: str, path: str, body: Body) -> None:
        """Send JSON where the answer's text does not matter.

        Raises:
            ServerError: as `get`.
        """
        self._send(method, path, body=body)

    def text(self, path: str, params: Mapping[str, str | int] | None = None) -> str:
        """Ask for a text that is no JSON of ours, such as an export.

        Raises:
            ServerError: as `get`.
        """
        return self._send("GET", path, params=params).text

    def upload(self, files: Sequence[tuple[str, Path]], collection: str) -> str:
        """Send files for ingestion; gives the job's id.

        Raises:
            ServerError: as `get`.
        """
        with ExitStack() as opened:
            parts = [
                ("files", (name, opened.enter_context(path.open("rb")))) for name, path in files
            ]
            with _worded(self.url):
                response = self._http.post(
                    "/kb/documents", files=parts, data={"collection": collection}
                )
        return _read(_checked(response), JobIdOut).job_id

    def job(self, job_id: str) -> JobOut:
        """Ask how far a job is."""
        return self.get(f"/kb/jobs/{job_id}", JobOut)

    def events(self, path: str, body: Body) -> Iterator[tuple[str, str]]:
        """Send JSON, get server-sent events as (name, data).

        Raises:
            ServerError: the server refuses, or sends the event `error`.
        """
        name = ""
        for line in self.lines(path, body):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
                if name == "error":
                    raise ServerError(Failure.model_validate_json(data).error)
                yield name, data

    def lines(self, path: str, body: Body) -> Iterator[str]:
        """Send JSON, get lines as they come.

        Raises:
            ServerError: as `get`.
        """
        with _worded(self.url), self._http.stream("POST", path, json=dict(body)) as response:
            if response.is_error:
                response.read()
                _checked(response)
            yield from _lines(response.iter_text())

    def put_blob(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Store a blob unless the server has it."""
        with _worded(self.url):
            if self._http.head(f"/api/blobs/{digest}").status_code == httpx.codes.OK:
                return
            response = self._http.post(f"/api/blobs/{digest}", content=chunks)
        _checked(response)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Body | None = None,
    ) -> httpx.Response:
        with _worded(self.url):
            response = self._http.request(
                method, path, params=params, json=dict(body) if body is not None else None
            )
        return _checked(response)


@contextmanager
def connect(settings: Settings, report: Report, needs: Needs = "knowledge") -> Iterator[Client]:
    """Speak to the server that has our data open; without one, start one for as long as needed.

    Args:
        needs: "engine" models alone; "answers" also a chat model.
    Raises:
        LibraryLockedError: the data directory is held by a process that does not answer.
    """
    url = find_server(settings, needs)
    if url is not None:
        client = Client(url, key=key_for(settings, url), trust=trust_of(settings, url))
        try:
            yield client
        finally:
            client.close()
        return
    token = secrets.token_urlsafe(32)
    with _private_server(settings, report, needs, token) as private_url:
        client = Client(private_url, is_private=True, key=token)
        try:
            yield client
        finally:
            client.close()


def find_server(settings: Settings, needs: Needs) -> str | None:
    """Look for a running server of our data directory: where it should be, where it says it is.

    Raises:
        ServerError: OLLAMA_HOST names a server for models, and it does not answer; or our server
            does not take our key.
    """
    if needs == "engine" and settings.ollama_host:
        url = url_of(*settings.ollama_host)
        if not _is_engine(url, key_for(settings, url), trust_of(settings, url)):
            raise ServerError(
                f"could not connect to the server at {url} that OLLAMA_HOST names; "
                "start it with `quire serve --engine-only`, or unset the variable"
            )
        return url
    for url in dict.fromkeys((settings.url, noted_url(settings.home))):
        key, trust = key_for(settings, url), trust_of(settings, url)
        status = ask_status(url, key, trust) if url else None
        if status is None and url and url == noted_url(settings.home):
            _check_admission(url, key, trust)
        if status is None or Path(status.home) != settings.home:
            continue
        if status.mode == "full" or needs == "engine":
            return url
    return None


def _check_admission(url: str, key: str, trust: Trust) -> None:
    """Say so if the server of our data directory is there, but does not take what we show.

    Raises:
        ServerError: it asks for a key.
    """
    try:
        found = httpx.get(
            f"{url}/kb/status", timeout=PROBE_S, trust_env=False, headers=shown(key), verify=trust
        )
    except httpx.HTTPError:
        return
    if found.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ServerError(
            f"the server at {url} does not take the key of QUIRE_KEY: unset it, or set it to one "
            "that `quire keys list` shows as open",
            found.status_code,
        )


def key_for(settings: Settings, url: str) -> str:
    """Choose what to show to a server: the key that was set, or the token that it left here."""
    # Last, as it may be meant for Ollama's cloud; Ollama's own clients show it to any server.
    return settings.own_key or token_here(settings.home, url) or settings.ollama_key


def shown(key: str) -> dict[str, str]:
    """Give the header that shows a key; none without one."""
    return {"authorization": f"Bearer {key}"} if key else {}


def ask_status(url: str, key: str = "", trust: Trust = True) -> StatusOut | None:
    """Ask who answers at an address; None if nobody, or somebody else."""
    try:
        response = httpx.get(
            f"{url}/kb/status", timeout=PROBE_S, trust_env=False, headers=shown(key), verify=trust
        )
        return StatusOut.model_validate_json(response.content) if response.is_success else None
    except (httpx.HTTPError, ValidationError):
        return None


def _is_engine(url: str, key: str, trust: Trust) -> bool:
    try:
        found = httpx.get(
            f"{url}/api/version", timeout=PROBE_S, trust_env=False, headers=shown(key), verify=trust
        )
    except httpx.HTTPError:
        return False
    if found.status_code == httpx.codes.UNAUTHORIZED:
        raise ServerError(
            f"the server at {url} that OLLAMA_HOST names asks for a key: set QUIRE_KEY to one that "
            "`quire keys add` made there",
            found.status_code,
        )
    return found.is_success


def who_listens(url: str, trust: Trust = True) -> str:
    """Name the program that answers at an address, for an error message."""
    status = ask_status(url, "", trust)
    if status is not None:
        return f"another Quire (pid {status.pid}, data in {status.home})"
    try:
        response = httpx.get(f"{url}/api/version", timeout=PROBE_S, trust_env=False, verify=trust)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            return "a server that asks for a key"
        version = json.loads(response.content)["version"] if response.is_success else ""
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return "another program"
    return f"an Ollama (version {version})" if version else "another program"


def noted_url(home: Path) -> str:
    """Read where the server of a data directory said that it listens."""
    try:
        return (home / ADDRESS_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@contextmanager
def noting(home: Path, url: str) -> Iterator[None]:
    """Note for the time of the context where this server listens."""
    note = home / ADDRESS_FILE
    new = note.with_suffix(".new")
    new.write_text(url + "\n", encoding="ascii")
    new.replace(note)  # whoever reads it finds all of it or nothing
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


@contextmanager
def _private_server(settings: Settings, report: Report, needs: Needs, token: str) -> Iterator[str]:
    from dataclasses import replace

    from app.access.only import Only
    from app.compose import compose, compose_engine
    from app.server import bind, build_app, running

    # For this command alone, and gone with it: no keys of users, but one of its own.
    plain = replace(settings.keeping, tls_cert=None, tls_key=None)
    own = replace(settings, host="127.0.0.1", port=0, auth="off", keeping=plain)
    opening = (
        compose_engine(own)
        if needs == "engine"
        else compose(own, report, is_chat_needed=needs == "answers")
    )
    with opening as parts:
        app = build_app(parts, has_ui=False)
        app.add_middleware(Only, token=token)
        with running(app, bind(own.host, 0)) as url:
            yield url


@contextmanager
def _worded(url: str) -> Iterator[None]:
    """Put a broken connection into words that help."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise ServerError(
            f"no answer from {url} for {PATIENCE_S:.0f} s: is it overloaded?"
        ) from error
    except httpx.HTTPError as error:
        raise ServerError(f"the server at {url} went away: {error}") from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        try:
            text = Failure.model_validate_json(response.content).error
        except ValidationError:
            text = response.text[:500] or f"HTTP status {response.status_code}"
        raise ServerError(text, response.status_code)
    return response


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Cut at line feeds only: JSON may hold what `iter_lines` takes for the end of a line."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from whole
    if rest:
        yield rest


def _read(response: httpx.Response, shape: type[T]) -> T:
    try:
        return shape.model_validate_json(response.content)
    except ValidationError as error:
        raise ServerError(
            f"{response.request.url}: not the answer of a Quire server ({error.errors()[0]['msg']})"
        ) from error
