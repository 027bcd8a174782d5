"""The routes of the documents page of the small server: windows of texts, pictures of pages."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from tests.ui.fake_api import World

N_PAGES = 3


def page_png(page: int, *, is_marked: bool) -> bytes:
    """Draw a page as the server would."""
    picture = Image.new("RGB", (595, 842), "white")
    pen = ImageDraw.Draw(picture)
    if is_marked:
        pen.rectangle((60, 120, 420, 138), fill=(255, 221, 87))
    for line in range(20):
        pen.text((64, 122 + line * 24), f"Page {page}, line {line + 1} of the manual", fill="black")
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


def add_documents_routes(app: FastAPI, world: World) -> None:
    """Add them."""

    _add_text_routes(app, world)

    @app.get("/kb/documents/{document_id}/pages/{page}/image")
    def image(document_id: str, page: int, request: Request):
        if document_id not in world.documents:
            return _gone(document_id)
        if "gone" in world.documents[document_id]["path"]:
            return JSONResponse({"error": "the original file was not kept"}, 404)
        if not 1 <= page <= N_PAGES:
            return JSONResponse({"error": f"no page {page}: it has {N_PAGES}"}, 404)
        starts = request.query_params.getlist("start")
        is_scan = "scan" in world.documents[document_id]["path"]
        is_here = bool(starts) and page == 2 and not is_scan
        reason = "scan" if is_scan else "" if is_here or not starts else "other page"
        headers = {"X-Quire-Mark": "exact" if is_here else "none", "X-Quire-Pages": str(N_PAGES)}
        headers["X-Quire-Mark-Reason"] = reason
        world.done.append(f"page {page} {','.join(starts)}")
        return Response(page_png(page, is_marked=is_here), 200, headers, "image/png")

    @app.get("/kb/documents/{document_id}/consequences")
    def consequences(document_id: str):
        if document_id not in world.documents:
            return _gone(document_id)
        one = world.documents[document_id]
        watched = [one["path"]] if one["path"].startswith("/home") else []
        quoting = [{"id": "c1", "title": "Leave <b>and</b> travel"}] if watched else []
        told = {"n_chunks": one["n_chunks"], "watched": watched, "has_original": False}
        return told | {"conversations": quoting, "n_conversations": len(quoting)}

    @app.get("/kb/statistics")
    def statistics(collection: str = ""):
        held = [one for one in world.documents.values() if collection in ("", one["collection"])]
        return {
            "n_documents": len(held),
            "n_bytes": sum(one["size_bytes"] for one in held),
            "n_characters": sum(one["n_characters"] for one in held),
            "n_chunks": sum(one["n_chunks"] for one in held),
            "types": _bars(held, lambda one: one["media_type"]),
            "collections": _bars(held, lambda one: one["collection"]),
            "folders": _bars(held, lambda one: one["path"].rpartition("/")[0]),
            "days": _bars(held, lambda one: one["added_at"][:10]),
            "passages": _bars(held, lambda one: str(one["n_chunks"])),
            "n_originals": 0,
            "original_bytes": 0,
        }

    _add_collection_routes(app, world)


def _add_text_routes(app: FastAPI, world: World) -> None:
    @app.get("/kb/documents")
    def documents(
        collection: str = "", query: str = "", limit: int = 100, offset: int = 0, media_type=""
    ):
        wanted = {"collection": collection, "media_type": media_type}
        found = [
            one
            for one in world.documents.values()
            if query.casefold() in one["path"].casefold()
            and all(value in ("", one[key]) for key, value in wanted.items())
        ]
        return {"documents": found[offset : offset + limit], "total": len(found)}

    @app.get("/kb/documents/{document_id}")
    def document(document_id: str):
        if document_id not in world.documents:
            return _gone(document_id)
        return world.documents[document_id]

    @app.get("/kb/documents/{document_id}/text")
    def text(document_id: str, start: int = 0, end: int | None = None):
        if document_id not in world.texts:
            return JSONResponse({"error": f"no document '{document_id}'"}, 404)
        whole, one = world.texts[document_id], world.documents[document_id]
        chunks = world.chunks(whole)
        near = [
            at
            for at, chunk in enumerate(chunks)
            if end is None or (chunk["start"] < end and chunk["end"] > start)
        ]
        told = {"id": document_id, "path": one["path"], "title": one["title"]}
        told |= {"start": start, "n_characters": len(whole), "n_chunks": len(chunks)}
        told |= {"first_chunk": near[0] if near else 0, "chunks": [chunks[at] for at in near]}
        return told | {"text": whole[start:end]}


def _add_collection_routes(app: FastAPI, world: World) -> None:
    @app.post("/kb/collections", status_code=201)
    async def create(request: Request):
        name = (await request.json())["name"]
        if "/" in name:
            return JSONResponse({"error": f"{name!r} cannot be a collection's name"}, 400)
        world.done.append(f"create {name}")
        return {"name": name}

    @app.delete("/kb/collections/{name}")
    def delete(name: str):
        world.done.append(f"drop {name}")
        held = [key for key, one in world.documents.items() if one["collection"] == name]
        for key in held:
            del world.documents[key], world.texts[key]
        return {"deleted": True}

    @app.post("/kb/collections/{name}/reindex", status_code=202)
    def reindex(name: str):
        world.done.append(f"reindex {name}")
        return {"job_id": "r1"}


def add_pdf(world: World, id_: str = "p1", path: str = "/home/ann/manual.pdf") -> None:
    """Let the server have a PDF of a few pages."""
    world.add(id_, path, "# Heron lamp\n\nThe lamp weighs 3.2 kilograms. It hangs on a wall.\n")
    world.documents[id_] |= {"media_type": "application/pdf"}


def _gone(document_id: str) -> JSONResponse:
    return JSONResponse({"error": f"document '{document_id}' not found"}, 404)


def _bars(held: list[dict], name) -> list[dict]:
    counts = Counter(map(name, held))
    sizes = Counter()
    for one in held:
        sizes[name(one)] += one["size_bytes"]
    return [{"name": key, "n": n, "n_bytes": sizes[key]} for key, n in sorted(counts.items())]
