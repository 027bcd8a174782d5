"""/kb/documents: files in, documents with their texts out, or gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.access.caller import check_collection
from app.api.documents_wire import ListIn
from app.api.errors import UploadError
from app.api.seen import seen_document, seen_documents
from app.api.upload import receive
from app.api.wire import (
    DeletedOut,
    DocumentOut,
    DocumentsOut,
    JobIdOut,
    SpanOut,
    TextOut,
)
from app.compose import UPLOAD_PREFIX
from engine.api.bridge import Bridge
from ingest.knowledge_base import KnowledgeBase

_MAX_AT = 2**40  # characters; no text is longer
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        },
                        "collection": {"type": "string", "default": "default"},
                    },
                }
            }
        },
    }
}


def documents_router(
    kb: KnowledgeBase, bridge: Bridge, *, home: Path, max_file_bytes: int
) -> APIRouter:
    """Build the routes of documents."""
    router = APIRouter(prefix="/kb/documents", tags=["documents"])

    @router.post("", status_code=202, response_model=JobIdOut, openapi_extra=_UPLOAD_BODY)
    async def upload(request: Request) -> JobIdOut:
        """Take files in; ingestion goes on after the answer."""
        content_type = request.headers.get("content-type", "")

        def work(chunks: Iterator[bytes]) -> JobIdOut:
            with TemporaryDirectory(prefix=UPLOAD_PREFIX, dir=home) as folder:
                received = receive(
                    chunks, content_type, Path(folder), max_file_bytes=max_file_bytes
                )
                if not received.files:
                    raise UploadError("no files: send at least one in the field 'files'")
                collection = received.fields.get("collection", "").strip() or "default"
                check_collection(collection)
                return JobIdOut(job_id=kb.submit(collection, received.files))

        return await bridge.upload(request, work)

    @router.get("", response_model=DocumentsOut)
    def documents(asked: Annotated[ListIn, Query()]) -> DocumentsOut:
        """List documents, all collections' or one's; `query` looks into titles and paths."""
        found, total = seen_documents(kb, asked.wanted(), asked.limit, asked.offset)
        return DocumentsOut(documents=[DocumentOut.of(one) for one in found], total=total)

    @router.get("/{document_id}", response_model=DocumentOut)
    def document(document_id: str) -> DocumentOut:
        """Describe one document."""
        return DocumentOut.of(seen_document(kb, document_id))

    @router.delete("/{document_id}", response_model=DeletedOut)
    def delete(document_id: str) -> DeletedOut:
        """Delete a document, its text and its vectors."""
        seen_document(kb, document_id)
        kb.delete_document(document_id)
        return DeletedOut()

    @router.get("/{document_id}/text", response_model=TextOut)
    def text(
        document_id: str,
        start: int = Query(default=0, ge=0, le=_MAX_AT),
        end: int | None = Query(default=None, ge=0, le=_MAX_AT),
    ) -> TextOut:
        """Give the loaded text, which the offsets of hits and citations count in, or a part."""
        found = seen_document(kb, document_id)
        held = kb.text(document_id, start, end)
        last = start + len(held) if end is not None else _MAX_AT
        near, first, total = kb.chunks_in(document_id, start if end is not None else -1, last)
        return TextOut(
            id=found.id,
            path=found.paths[0] if found.paths else "",
            title=found.title,
            text=held,
            chunks=[SpanOut.of(chunk) for chunk in near],
            start=start,
            n_characters=found.n_characters,
            n_chunks=total,
            first_chunk=first if near else 0,
        )

    return router
