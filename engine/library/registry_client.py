"""Requests of the registry protocol in, responses out; the library's only speaker of HTTP."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import httpx

from engine.errors import RegistryError
from engine.library.auth import (
    Challenge,
    fresh_token_url,
    parse_challenge,
    read_or_make_key,
    signature,
)
from engine.library.names import ModelName
from engine.library.reach import ANYWHERE, Reach, bind
from engine.version import OLLAMA_VERSION

_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_MACHINE = _GO_NAMES.get(platform.machine().lower(), platform.machine().lower())
_USER_AGENT = f"ollama/{OLLAMA_VERSION} ({_MACHINE} {platform.system().lower()}) quire"
_TIMEOUT_S = 30.0
_CONNECT_S = 15.0
_MAX_REDIRECTS = 10
_MAX_SMALL_BYTES = 8 * 1024 * 1024
_DENIED = "unauthorized: access denied"


class FileMissingError(RegistryError):
    """The registry answered 404."""

    def __init__(self) -> None:
        super().__init__("file does not exist")


class Registry:
    """One repository of one registry; a context manager, used by several threads.

    Args:
        insecure: plain HTTP and unknown certificates are accepted.
        key_path: what signs requests for tokens; without it they are not signed.
        silence_s: how long an answer may bring nothing.
        reach: where connections may go.
    """

    def __init__(
        self,
        name: ModelName,
        *,
        scheme: str,
        insecure: bool,
        key_path: Path | None = None,
        silence_s: float = _TIMEOUT_S,
        reach: Reach = ANYWHERE,
    ) -> None:
        self.base = f"{scheme}://{name.host}/v2/{name.namespace}/{name.model}"
        self._name, self._scheme, self._insecure = name, scheme, insecure
        self._key_path, self._reach = key_path, reach
        self._token: str | None = None
        self._token_lock = threading.Lock()
        self._client = httpx.Client(
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(silence_s, connect=min(_CONNECT_S, silence_s)),
            verify=not insecure,
            max_redirects=_MAX_REDIRECTS,
            # A redirect to plain HTTP is refused here too: the hook sees every hop.
            event_hooks={"request": [self._check_scheme]},
        )
        bind(self._client, reach)

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def again(self, silence_s: float = _TIMEOUT_S) -> Registry:
        """Give the same repository with connections of its own, and the token so far."""
        other = Registry(
            self._name,
            scheme=self._scheme,
            insecure=self._insecure,
            key_path=self._key_path,
            silence_s=silence_s,
            reach=self._reach,
        )
        other._token = self._token
        return other

    def is_here(self, url: httpx.URL | str) -> bool:
        """Say whether an address is one of this registry's own server."""
        found, own = httpx.URL(url), httpx.URL(self.base)
        return (found.scheme, found.netloc) == (own.scheme, own.netloc)

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | Iterable[bytes] | None = None,
        is_following: bool = True,
    ) -> Iterator[httpx.Response]:
        """Send a request; give the response with its body still to be read.

        A refusal for want of a token is answered once, by asking for one. A redirect to another
        host is followed without the token. A `content` that can be read only once is not sent
        twice: it must be a list, or bytes.

        Raises:
            FileMissingError: 404.
            RegistryError: any other refusal; the message is the registry's.
            httpx.TransportError: no answer, or none that would last; may go away by itself.
        """
        for is_last in (False, True):
            token = self._token
            sent = dict(headers or {})
            if token and self.is_here(url):
                sent["Authorization"] = f"Bearer {token}"
            request = self._client.build_request(method, url, headers=sent, content=content)
            response = self._client.send(request, stream=True, follow_redirects=is_following)
            try:
                if response.status_code == 401 and not is_last and self.is_here(response.url):
                    self._renew_token(token, response.headers.get("WWW-Authenticate", ""))
                    continue
                _raise_for(response, is_ours=self.is_here(response.url))
                yield response
                return
            finally:
                response.close()

    def answers(self) -> bool:
        """Say whether anything answers under this scheme."""
        try:
            with self._client.stream("GET", httpx.URL(self.base).join("/v2/"), timeout=5.0):
                return True
        except httpx.TransportError:
            return False

    def small(self, url: str, accept: str) -> bytes:
        """Get a document that is meant to be small.

        Raises:
            RegistryError, httpx.TransportError: as `open`; also if it is larger than 8 MiB.
        """
        with self.open("GET", url, headers={"Accept": accept}) as response:
            return _limited(response)

    def _check_scheme(self, request: httpx.Request) -> None:
        if request.url.scheme != "https" and not self._insecure:
            raise RegistryError(
                f"insecure protocol {request.url.scheme} to {request.url.host}; "
                "allow it with --insecure if you trust the network"
            )
        # An address as such is refused here as well: a proxy would go there for us.
        self._reach.check_address(request.url.host, request.url.port, request.url.host)

    def _renew_token(self, refused: str | None, header: str) -> None:
        """Answer a challenge, unless another thread has done so meanwhile."""
        with self._token_lock:
            if self._token == refused:
                self._token = self._fetch_token(header)

    def _fetch_token(self, header: str) -> str:
        challenge = parse_challenge(header)
        if challenge is None:
            raise RegistryError(_DENIED)
        if httpx.URL(challenge.realm).netloc != httpx.URL(self.base).netloc:
            raise RegistryError(
                f"registry {self._name.host} sends whoever seeks a token elsewhere: "
                f"{challenge.realm}"
            )
        # Docker's token servers know no signatures; to them everybody is anonymous.
        token = self._signed_token(challenge) or self._token_from(fresh_token_url(challenge), {})
        if token is None:
            raise RegistryError(_DENIED)
        return token

    def _signed_token(self, challenge: Challenge) -> str | None:
        key = read_or_make_key(self._key_path) if self._key_path is not None else None
        if key is None:
            return None
        url = fresh_token_url(challenge)
        return self._token_from(url, {"Authorization": signature(key, str(url))})

    def _token_from(self, url: httpx.URL, headers: dict[str, str]) -> str | None:
        with self._client.stream("GET", url, headers=headers) as response:
            return _token_in(_limited(response)) if response.status_code == 200 else None


def _raise_for(response: httpx.Response, *, is_ours: bool) -> None:
    status = response.status_code
    # An address that we were redirected to may have expired; 5xx and 429 may go away as well.
    if status >= 500 or status == 429 or (status >= 400 and not is_ours):
        raise httpx.TransportError(f"{status}: {_said(response)}")
    if status == 404:
        raise FileMissingError
    if status == 401:
        raise RegistryError(_DENIED)
    if status >= 400:
        raise RegistryError(f"{status}: {_said(response)}")


def _said(response: httpx.Response) -> str:
    try:
        text = _limited(response).decode("utf-8", errors="replace").strip()
    except (RegistryError, httpx.HTTPError):
        text = ""
    return text[:300] or response.reason_phrase


def _limited(response: httpx.Response) -> bytes:
    # Unpacked by nobody: layers of compression turn a thousand bytes into gigabytes in one step.
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise RegistryError(f"an answer comes as {encoding}, which was not asked for")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > _MAX_SMALL_BYTES:
            raise RegistryError(f"an answer has more than {_MAX_SMALL_BYTES:,} bytes")
    return bytes(body)


def _token_in(body: bytes) -> str | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = data.get("token") or data.get("access_token") if isinstance(data, dict) else None
    return found if isinstance(found, str) and found.isprintable() else None
