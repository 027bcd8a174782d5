"""A stored blob in, the same in a registry out; network, in parts, resumed where that can be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import httpx

from engine.errors import ModelNameError, RegistryError
from engine.library.download import Patience
from engine.library.jobs import Job, Jobs
from engine.library.manifest import Layer
from engine.library.names import parse
from engine.library.partial import Part, plan_parts
from engine.library.registry_client import FileMissingError, Registry
from engine.types import Progress

_CHUNK_BYTES = 256 * 1024
_BYTES = "application/octet-stream"
_SENT = re.compile(r"(?:bytes=)?0-(\d+)")


class _LostSessionError(RegistryError):
    """The registry no longer knows what was sent; all of it must be sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry said to a request whose body does not matter."""

    status: int
    headers: httpx.Headers


@dataclass(frozen=True, slots=True)
class Request:
    """Something to send that may be sent again."""

    method: str
    url: str
    content: bytes | Slice = b""
    headers: dict[str, str] | None = None


class Slice:
    """A run of bytes of a file; may be read several times, and remembers the last sum."""

    def __init__(self, path: Path, job: Job, start: int, end: int) -> None:
        self._path, self._job, self._start, self._end = path, job, start, end
        self._sum = md5(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        self._sum = md5(usedforsecurity=False)
        position = self._start
        with self._path.open("rb") as file:
            file.seek(position)
            while position < self._end and (
                chunk := file.read(min(_CHUNK_BYTES, self._end - position))
            ):
                if self._job.is_stopped:
                    raise RegistryError("the transfer was stopped")
                self._sum.update(chunk)
                yield chunk
                position += len(chunk)
                self._job.done_bytes = position

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers that describe it."""
        return {"Content-Length": str(self._end - self._start), "Content-Type": _BYTES}

    @property
    def sum(self) -> bytes:
        """Give the MD5 of what was read last."""
        return self._sum.digest()


def upload(
    jobs: Jobs, registry: Registry, layer: Layer, path: Path, patience: Patience
) -> Iterator[Progress]:
    """Send one blob, unless the registry has it.

    Raises:
        RegistryError: refused or unreachable.
    """
    status, total = f"pushing {layer.digest[7:19]}", layer.size_bytes
    if not _has(registry, layer.digest, patience):

        def work(job: Job) -> None:
            with registry.again(patience.silence_s) as own:
                _upload(_Upload(own, layer, path, patience), job)

        for done in jobs.follow(object(), work):
            yield Progress(status, layer.digest, total, done)
    yield Progress(status, layer.digest, total, total)


def send(registry: Registry, request: Request, patience: Patience) -> Answer:
    """Send something, again if there is no answer; follow no redirect.

    Raises:
        RegistryError: refused or unreachable.
    """
    for pause_s in patience.pauses():
        try:
            return _send_once(registry, request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if pause_s is None or not isinstance(error, httpx.TransportError):
                said = str(error) or type(error).__name__
                raise RegistryError(f"{request.method} {request.url}: {said}") from error
            patience.sleep(pause_s)
    raise AssertionError("patience has at least one try")


@dataclass(frozen=True, slots=True)
class _Upload:
    registry: Registry
    layer: Layer
    path: Path
    patience: Patience


def _upload(up: _Upload, job: Job) -> None:
    """Send a blob; where a session is lost, begin another one."""
    for pause_s in up.patience.pauses():
        try:
            _session(up, job)
        except _LostSessionError:
            if pause_s is None or job.is_stopped:
                raise
            job.pause(pause_s)
        else:
            return


def _session(up: _Upload, job: Job) -> None:
    start = Request("POST", f"{up.registry.base}/blobs/uploads/{_mount(up)}")
    answer = send(up.registry, start, up.patience)
    if answer.status == 201:  # it took the blob from another repository
        return
    place, sums = _location(up.registry, answer), b""
    parts = plan_parts(up.layer.size_bytes, up.patience.sizes)
    for part in parts:
        place, part_sum = _send_part(up, part, place, job)
        sums += part_sum
    tag = f"{md5(sums, usedforsecurity=False).hexdigest()}-{len(parts)}"
    end = httpx.URL(place).copy_merge_params({"digest": up.layer.digest, "etag": tag})
    send(up.registry, Request("PUT", str(end)), up.patience)


def _send_part(up: _Upload, part: Part, place: str, job: Job) -> tuple[str, bytes]:
    """Send one part; give where the next one goes, and this one's sum."""
    position = part.offset
    for pause_s in up.patience.pauses():
        data = Slice(up.path, job, position, part.end)
        extent = {"Content-Range": f"{position}-{part.end - 1}", "X-Redirect-Uploads": "1"}
        request = Request("PATCH", place, data, data.headers | extent)
        try:
            answer = _send_once(up.registry, request)
        except httpx.TransportError as error:
            if pause_s is None or job.is_stopped:
                raise RegistryError(f"PATCH {place}: {error or type(error).__name__}") from error
            job.pause(pause_s)
            place, position = _arrived(up, part, place)
            if position == part.end:
                return place, data.sum
            continue
        if 300 <= answer.status < 400:
            return _send_elsewhere(up, Slice(up.path, job, part.offset, part.end), answer)
        return _location(up.registry, answer), data.sum
    raise AssertionError("patience has at least one try")


def _send_elsewhere(up: _Upload, data: Slice, answer: Answer) -> tuple[str, bytes]:
    """Send a part to the address that the registry names for it, without our token."""
    target = _joined(up.registry, answer.headers.get("Location", ""))
    send(up.registry, Request("PUT", target, data, data.headers), up.patience)
    place = answer.headers.get("Docker-Upload-Location", "")
    return _joined(up.registry, place), data.sum


def _arrived(up: _Upload, part: Part, place: str) -> tuple[str, int]:
    """Ask how much of a part arrived before the connection broke.

    Source: OCI Distribution Specification 1.1, "Pushing a blob in chunks" (upload status).
    """
    try:
        answer = send(up.registry, Request("GET", place), up.patience)
    except RegistryError as error:
        raise _LostSessionError(f"the upload was interrupted: {error}") from error
    match = _SENT.fullmatch(answer.headers.get("Range", ""))
    position = int(match.group(1)) + 1 if match else -1
    # "0-0" is also what servers say when nothing has arrived.
    if answer.status != 204 or position == 1 or not part.offset <= position <= part.end:
        raise _LostSessionError("the upload was interrupted, and cannot be continued")
    is_told = "Location" in answer.headers or "Docker-Upload-Location" in answer.headers
    return (_location(up.registry, answer) if is_told else place), position


def _mount(up: _Upload) -> str:
    """Ask the registry to take the blob from where the layer came from, if that is its own."""
    try:
        origin = parse(up.layer.origin) if up.layer.origin else None
    except ModelNameError:
        return ""
    if origin is None or not up.registry.base.startswith(
        tuple(f"{scheme}://{origin.host}/" for scheme in ("http", "https"))
    ):
        return ""
    query = {"mount": up.layer.digest, "from": f"{origin.namespace}/{origin.model}"}
    return f"?{httpx.QueryParams(query)}"


def _location(registry: Registry, answer: Answer) -> str:
    headers = answer.headers
    return _joined(registry, headers.get("Docker-Upload-Location") or headers.get("Location") or "")


def _joined(registry: Registry, place: str) -> str:
    if not place:
        raise RegistryError("the registry does not say where to send the file")
    try:
        return str(httpx.URL(registry.base + "/").join(place))
    except httpx.InvalidURL as error:
        raise RegistryError(f"the registry sends the file to no address: {place}") from error


def _has(registry: Registry, digest: str, patience: Patience) -> bool:
    try:
        send(registry, Request("HEAD", f"{registry.base}/blobs/{digest}"), patience)
    except FileMissingError:
        return False
    return True


def _send_once(registry: Registry, request: Request) -> Answer:
    with registry.open(
        request.method,
        request.url,
        headers=request.headers,
        content=request.content,
        is_following=False,
    ) as response:
        return Answer(response.status_code, response.headers)
