"""The native routes about models on disk: list, show, pull, push, create, copy, delete, blobs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.checks import find
from engine.api.frames import (
    details_object,
    json_response,
    progress_lines,
    tag_object,
    virtual_tag,
)
from engine.api.show import Changes, show_body, virtual_body
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
from engine.library.create.checks import check
from engine.library.gguf import read_header
from engine.library.names import parse
from engine.library.registry import push
from engine.library.sharded import pull
from engine.library.store import Library
from engine.library.template.choose import choose_template
from engine.types import CreateRequest, ModelEntry, Progress
from engine.virtual import keep_virtual, virtual_entries, virtual_of

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
_LENGTHS = ("context_length", "embedding_length")
_COPILOT = "GitHubCopilotChat/"

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
        self._lengths: dict[tuple[str, bool], dict[str, int]] = {}  # headers are read only once

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
        return json_response(await quick(self._tags))

    async def show(self, request: Request) -> Response:
        """Describe one model."""
        wire = await read_body(request, ShowWire)
        if not wire.named:
            raise ModelRequiredError
        changes = Changes(wire.system, wire.template, wire.options)
        agent = request.headers.get("user-agent", "")

        def describe() -> dict[str, object]:
            virtual = virtual_of(self._engine, wire.named)
            if virtual is not None:
                return virtual_body(virtual.entry)
            short = parse(wire.named).short
            entry = find(self._engine, wire.named, missing=f"model '{short}' not found")
            body = show_body(
                entry, is_verbose=wire.verbose, changes=changes, in_force=self._in_force
            )
            info = body["model_info"]
            if agent.startswith(_COPILOT) and isinstance(info, dict):
                info["general.basename"] = wire.named  # what that client shows as the name
            return body

        return json_response(await quick(describe))

    async def pull(self, request: Request) -> Response:
        """Fetch a model from its registry."""
        wire = await read_body(request, PullWire)
        keep_virtual(self._engine, wire.named, "pull")
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
        await quick(lambda: keep_virtual(self._engine, wire.named, "push"))
        parse(wire.named)
        library = self._engine.library
        return await self._progress(
            request, wire.stream, lambda: self._verbs.push(library, wire.named, wire.insecure)
        )

    async def create(self, request: Request) -> Response:
        """Make a model from another one or from uploaded files."""
        wire = await read_body(request, CreateWire)
        keep_virtual(self._engine, wire.named, "create")
        await quick(lambda: keep_virtual(self._engine, wire.from_model, "copy"))
        wanted = create_request(wire)
        return await self._progress(request, wire.stream, lambda: self._create(wanted))

    async def copy(self, request: Request) -> Response:
        """Give a model a second name."""
        wire = await read_body(request, CopyWire)
        library = self._engine.library
        await quick(lambda: keep_virtual(self._engine, wire.source, "copy"))
        keep_virtual(self._engine, wire.destination, "create")
        await quick(lambda: library.copy(wire.source, wire.destination))
        return Response()

    async def delete(self, request: Request) -> Response:
        """Remove a model and the blobs that only it uses."""
        wire = await read_body(request, NamedWire)
        if not wire.named:
            raise ModelRequiredError

        def work() -> None:
            keep_virtual(self._engine, wire.named, "delete")
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

    def _tags(self) -> dict[str, object]:
        stored = self._engine.library.entries()
        virtual = virtual_entries(self._engine, stored)
        return {"models": [*map(self._tag, stored), *map(virtual_tag, virtual)]}

    def _tag(self, entry: ModelEntry) -> dict[str, object]:
        # Not by the file's digest: of two models with one file each config may tell otherwise.
        key = (entry.digest, entry.is_readable)
        lengths = self._lengths.get(key)
        if lengths is None:
            lengths = lengths_of(entry)
            self._lengths[key] = lengths
        return tag_object(entry) | {"details": details_object(entry.details) | lengths}

    def _in_force(self, entry: ModelEntry) -> str | None:
        choice = choose_template(
            entry.template,
            entry.chat_template,
            family=entry.details.family,
            config=entry.config,
            go_setting=self._engine.settings.go_template,
        )
        return choice.text or None

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


def lengths_of(entry: ModelEntry) -> dict[str, int]:
    """Tell context and embedding length: in the config's words, else in the header's."""
    told = {key: entry.config.get(key) for key in _LENGTHS}
    if entry.is_readable and not all(told.values()):
        try:
            header = read_header(entry.model_path, max_items=0)
        except GgufError as error:
            log.warning("gguf_unreadable file=%s reason=%s", entry.model_path.name, error)
        else:
            arch = header.architecture
            told = {key: told[key] or header.metadata.get(f"{arch}.{key}") for key in _LENGTHS}
    return {key: value for key, value in told.items() if isinstance(value, int) and value}


def create_request(wire: CreateWire) -> CreateRequest:
    """Check a create request and translate it.

    Raises:
        RequestError: a field is wrong, or the model is one of a remote host.
        EngineError: no such type of quantization.
    """
    parse(wire.named)
    if wire.remote_host:
        raise RequestError(
            f"remote_host {wire.remote_host!r}: this engine runs models of its own machine only; "
            "create the model from a local one"
        )
    wanted = CreateRequest(
        model=wire.named,
        from_model=wire.from_model or None,
        files=wire.files,
        adapters=wire.adapters or None,
        draft_files=wire.draft_files or None,
        quantize=wire.quantize or wire.quantization,
        draft_quantize=wire.draft_quantize,
        renderer=wire.renderer,
        parser=wire.parser,
        requires=wire.requires,
        info=wire.info or None,
        system=wire.system,
        template=wire.template,
        licenses=tuple(wire.license),
        parameters=wire.parameters,
        messages=tuple(message.message for message in wire.messages),
    )
    check(wanted)
    return wanted


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise DigestError("invalid digest format")
