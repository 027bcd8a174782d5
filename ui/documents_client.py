"""The routes that the documents page uses beside the common ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import quote

from ui.client import Client
from ui.documents_shapes import (
    Consequences,
    PageImage,
    Statistics,
    Wanted,
    Window,
    consequences_from,
    page_image_from,
    statistics_from,
    window_from,
)
from ui.errors import RefusedError
from ui.shapes import Document, document_from, objects

_MAX_SPANS = 20
_PICTURE_S = 60.0  # a drawer that has to start first, on a busy machine


class DocumentsClient(Client):
    """A connection to one server, as the documents page needs it."""

    def __enter__(self) -> DocumentsClient:
        return self

    def document(self, document_id: str) -> Document:
        """Describe one document."""
        return document_from(self._json("GET", f"/kb/documents/{document_id}"))

    def window(self, document_id: str, start: int, end: int) -> Window:
        """Fetch a part of a document's text with the chunks that reach into it."""
        asked = {"start": max(0, start), "end": max(0, start, end)}
        return window_from(self._json("GET", f"/kb/documents/{document_id}/text", params=asked))

    def page_image(
        self,
        document_id: str,
        page: int,
        spans: Sequence[tuple[int, int]] = (),
        *,
        scale: float = 1.5,
    ) -> PageImage:
        """Fetch the picture of a page.

        Args:
            spans: of the document's text, to be marked on it.
        """
        asked: dict[str, float | Sequence[int]] = {
            "scale": scale,
            "start": [start for start, _ in spans[:_MAX_SPANS]],
            "end": [end for _, end in spans[:_MAX_SPANS]],
        }
        with self._named_errors():
            response = self._http.get(
                f"/kb/documents/{document_id}/pages/{page}/image", params=asked, timeout=_PICTURE_S
            )
        if response.is_error or not response.content.startswith(b"\x89PNG"):
            try:
                said = str(response.json().get("error", ""))
            except (ValueError, AttributeError):
                said = ""
            raise RefusedError(response.status_code, said or "not a picture")
        return page_image_from(response.content, response.headers)

    def listed(
        self, collection: str, wanted: Wanted, *, limit: int = 20, offset: int = 0
    ) -> tuple[list[Document], int]:
        """List documents, with the number that there are in all."""
        asked: dict[str, str | int] = {"collection": collection, "limit": limit, "offset": offset}
        asked |= {name: value for name, value in asdict(wanted).items() if value}
        answer = self._json("GET", "/kb/documents", params=asked)
        found = [document_from(one) for one in objects(answer, "documents")]
        total = answer.get("total")
        return found, total if isinstance(total, int) else len(found)

    def consequences(self, document_id: str) -> Consequences:
        """Ask what goes with a document, and what stays."""
        path = f"/kb/documents/{document_id}/consequences"
        return consequences_from(self._json("GET", path))

    def statistics(self, collection: str = "") -> Statistics:
        """Ask what the library holds, or one collection of it."""
        asked = {"collection": collection} if collection else {}
        return statistics_from(self._json("GET", "/kb/statistics", params=asked))

    def create_collection(self, name: str) -> None:
        """Make a collection; one that is there stays as it is."""
        self._json("POST", "/kb/collections", body={"name": name})

    def delete_collection(self, name: str) -> None:
        """Delete a collection with all its documents."""
        self._json("DELETE", f"/kb/collections/{_quoted(name)}")

    def reindex(self, name: str) -> str:
        """Ask for the stored text to be cut and embedded anew; returns the id of the job."""
        answer = self._json("POST", f"/kb/collections/{_quoted(name)}/reindex")
        return str(answer.get("job_id", ""))


def _quoted(name: str) -> str:
    return quote(name, safe="")
