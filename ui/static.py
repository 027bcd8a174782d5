"""The files of the pages, sent compressed: each is compressed once and kept while there is room.

Streamlit sends them as they are, three megabytes for a first page.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ui.shell import FRAME_SCRIPT, shell

if TYPE_CHECKING:
    from starlette.types import Scope, Send

KEPT_BYTES = 16 * 1024**2  # of compressed files; the pages use about one megabyte
_TYPES: Mapping[str, str] = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LEVEL = 6
_LASTING = "public, immutable, max-age=31536000"  # a name with a hash in it never changes
_PAGE = re.compile(r"[a-z_-]*")  # one word: the addresses of pages; all else is Streamlit's


class Static:
    """Streamlit's folder of files and our one script."""

    def __init__(self, folder: Path) -> None:
        script = Path(__file__).with_name("assets") / FRAME_SCRIPT
        found = (*folder.glob("static/**/*"), script)
        # Only names of this table are served: a path of the request opens no file.
        self._files = {
            f"static/{one.relative_to(folder / 'static').as_posix()}"
            if one != script
            else f"static/{FRAME_SCRIPT}": one
            for one in found
            if one.suffix in _TYPES
        }
        self._kept: dict[str, bytes] = {}
        self._size = 0
        self._lock = Lock()
        version = sha256(script.read_bytes()).hexdigest()[:12]
        self._shell = shell((folder / "index.html").read_text(encoding="utf-8"), version).encode()

    def first_names(self) -> Iterable[str]:
        """List the files that the first page names."""
        page = self._shell.decode()
        return [one for one in re.findall(r'"\./(static/[^"?]+)', page) if one in self._files]

    def compressed(self, name: str) -> bytes:
        """Return a file compressed, as a whole gzip stream."""
        with self._lock:
            found = self._kept.get(name)
        if found is None:
            found = _gzip(self._files[name].read_bytes())
            with self._lock:
                if name not in self._kept and self._size + len(found) <= KEPT_BYTES:
                    self._kept[name] = found
                    self._size += len(found)
        return found

    async def answer(self, scope: Scope, send: Send) -> bool:
        """Answer a request for one of these files or for a page; False: it is for Streamlit."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return False
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", ""))).lstrip("/")
        headers = dict(scope["headers"])
        is_packed = b"gzip" in headers.get(b"accept-encoding", b"")
        if path in self._files and (is_packed or path.endswith(FRAME_SCRIPT)):
            await self._send_file(
                path, send, is_packed=is_packed, has_body=scope["method"] == "GET"
            )
            return True
        if _PAGE.fullmatch(path) and b"text/html" in headers.get(b"accept", b""):
            kind = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-cache")]
            await _send(send, kind, self._shell, has_body=scope["method"] == "GET")
            return True
        return False

    async def _send_file(self, name: str, send: Send, *, is_packed: bool, has_body: bool) -> None:
        from anyio import to_thread

        kind = _TYPES[self._files[name].suffix].encode()
        headers = [
            (b"content-type", kind),
            (b"cache-control", _LASTING.encode()),
            (b"vary", b"Accept-Encoding"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if not is_packed:
            body = await to_thread.run_sync(self._files[name].read_bytes)
            await _send(send, headers, body, has_body=has_body)
            return
        kept = self._kept.get(name)
        body = await to_thread.run_sync(self.compressed, name) if kept is None else kept
        headers.append((b"content-encoding", b"gzip"))
        await _send(send, headers, body, has_body=has_body)


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


async def _send(
    send: Send, headers: list[tuple[bytes, bytes]], body: bytes, *, has_body: bool
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body if has_body else b""})
