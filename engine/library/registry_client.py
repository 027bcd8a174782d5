"""Requests of the registry protocol in, responses out; the library's only speaker of HTTP."""

from __future__ import annotations

import json
import platform
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import httpx

from engine.errors import RegistryError
from engine.library.names import ModelName
from engine.version import OLLAMA_VERSION

_USER_AGENT = f"ollama/{OLLAMA_VERSION} ({platform.machine()} {platform.system().lower()}) quire"
_TIMEOUT = httpx.Timeout(connect=15.0, read=30.0, write=30.0, pool=30.0)
_MAX_REDIRECTS = 10
_MAX_SMALL_BYTES = 8 * 1024 * 1024
_CHALLENGE_PART = re.compile(r'(\w+)="([^"]*)"')


class FileMissingError(RegistryError):
    """The registry answered 404."""

    def __init__(self) -> None:
        super().__init__("file does not exist")


class Registry:
    """One repository of one registry; a context manager, used by one thread."""

    def __init__(self, name: ModelName, *, scheme: str, insecure: bool) -> None:
        self.base = f"{scheme}://{name.host}/v2/{name.namespace}/{name.model}"
        self._scope = f"repository:{name.namespace}/{name.model}:"
        self._host = name.host
        self._insecure = insecure
        self._token: str | None = None
        self._client = httpx.Client(
            headers={"User-Agent": _USER_AGENT},
            timeout=_TIMEOUT,
            verify=not insecure,
            max_redirects=_MAX_REDIRECTS,
            # A redirect to plain HTTP is refused here too: the hook sees every hop.
            event_hooks={"request": [self._check_scheme]},
        )

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        is_following: bool = True,
    ) -> Iterator[httpx.Response]:
        """Send a request; give the response with its body still to be read.

        A refusal for want of a token is answered once, by asking for one. A redirect to another
        host is followed without the token.

        Raises:
            FileMissingError: 404.
            RegistryError: any other refusal; the message is the registry's.
            httpx.TransportError: no answer; may go away by itself.
        """
        sent = dict(headers or {})
        for is_last in (False, True):
            if self._token and httpx.URL(url).netloc == httpx.URL(self.base).netloc:
                sent["Authorization"] = f"Bearer {self._token}"
            request = self._client.build_request(method, url, headers=sent, content=content)
            response = self._client.send(request, stream=True, follow_redirects=is_following)
            try:
                if response.status_code == 401 and not is_last:
                    self._fetch_token(response.headers.get("WWW-Authenticate", ""), method)
                    continue
                _raise_for(response)
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

    def _fetch_token(self, challenge: str, method: str) -> None:
        scheme, _, rest = challenge.partition(" ")
        parts = dict(_CHALLENGE_PART.findall(rest))
        realm = parts.get("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise RegistryError("unauthorized: access denied")
        if httpx.URL(realm).host != httpx.URL(self.base).host:
            raise RegistryError(f"registry {self._host} sends tokens' seekers elsewhere: {realm}")
        actions = "pull" if method in {"GET", "HEAD"} else "pull,push"
        query = {
            "service": parts.get("service", self._host),
            "scope": parts.get("scope", self._scope + actions),
            "ts": str(int(time.time())),
            "nonce": secrets.token_urlsafe(16),
        }
        # Without a signature: public models need none.
        with self._client.stream("GET", realm, params=query) as response:
            if response.status_code != 200:
                raise RegistryError("unauthorized: access denied")
            token = _token_in(_limited(response))
        if token is None:
            raise RegistryError("unauthorized: access denied")
        self._token = token


def _raise_for(response: httpx.Response) -> None:
    status = response.status_code
    if status == 404:
        raise FileMissingError
    if status == 401:
        raise RegistryError("unauthorized: access denied")
    # 416: the part that we have is of no use; 5xx and 429 may go away by themselves.
    if status >= 500 or status == 429:
        raise httpx.TransportError(f"{status}: {_said(response)}")
    if status >= 400 and status != 416:
        raise RegistryError(f"{status}: {_said(response)}")


def _said(response: httpx.Response) -> str:
    try:
        text = _limited(response).decode("utf-8", errors="replace").strip()
    except (RegistryError, httpx.HTTPError):
        text = ""
    return text[:300] or response.reason_phrase


def _limited(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
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
