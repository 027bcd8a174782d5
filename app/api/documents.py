"""/kb/documents: files in, documents with their texts out, or gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import APIRouter, Query, Request

from app.api.errors import UploadError
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
                return JobIdOut(job_id=kb.submit(collection, received.files))

        return await bridge.upload(request, work)

    @router.get("", response_model=DocumentsOut)
    def documents(
        collection: str | None = None,
        query: str = "",
        limit: int = Query(default=100, ge=1, le=1000),
        offset: int = Query(default=0, ge=0),
    ) -> DocumentsOut:
        """List documents, all collections' or one's; `query` looks into titles and paths."""
        found, total = kb.documents(collection or None, query=query, limit=limit, offset=offset)
        return DocumentsOut(documents=[DocumentOut.of(one) for one in found], total=total)

    @router.get("/{document_id}", response_model=DocumentOut)
    def document(document_id: str) -> DocumentOut:
        """Describe one document."""
        return DocumentOut.of(kb.document(document_id))

    @router.delete("/{document_id}", response_model=DeletedOut)
    def delete(document_id: str) -> DeletedOut:
        """Delete a document, its text and its vectors."""
        kb.delete_document(document_id)
        return DeletedOut()

    @router.get("/{document_id}/text", response_model=TextOut)
    def text(document_id: str) -> TextOut:
        """Give the loaded text, which the offsets of hits and citations count in."""
        found = kb.document(document_id)
        return TextOut(
            id=found.id,
            path=found.paths[0] if found.paths else "",
            title=found.title,
            text=kb.text(document_id),
            chunks=[SpanOut.of(chunk) for chunk in kb.chunks(document_id)],
        )

    return router
