"""A blob's address in, responses with its bytes out; network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from engine.errors import RegistryError
from engine.library.partial import Part
from engine.library.registry_client import FileMissingError, Registry

_MAX_HOPS = 10
_AS_IT_IS = {"Accept-Encoding": "identity"}


class Source:
    """Where a blob's bytes come from: its registry, or where that one redirects to.

    Used by several threads.
    """

    def __init__(self, registry: Registry, url: str, total: int) -> None:
        self._registry, self._url, self._total = registry, url, total
        self._direct: str | None = None

    def probe(self) -> bool:
        """Follow the redirects once; say whether parts can be had.

        Raises:
            FileMissingError: there is no such blob.
            RegistryError: refused, or it has another length than promised.
            httpx.TransportError: no answer; may go away by itself.
        """
        length = self._length()
        if length not in {None, str(self._total)}:
            raise RegistryError(
                f"{self._url} has {length} bytes, not the {self._total:,} that the manifest "
                "promises"
            )
        url = self._url
        for _ in range(_MAX_HOPS):
            headers = _AS_IT_IS | {"Range": "bytes=0-0"}
            with self._registry.open("GET", url, headers=headers, is_following=False) as response:
                if not response.has_redirect_location:
                    self._direct = url
                    return response.status_code == 206
                url = str(response.url.join(response.headers["Location"]))
        raise RegistryError(f"{self._url} is redirected more than {_MAX_HOPS} times")

    @contextmanager
    def open(self, part: Part | None) -> Iterator[httpx.Response]:
        """Ask for what a part lacks, or for everything.

        Raises:
            as `probe`.
        """
        headers = dict(_AS_IT_IS)
        if part is not None:
            headers["Range"] = f"bytes={part.position}-{part.end - 1}"
        url = self._direct or self._url
        with ExitStack() as opened:
            try:
                response = opened.enter_context(self._registry.open("GET", url, headers=headers))
            except httpx.TransportError:
                self._direct = None  # it may have expired; the registry gives another one
                raise
            yield response

    def _length(self) -> str | None:
        """Ask for the length; a server that does not answer HEAD is asked for bytes at once."""
        try:
            # Not followed: addresses that are signed for GET answer HEAD with a refusal.
            with self._registry.open(
                "HEAD", self._url, headers=_AS_IT_IS, is_following=False
            ) as response:
                length: str | None = response.headers.get("Content-Length")
                return None if response.has_redirect_location else length
        except FileMissingError:
            raise
        except RegistryError:
            return None
