"""The server's REST API as typed calls; speaks HTTP and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import BinaryIO

import httpx

from ui.errors import RefusedError, ServerGoneError
from ui.shapes import (
    Collection,
    Document,
    Index,
    Job,
    Json,
    Migration,
    Status,
    Text,
    Watched,
    collection_from,
    document_from,
    index_from,
    job_from,
    migration_from,
    objects,
    status_from,
    text_from,
    watched_from,
)
from ui.stream import Event, events_of

_CONNECT_S = 5.0
_READ_S = 20.0
_UPLOAD_S = 600.0  # a large file on a slow disk
_ANSWER_S = 600.0  # silence between two events; a cold model on a small machine loads in it


@cache
def _authorities() -> ssl.SSLContext:
    """Read once whom to believe: that takes 20 ms, and a page opens some ten clients."""
    return httpx.create_ssl_context(trust_env=False)


class Client:
    """A connection to one server; use it as a context manager.

    Args:
        token: a key or the token of a login; empty where the server asks for none.
    Raises:
        ServerGoneError: from any call, if nobody answers.
        RefusedError: from any call, if the server answers with an error.
    """

    def __init__(self, api_url: str, token: str = "") -> None:
        self.api_url = api_url.rstrip("/")
        # Proxies of the environment are ignored: what the user asks goes to this server only.
        self._http = httpx.Client(
            base_url=self.api_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            trust_env=False,
            verify=_authorities(),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def is_there(self) -> bool:
        """Tell whether anybody answers."""
        try:
            with self._named_errors():
                self._http.get("/healthz", timeout=_CONNECT_S)
        except ServerGoneError:
            return False
        return True

    def who(self) -> Json:
        """Ask whom the server takes us for; nothing if it knows of no such thing."""
        with _missing_is_nothing():
            return self._json("GET", "/kb/me")
        return {}

    def status(self) -> Status:
        """Ask how the server is."""
        return status_from(self._json("GET", "/kb/status"))

    def collections(self) -> list[Collection]:
        """List the collections."""
        answer = self._json("GET", "/kb/collections")
        return [collection_from(one) for one in objects(answer, "collections")]

    def documents(
        self, collection: str, *, query: str = "", limit: int = 20, offset: int = 0
    ) -> tuple[list[Document], int]:
        """List documents, with the number that there are in all."""
        asked: dict[str, str | int] = {
            "collection": collection,
            "query": query,
            "limit": limit,
            "offset": offset,
        }
        answer = self._json("GET", "/kb/documents", params=asked)
        found = [document_from(one) for one in objects(answer, "documents")]
        total = answer.get("total")
        return found, total if isinstance(total, int) else len(found)

    def text(self, document_id: str) -> Text:
        """Fetch a document's text with its chunks."""
        return text_from(self._json("GET", f"/kb/documents/{document_id}/text"))

    def delete(self, document_id: str) -> None:
        """Delete a document."""
        self._json("DELETE", f"/kb/documents/{document_id}")

    def upload(self, collection: str, files: Sequence[tuple[str, BinaryIO]]) -> str:
        """Send files to be stored; returns the id of the job."""
        parts = [("files", (name, content)) for name, content in files]
        limits = httpx.Timeout(_UPLOAD_S, connect=_CONNECT_S)
        with self._named_errors():
            response = self._http.post(
                "/kb/documents", data={"collection": collection}, files=parts, timeout=limits
            )
            return str(_read(response).get("job_id", ""))

    def jobs(self, limit: int = 50) -> list[Job]:
        """List the latest jobs, newest first."""
        answer = self._json("GET", "/kb/jobs", params={"limit": limit})
        return [job_from(one) for one in objects(answer, "jobs")]

    def retry(self, job_id: str, path: str = "") -> Job:
        """Ask for what failed of a job to be done once more; of one file, or of all."""
        asked = {"path": path} if path else {}
        return job_from(self._json("POST", f"/kb/jobs/{job_id}/retry", params=asked))

    def cancel(self, job_id: str) -> Job:
        """Ask for the rest of a job to be left undone."""
        return job_from(self._json("POST", f"/kb/jobs/{job_id}/cancel"))

    def watched(self) -> list[Watched]:
        """List the folders that are kept indexed."""
        return [watched_from(one) for one in objects(self._json("GET", "/kb/watched"), "watched")]

    def watch(self, folder: str, collection: str) -> None:
        """Keep a folder of the server's machine indexed."""
        self._json("POST", "/kb/watched", body={"folder": folder, "collection": collection})

    def confirm(self, folder: str, collection: str) -> None:
        """Say that what is gone from a folder is meant to be gone."""
        body = {"folder": folder, "collection": collection}
        self._json("POST", "/kb/watched/confirm", body=body)

    def unwatch(self, folder: str, collection: str, *, is_forgotten: bool) -> None:
        """End a watch.

        Args:
            is_forgotten: its documents are taken out too.
        """
        asked = {"folder": folder, "collection": collection, "forget": str(is_forgotten).lower()}
        self._json("DELETE", "/kb/watched", params=asked)

    def migrations(self) -> list[Migration]:
        """List the changes of embedding model; none if the server knows of no such thing."""
        with _missing_is_nothing():
            return [migration_from(one) for one in self._list("/kb/migrations", "migrations")]
        return []

    def revert(self, collection: str) -> None:
        """Go back to the embedding model that a collection had before."""
        self._json("POST", "/kb/migrations/revert", body={"collection": collection})

    def index(self) -> Index | None:
        """Ask how the search index stands; None if the server does not say."""
        with _missing_is_nothing():
            return index_from(self._json("GET", "/kb/index"))
        return None

    def rebuild(self) -> None:
        """Ask for the search index to be made anew."""
        self._json("POST", "/kb/index/rebuild")

    def compact(self) -> None:
        """Ask for what was deleted to be wiped from the disk now."""
        self._json("POST", "/kb/index/compact")

    def conversations(self, query: str = "", before: str = "", limit: int = 50) -> Json:
        """List conversations, last used first; `next` in it is `before` of the next page."""
        asked: dict[str, str | int] = {"q": query, "before": before, "limit": limit}
        return self._json("GET", "/kb/conversations", params=asked)

    def conversation(self, conversation_id: str) -> Json:
        """Fetch all that was said."""
        return self._json("GET", f"/kb/conversations/{conversation_id}")

    def begin_conversation(self, collection: str) -> str:
        """Begin a conversation; returns its id."""
        answer = self._json("POST", "/kb/conversations", body={"collection": collection})
        return str(answer.get("id", ""))

    def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title."""
        self._json("PATCH", f"/kb/conversations/{conversation_id}", body={"title": title})

    def delete_conversation(self, conversation_id: str) -> None:
        """Delete a conversation."""
        self._json("DELETE", f"/kb/conversations/{conversation_id}")

    def export_conversation(self, conversation_id: str, *, is_json: bool = False) -> str:
        """Fetch a conversation as Markdown, or as JSON that can be imported."""
        asked = {"format": "json" if is_json else "markdown"}
        with self._named_errors():
            response = self._http.get(f"/kb/conversations/{conversation_id}/export", params=asked)
        if response.is_error:
            raise _refusal(response)
        return response.text

    @contextmanager
    def ask(
        self,
        question: str,
        collection: str,
        history: Sequence[Mapping[str, str]] = (),
        *,
        conversation_id: str = "",
        model: str = "",
    ) -> Iterator[Iterator[Event]]:
        """Ask a question; leaving the context ends the answer on the server too.

        Args:
            history: what was said before; in a conversation the server knows it.
        """
        body = {"question": question, "collection": collection, "stream": True}
        body |= {"conversation_id": conversation_id} if conversation_id else {}
        body |= {"model": model} if model else {}
        limits = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        with (
            self._named_errors(),
            self._http.stream(
                "POST", "/kb/query", json={**body, "history": list(history)}, timeout=limits
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise _refusal(response)
            with events_of(response) as events:
                yield events

    def _json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Json | None = None,
    ) -> Json:
        with self._named_errors():
            return _read(self._http.request(method, path, params=params, json=body))

    def _list(self, path: str, key: str) -> list[Json]:
        """Fetch a list, bare or under a key."""
        with self._named_errors():
            response = self._http.get(path)
        if response.is_error:
            raise _refusal(response)
        found = _any(response)
        return objects(found if isinstance(found, dict) else {key: found}, key)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerGoneError(self.api_url) from error


def _read(response: httpx.Response) -> Json:
    if response.is_error:
        raise _refusal(response)
    found = _parsed(response)
    if found is None:
        raise RefusedError(response.status_code, f"not an answer of Quire: {response.text[:200]}")
    return found


def _refusal(response: httpx.Response) -> RefusedError:
    said = (_parsed(response) or {}).get("error") or response.reason_phrase
    after = response.headers.get("retry-after", "")
    wait = float(after) if after.isascii() and after.isdecimal() else None
    return RefusedError(response.status_code, str(said), wait)


def _parsed(response: httpx.Response) -> Json | None:
    found = _any(response)
    return found if isinstance(found, dict) else None


def _any(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


@contextmanager
def _missing_is_nothing() -> Iterator[None]:
    """Let a route that the server does not have be nothing."""
    try:
        yield
    except RefusedError as error:
        if error.status not in (404, 405):
            raise
