"""The native routes about models on disk: list, show, pull, push, create, copy, delete, blobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.checks import find
from engine.api.frames import json_response, progress_lines, tag_object
from engine.api.show import show_body
from engine.api.stream import Framing, gather, stream
from engine.api.wire import CopyWire, CreateWire, NamedWire, PullWire, ShowWire
from engine.errors import (
    BlobNotFoundError,
    DigestError,
    GgufError,
    ModelNotFoundError,
    ModelRequiredError,
    RequestError,
)
from engine.library.create import create
from engine.library.names import parse
from engine.library.registry import pull, push
from engine.library.store import Library
from engine.types import CreateRequest, Progress

if TYPE_CHECKING:
    from engine.engine import Engine

_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
_UNSUPPORTED = (
    "adapters",
    "draft_files",
    "quantize",
    "quantization",
    "draft_quantize",
    "renderer",
    "parser",
    "requires",
    "info",
    "remote_host",
)

Pull = Callable[[Library, str, bool], Iterator[Progress]]


def _pull(library: Library, name: str, is_insecure: bool) -> Iterator[Progress]:
    return pull(library, name, insecure=is_insecure)


def _push(library: Library, name: str, is_insecure: bool) -> Iterator[Progress]:
    return push(library, name, insecure=is_insecure)


@dataclass(frozen=True, slots=True)
class ModelVerbs:
    """What changes the models folder step by step; replaced where no registry answers."""

    pull: Pull = _pull
    push: Pull = _push
    create: Callable[[Library, CreateRequest], Iterator[Progress]] = create


class ModelRoutes:
    """The endpoints below /api that keep models."""

    def __init__(self, engine: Engine, bridge: Bridge, verbs: ModelVerbs) -> None:
        self._engine, self._bridge, self._verbs = engine, bridge, verbs

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["ollama"])
        router.add_api_route("/api/tags", self.tags, methods=["GET"])
        router.add_api_route("/api/tags", self.tags, methods=["HEAD"], include_in_schema=False)
        router.add_api_route("/api/show", self.show, methods=["POST"])
        router.add_api_route("/api/pull", self.pull, methods=["POST"])
        router.add_api_route("/api/push", self.push, methods=["POST"])
        router.add_api_route("/api/create", self.create, methods=["POST"])
        router.add_api_route("/api/copy", self.copy, methods=["POST"])
        router.add_api_route("/api/delete", self.delete, methods=["DELETE"])
        router.add_api_route("/api/blobs/{digest}", self.has_blob, methods=["HEAD"])
        router.add_api_route("/api/blobs/{digest}", self.add_blob, methods=["POST"])
        return router

    async def tags(self) -> Response:
        """List the installed models, newest first."""
        entries = await quick(self._engine.library.entries)
        return json_response({"models": [tag_object(entry) for entry in entries]})

    async def show(self, request: Request) -> Response:
        """Describe one model."""
        wire = await read_body(request, ShowWire)
        if not wire.named:
            raise ModelRequiredError
        changes = {"system": wire.system, "template": wire.template, "options": wire.options}

        def describe() -> dict[str, object]:
            short = parse(wire.named).short
            entry = find(self._engine.library, wire.named, missing=f"model '{short}' not found")
            return show_body(entry, is_verbose=wire.verbose, changes=changes)

        return json_response(await quick(describe))

    async def pull(self, request: Request) -> Response:
        """Fetch a model from its registry."""
        wire = await read_body(request, PullWire)
        parse(wire.named)
        library = self._engine.library
        return await self._progress(
            request, wire.stream, lambda: self._verbs.pull(library, wire.named, wire.insecure)
        )

    async def push(self, request: Request) -> Response:
        """Send a model to its registry."""
        wire = await read_body(request, PullWire)
        if not wire.named:
            raise ModelRequiredError
        parse(wire.named)
        library = self._engine.library
        return await self._progress(
            request, wire.stream, lambda: self._verbs.push(library, wire.named, wire.insecure)
        )

    async def create(self, request: Request) -> Response:
        """Make a model from another one or from uploaded files."""
        wire = await read_body(request, CreateWire)
        wanted = create_request(wire)
        return await self._progress(request, wire.stream, lambda: self._create(wanted))

    async def copy(self, request: Request) -> Response:
        """Give a model a second name."""
        wire = await read_body(request, CopyWire)
        library = self._engine.library
        await quick(lambda: library.copy(wire.source, wire.destination))
        return Response()

    async def delete(self, request: Request) -> Response:
        """Remove a model and the blobs that only it uses."""
        wire = await read_body(request, NamedWire)
        if not wire.named:
            raise ModelRequiredError

        def work() -> None:
            try:
                self._engine.library.delete(wire.named)
            except ModelNotFoundError as error:
                raise ModelNotFoundError(wire.named) from error

        await quick(work)
        return Response()

    async def has_blob(self, digest: str) -> Response:
        """Tell whether a blob is stored."""
        _check_digest(digest)
        if not await quick(lambda: self._engine.library.has_blob(digest)):
            raise BlobNotFoundError(digest)
        return Response()

    async def add_blob(self, digest: str, request: Request) -> Response:
        """Store the body as a blob; a blob that is there already is read past."""
        _check_digest(digest)
        library = self._engine.library
        if await quick(lambda: library.has_blob(digest)):
            # Clients send the whole file before they read an answer.
            async for _ in request.stream():
                pass
            return Response()
        await self._bridge.upload(request, lambda chunks: library.add_blob(chunks, digest))
        return Response(status_code=201)

    def _create(self, wanted: CreateRequest) -> Iterator[Progress]:
        try:
            yield from self._verbs.create(self._engine.library, wanted)
        except GgufError as error:
            # Here the file is part of the request.
            raise RequestError(str(error)) from error

    async def _progress(
        self, request: Request, is_streaming: bool, open_: Callable[[], Iterator[Progress]]
    ) -> Response:
        if is_streaming:
            return await stream(self._bridge, request, open_, Framing(progress_lines))
        await gather(self._bridge, request, open_)
        return json_response({"status": "success"})


def create_request(wire: CreateWire) -> CreateRequest:
    """Check a create request and translate it.

    Raises:
        RequestError: no usable name, nothing to create from, or something not supported.
    """
    parse(wire.named)
    unsupported = [name for name in _UNSUPPORTED if getattr(wire, name)]
    if unsupported:
        raise RequestError(f"create does not support {', '.join(unsupported)} yet")
    if not wire.from_model and not wire.files:
        raise RequestError("neither 'from' or 'files' was specified")
    for path, digest in wire.files.items():
        _check_relative(path)
        _check_digest(digest)
    return CreateRequest(
        model=wire.named,
        from_model=wire.from_model or None,
        files=wire.files or None,
        system=wire.system,
        template=wire.template,
        licenses=tuple(wire.license),
        parameters=wire.parameters,
        messages=tuple(message.message for message in wire.messages),
    )


def _check_relative(path: str) -> None:
    kinds = (PurePosixPath(path), PureWindowsPath(path))
    if any(kind.is_absolute() or kind.drive or ".." in kind.parts for kind in kinds):
        raise RequestError("file path must be relative")


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise DigestError("invalid digest format")
