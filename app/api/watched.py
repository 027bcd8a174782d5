"""/kb/watched: folders here that are kept indexed; only callers on this machine add one."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request

from app.access.caller import check_collection
from app.api.seen import only_seen
from app.api.watched_wire import UnwatchedOut, WatchedListOut, WatchedOut, WatchIn
from app.api.wire import DEFAULT, JobIdOut
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.describe import takes
from ingest.ignore import is_never
from ingest.knowledge_base import KnowledgeBase
from ingest.roots import NotWatchedError


def watched_router(kb: KnowledgeBase, home: Path | None = None) -> APIRouter:
    """Build the routes that list, add, confirm and end.

    Args:
        home: the data directory, whose own files nobody may have read out; None = there is none.
    """
    router = APIRouter(prefix="/kb/watched", tags=["documents"])

    @router.get("", response_model=WatchedListOut)
    def watched() -> WatchedListOut:
        """List the folders that are kept indexed, and what keeps one from being so."""
        found = only_seen(kb.watched(), lambda one: one.collection)
        return WatchedListOut(watched=[WatchedOut.of(one) for one in found])

    @router.post("", status_code=201, response_model=WatchedOut, openapi_extra=takes(WatchIn))
    async def watch(request: Request) -> WatchedOut:
        """Keep a folder indexed, also after a restart, until it is ended."""
        body = await read_body(request, WatchIn)
        check_collection(body.collection)
        # A folder named over the network would let anybody read this machine's files.
        if not is_local(request.client.host if request.client else ""):
            raise HTTPException(403, "folders can be watched from this machine only")
        folder = _folder_of(body.folder)
        if not folder.is_dir():
            raise HTTPException(400, f"{body.folder!r} is not a folder here")
        if home is not None and is_own(folder.resolve(), home.resolve()):
            raise HTTPException(
                400,
                f"{body.folder!r} holds this library's own files, keys among them; name a folder "
                "of documents",
            )
        await quick(lambda: kb.watch(folder, body.collection, is_kept=True))
        return WatchedOut(
            folder=str(folder), collection=body.collection, state="watching", is_kept=True
        )

    @router.post("/confirm", status_code=202, response_model=JobIdOut, openapi_extra=takes(WatchIn))
    async def confirm(request: Request) -> JobIdOut:
        """Take out the documents whose files are gone, however many; for "needs confirmation"."""
        body = await read_body(request, WatchIn)
        check_collection(body.collection)
        folder = _folder_of(body.folder)
        try:
            job_id = await quick(lambda: kb.roots.confirm(folder, body.collection))
        except NotWatchedError as error:
            raise HTTPException(404, str(error)) from error
        return JobIdOut(job_id=job_id)

    @router.delete("", response_model=UnwatchedOut)
    def unwatch(folder: str, collection: str = DEFAULT, forget: bool = False) -> UnwatchedOut:
        """End a watch; the documents stay, unless `forget` says otherwise."""
        check_collection(collection)
        place = _folder_of(folder)
        try:
            return UnwatchedOut(job_id=kb.roots.unwatch(place, collection, is_forgotten=forget))
        except NotWatchedError as error:
            raise HTTPException(404, str(error)) from error

    return router


def is_own(folder: Path, home: Path) -> bool:
    """Tell whether a folder shows files of the data directory, other than its inbox.

    A folder above shows them too, unless the way down is one that no folder has indexed.
    """
    if home.is_relative_to(folder):
        return folder == home or not is_never(home.relative_to(folder).as_posix())
    return folder.is_relative_to(home) and not folder.is_relative_to(home / "inbox")


def is_local(host: str) -> bool:
    """Tell whether an address is this machine's loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _folder_of(text: str) -> Path:
    folder = Path(text).expanduser() if "\0" not in text else Path()
    if not folder.is_absolute():
        raise HTTPException(400, f"{text!r} is not an absolute path")
    return folder
