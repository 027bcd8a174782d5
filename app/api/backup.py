"""POST /kb/backup: the whole library as one archive, streamed while the server goes on."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from app.backup.errors import BackupBusyError, BackupError, NoRoomError
from app.backup.models import in_use
from app.backup.record import Taken, note
from app.backup.take import Backup, Wanted
from app.compose import Parts

MEDIA_TYPE = "application/zstd"
_STATUS: tuple[tuple[type[BackupError], int], ...] = ((BackupBusyError, 409), (NoRoomError, 507))


def install_backup_errors(app: FastAPI) -> None:
    """Let `app` answer what a backup refuses with `{"error": text}`."""

    async def refuse(_: Request, error: Exception) -> Response:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        return JSONResponse({"error": str(error)}, status)

    app.add_exception_handler(BackupError, refuse)


def backup_router(parts: Parts) -> APIRouter:
    """Build the route that takes a backup."""
    router = APIRouter(prefix="/kb/backup", tags=["backup"])

    @router.post(
        "",
        response_class=StreamingResponse,
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
        },
    )
    def take() -> StreamingResponse:
        """Take a backup: `quire restore` puts it in place, `quire backup --verify` checks it."""
        settings = parts.settings
        chat = parts.beats.chat_model if parts.beats is not None else ""
        backup = Backup(settings.home, Wanted(in_use(settings, chat, parts.engine.library)))
        stamp = backup.manifest.made_at[:19].replace(":", "").replace("-", "")
        name = f"quire-{stamp}.tar.zst"
        return StreamingResponse(
            _streamed(parts, backup),
            media_type=MEDIA_TYPE,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return router


def _streamed(parts: Parts, backup: Backup) -> Iterator[bytes]:
    n_bytes = 0
    with backup:  # also when the caller goes away in the middle
        for piece in backup.stream():
            n_bytes += len(piece)
            yield piece
    note(parts.settings.home, Taken(backup.manifest.made_at, "api", n_bytes))
