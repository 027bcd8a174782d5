"""/kb/models, /kb/machine: which models fit here and why, what a change costs, pulls that go on."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import JSONResponse

from app.api.models_wire import (
    AdviceOut,
    CostOut,
    GpuOut,
    KnownOut,
    MachineOut,
    MistakeOut,
    ModelfileIn,
    ModelfileOut,
    ModelIn,
    PlacementOut,
    PullOut,
    PullsOut,
    ShareOut,
)
from app.compose import Parts, embedder_of
from app.machine import Machine as Measured
from app.modelfiles import check_modelfile
from app.models import EMBEDDING, chat_model_for, is_installed
from app.pulls import PullNotFoundError, PullQueueFullError, Pulls
from app.recommended import KNOWN, advised, fit_of, slow_of
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.checks import find
from engine.api.describe import takes
from engine.errors import OutOfMemoryError
from engine.library.names import parse
from engine.options import merge_options
from engine.placing import DEFAULT_EMBED_CTX, Placer
from engine.runtime.placement import choose_ctx, place
from engine.types import Options, Progress
from engine.virtual import keep_virtual

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.runtime.devices import Machine
    from ingest.knowledge_base import KnowledgeBase

N_SAMPLED = 16  # passages that are embedded to measure
SAMPLE_S = 15.0  # that measuring may take, loading not counted


def models_router(parts: Parts) -> APIRouter:
    """Build the routes that advise about models and follow their pulls."""
    router = APIRouter(prefix="/kb", tags=["models"])
    engine, kb = parts.engine, parts.kb
    placer = Placer(engine.settings)

    @router.get("/machine", response_model=MachineOut)
    def machine() -> MachineOut:
        """Tell memory, cores, GPUs and disk of this machine."""
        return machine_of(parts, placer.machine())

    @router.get("/models/advice", response_model=AdviceOut)
    def advice() -> AdviceOut:
        """Tell how well-known models would fit on this machine."""
        return advice_of(parts, placer.machine())

    @router.get("/models/placement", response_model=PlacementOut)
    def placement(model: str = Query(min_length=1, max_length=512)) -> PlacementOut:
        """Tell where an installed model would go now, and why."""
        return placement_of(engine, placer, model)

    @router.post("/models/modelfile", response_model=ModelfileOut, openapi_extra=takes(ModelfileIn))
    async def modelfile(request: Request) -> ModelfileOut:
        """Check a Modelfile; without mistakes, give the body for /api/create."""
        body = await read_body(request, ModelfileIn)

        def check() -> ModelfileOut:
            entries = engine.library.entries()
            found = check_modelfile(body.text, lambda name: is_installed(name, entries))
            mistakes = [MistakeOut(line=one.line, text=one.text) for one in found.mistakes]
            return ModelfileOut(mistakes=mistakes, request=found.request)

        return await quick(check)

    if kb is not None:

        @router.post("/models/cost", response_model=CostOut, openapi_extra=takes(ModelIn))
        async def cost(request: Request) -> CostOut:
            """Measure how long a change to another embedding model would take."""
            body = await read_body(request, ModelIn)
            return await quick(lambda: cost_of(engine, kb, body.model))

    _add_pulls(router, engine)
    return router


def install_pull_errors(app: FastAPI) -> None:
    """Give the errors of pulls their statuses."""

    def refuse(_: Request, error: Exception) -> JSONResponse:
        status = 404 if isinstance(error, PullNotFoundError) else 503
        return JSONResponse({"error": str(error)}, status)

    app.add_exception_handler(PullNotFoundError, refuse)
    app.add_exception_handler(PullQueueFullError, refuse)


def _add_pulls(router: APIRouter, engine: Engine) -> None:
    def open_(model: str) -> Iterator[Progress]:
        from engine.library.sharded import pull

        return pull(engine.library, model)

    pulls = Pulls(open_)

    @router.get("/models/pulls", response_model=PullsOut)
    def listed() -> PullsOut:
        """List the pulls that this server follows, the latest first."""
        return PullsOut(pulls=[PullOut.of(one) for one in pulls.listed()])

    @router.post(
        "/models/pulls", status_code=202, response_model=PullOut, openapi_extra=takes(ModelIn)
    )
    async def begin(request: Request) -> PullOut:
        """Begin to pull a model; it goes on while nobody looks."""
        body = await read_body(request, ModelIn)
        keep_virtual(engine, body.model, "pull")
        parse(body.model)
        return PullOut.of(await quick(lambda: pulls.start(body.model)))

    @router.delete("/models/pulls/{pull_id}", response_model=PullOut)
    def end(pull_id: str) -> PullOut:
        """Cancel a pull that runs, forget one that has ended."""
        return PullOut.of(pulls.end(pull_id))


def machine_of(parts: Parts, machine: Machine) -> MachineOut:
    """Describe a machine with its disks."""
    disk = shutil.disk_usage(_there(parts.settings.home))
    models = parts.engine.library.entries()
    sizes = {one.model_digest: one.size_bytes for one in models}  # copies share their files
    return MachineOut(
        memory_bytes=machine.host.total_bytes,
        memory_free_bytes=machine.host.free_bytes,
        n_cores=_n_cores(),
        gpus=[
            GpuOut(
                name=one.name,
                description=one.description,
                total_bytes=one.total_bytes,
                free_bytes=one.free_bytes,
                is_unified=one.is_unified,
            )
            for one in machine.gpus
        ],
        disk_bytes=disk.total,
        disk_free_bytes=disk.free,
        models_bytes=sum(sizes.values()),
        models_disk_free_bytes=shutil.disk_usage(_there(parts.engine.settings.models_dir)).free,
    )


def advice_of(parts: Parts, machine: Machine) -> AdviceOut:
    """Judge every well-known model as if none were in memory."""
    engine = parts.engine
    empty = machine.with_free(engine.room_without_models())
    fits = [(one, fit_of(one, empty, n_slots=engine.settings.n_parallel)) for one in KNOWN]
    vram = max((one.total_bytes for one in machine.gpus), default=0)
    chat = chat_model_for(Measured(machine.host.total_bytes, _n_cores(), vram))
    best, slow = advised(fits, chat, EMBEDDING), slow_of(fits, chat)
    entries = engine.library.entries()
    return AdviceOut(
        machine=machine_of(parts, machine),
        models=[
            KnownOut.of(
                known,
                fitted,
                is_advised=known.name in best,
                is_slow=known.name in slow,
                is_installed=is_installed(known.name, entries),
            )
            for known, fitted in fits
        ],
    )


def placement_of(engine: Engine, placer: Placer, model: str) -> PlacementOut:
    """Explain where an installed model would go, with what is free now.

    Raises:
        ModelNotFoundError: it is not installed.
        LoadError: its file cannot be read.
    """
    entry = find(engine, model, missing=f"model '{parse(model).short}' not found")
    options = merge_options(Options(), entry.params)
    sentences = placer.explained(entry, options)
    is_chat = "completion" in entry.capabilities
    weights, machine = placer.weights(entry.model_path), placer.machine()
    said = engine.settings.n_ctx or (0 if is_chat else DEFAULT_EMBED_CTX)
    n_ctx = options.num_ctx or said
    if n_ctx:
        n_ctx = choose_ctx(options.num_ctx, said, weights.n_ctx_train)
    try:
        placed = place(weights, machine, placer.wish(entry, options, n_ctx, is_chat=is_chat))
    except OutOfMemoryError:
        return PlacementOut(model=entry.name, fits=False, sentences=sentences)
    return PlacementOut(
        model=entry.name,
        fits=True,
        n_ctx=placed.n_ctx,
        n_slots=placed.n_slots,
        n_gpu_layers=placed.n_gpu_layers,
        n_layers=placed.n_all_layers,
        shares=[
            ShareOut(
                device=one.device,
                weights_bytes=one.weights_bytes,
                cache_bytes=one.cache_bytes,
                compute_bytes=one.compute_bytes,
            )
            for one in placed.shares
        ],
        sentences=sentences,
    )


def cost_of(engine: Engine, kb: KnowledgeBase, model: str) -> CostOut:
    """Count the passages that another embedding model would embed, and measure with a few of them.

    Raises:
        ModelNotFoundError: it is not installed.
        CapabilityError: it cannot embed.
    """
    embedder = embedder_of(engine, model)
    behind = [one for one in kb.collections() if one.model_digest != embedder.digest]
    n = sum(one.n_chunks for one in behind)
    texts = [text for one in behind for text in _some_texts(kb, one.name)][:N_SAMPLED]
    if not texts:
        return CostOut(model=embedder.model, n_passages=n, n_sampled=0, passages_per_s=0, eta_s=0)
    embedder.embed(texts[:1], False)  # loads it
    began_s, n_done = time.perf_counter(), 0
    while n_done < len(texts) and time.perf_counter() - began_s < SAMPLE_S:
        embedder.embed(texts[n_done : n_done + 8], False)
        n_done = min(len(texts), n_done + 8)
    rate = n_done / max(1e-6, time.perf_counter() - began_s)
    return CostOut(
        model=embedder.model, n_passages=n, n_sampled=n_done, passages_per_s=rate, eta_s=n / rate
    )


def _some_texts(kb: KnowledgeBase, collection: str) -> Iterator[str]:
    documents, _ = kb.documents(collection, limit=4)
    for one in documents:
        text = kb.text(one.id)
        for chunk in kb.chunks(one.id)[:N_SAMPLED]:
            yield text[chunk.start : chunk.end]


def _there(folder: Path) -> Path:
    """Give the folder, or the nearest above it that exists."""
    return next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
