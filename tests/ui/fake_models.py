"""The routes of models of the small server: two models on disk, pulls that go on by polls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

if TYPE_CHECKING:
    from tests.ui.fake_api import World

GB = 1_000_000_000
CHAT, EMBEDDING = "smollm2:135m", "all-minilm:latest"
METRICS = f"""# TYPE quire_slots gauge
quire_slots{{model="{CHAT}"}} 4.0
# TYPE quire_slots_busy gauge
quire_slots_busy{{model="{CHAT}"}} 1.0
# TYPE quire_model_memory_bytes gauge
quire_model_memory_bytes{{device="CPU",model="{CHAT}",part="weights"}} 2.7e+08
quire_model_memory_bytes{{device="CPU",model="{CHAT}",part="cache"}} 9.0e+07
quire_model_memory_bytes{{device="CPU",model="{CHAT}",part="compute"}} 3.0e+07
"""


def tag(name: str, **more: object) -> dict:
    """Describe an installed model as /api/tags does."""
    details = {"family": "llama", "parameter_size": "134.52M", "quantization_level": "F16"}
    plain = {"name": name, "model": name, "size": 270_898_672, "digest": f"d-{name}"}
    details |= {"context_length": 8192, "format": "gguf"}
    told = {"modified_at": "2026-11-20T09:30:00+00:00", "capabilities": ["completion", "tools"]}
    return {**plain, **told, "details": details, **more}


def embedding_tag(name: str = EMBEDDING) -> dict:
    """Describe an installed embedding model."""
    details = {"family": "bert", "parameter_size": "22.57M", "quantization_level": "F16"}
    return tag(
        name,
        size=45_960_996,
        capabilities=["embedding"],
        details={**details, "context_length": 256},
    )


def collection_tag() -> dict:
    """Describe a collection that answers as a model."""
    details = {"family": "knowledge-base", "parameter_size": "", "quantization_level": ""}
    return tag("kb/default", size=0, details=details)


def at_first() -> list[dict]:
    """List what is installed: the starters and a collection that answers as a model."""
    return [tag(CHAT), embedding_tag(), collection_tag()]


def known(name: str, **more: object) -> dict:
    """Describe a well-known model as the advice does."""
    plain = {"role": "chat", "parameters": "1.5B", "size_bytes": 986_000_000, "n_ctx": 32_768}
    plain |= {"languages": "multi", "licence": "Apache-2.0", "is_free": True, "can_see": False}
    fit = {"fit": "memory", "need_bytes": 1_500_000_000, "fit_ctx": 4096, "reason": ""}
    told = {"can_use_tools": True, "is_advised": False, "is_installed": False}
    return {"name": name, **plain, **fit, **told, **more}


ADVICE = [
    known("qwen2.5:1.5b", is_advised=True),
    known("qwen2.5:0.5b", parameters="494M", size_bytes=398_000_000, need_bytes=700_000_000),
    known(
        "llama3.1:8b",
        parameters="8.0B",
        size_bytes=4_920_000_000,
        licence="Llama 3.1 Community",
        is_free=False,
        fit="none",
        reason="the model needs 6.1 GiB of memory",
    ),
    known("bge-m3", role="embedding", parameters="567M", can_use_tools=False),
]
PLACEMENT = {
    "model": CHAT,
    "fits": True,
    "n_ctx": 4096,
    "n_slots": 4,
    "n_gpu_layers": 0,
    "n_layers": 31,
    "shares": [
        {
            "device": "CPU",
            "weights_bytes": 270_000_000,
            "cache_bytes": 94_000_000,
            "compute_bytes": 98_000_000,
        }
    ],
    "sentences": ["All layers are computed on the processor: this build sees no GPU."],
}


def a_pull(id_: str, **more: object) -> dict:
    """Describe a pull as the server does."""
    layers = [
        {"digest": "sha256:a", "total_bytes": 986_000_000, "done_bytes": 246_500_000},
        {"digest": "sha256:b", "total_bytes": 7_000, "done_bytes": 7_000},
    ]
    plain = {"model": "qwen2.5:1.5b", "state": "running", "status": "pulling", "layers": layers}
    counts = {"done_bytes": 246_507_000, "total_bytes": 986_007_000, "bytes_per_s": 12_300_000.0}
    return {"id": id_, **plain, **counts, "eta_s": 60.0, "error": "", "why": "", **more}


def running(name: str = CHAT, **more: object) -> dict:
    """Describe a model in memory as /api/ps does."""
    plain = {"name": name, "model": name, "size": 390_000_000, "size_vram": 0}
    return {**plain, "context_length": 4096, "expires_at": "2318-01-01T00:00:00+00:00", **more}


def add_model_routes(app: FastAPI, world: World) -> None:
    """Add them."""
    _add_engine(app, world)
    _add_advice(app, world)
    _add_pulls(app, world)


def _add_engine(app: FastAPI, world: World) -> None:
    @app.get("/api/tags")
    def tags():
        return {"models": world.models}

    @app.get("/api/ps")
    def ps():
        return {"models": world.running}

    @app.get("/metrics")
    def metrics():
        return Response(world.metrics or METRICS, media_type="text/plain")

    @app.post("/api/generate")
    async def generate(request: Request):
        asked = await request.json()
        if asked.get("keep_alive") == 0:
            world.done.append(f"unload {asked['model']}")
            world.running = [one for one in world.running if one["name"] != asked["model"]]
        else:
            world.done.append(f"load {asked['model']}")
            world.running = [*world.running, running(asked["model"])]
        return {"done": True}

    @app.post("/api/embed")
    async def embed(request: Request):
        asked = await request.json()
        world.done.append(f"load {asked['model']}")
        world.running = [*world.running, running(asked["model"])]
        return {"embeddings": [[0.0]]}

    _add_changes(app, world)


def _add_changes(app: FastAPI, world: World) -> None:
    @app.post("/api/copy")
    async def copy(request: Request):
        asked = await request.json()
        if "/" in asked["destination"][:1]:
            return JSONResponse({"error": f"invalid model name {asked['destination']!r}"}, 400)
        world.done.append(f"copy {asked['source']} {asked['destination']}")
        world.models = [*world.models, tag(asked["destination"])]
        return Response()

    @app.delete("/api/delete")
    async def delete(request: Request):
        name = (await request.json())["model"]
        if name not in {one["name"] for one in world.models}:
            return JSONResponse({"error": f"model '{name}' not found"}, 404)
        world.done.append(f"delete {name}")
        world.models = [one for one in world.models if one["name"] != name]
        return Response()

    @app.post("/api/create")
    async def create(request: Request):
        asked = await request.json()
        if asked["model"].startswith("bad"):
            return JSONResponse({"error": "invalid model name"}, 400)
        world.done.append(f"create {asked['model']} from {asked['from']}")
        world.models = [*world.models, tag(asked["model"])]
        lines = [{"status": "using existing layer"}, {"status": "success"}]
        if asked["model"].startswith("break"):
            lines[1] = {"error": "the disk is full"}
        text = "".join(json.dumps(one) + "\n" for one in lines)
        return StreamingResponse(iter([text]), media_type="application/x-ndjson")


def _add_advice(app: FastAPI, world: World) -> None:
    @app.get("/kb/machine")
    def machine():
        return {
            "memory_bytes": 8 * GB,
            "memory_free_bytes": 5 * GB,
            "n_cores": 2,
            "gpus": [],
            "disk_bytes": 100 * GB,
            "disk_free_bytes": 40 * GB,
            "models_bytes": 320_000_000,
            "models_disk_free_bytes": 40 * GB,
        }

    @app.get("/kb/models/advice")
    def advice():
        here = {one["name"] for one in world.models}
        return {"models": [one | {"is_installed": one["name"] in here} for one in ADVICE]}

    @app.get("/kb/models/placement")
    def placement(model: str):
        if model not in {one["name"] for one in world.models}:
            return JSONResponse({"error": f"model '{model}' not found"}, 404)
        return PLACEMENT

    @app.post("/kb/models/cost")
    async def cost(request: Request):
        name = (await request.json())["model"]
        measured = {"n_passages": 12_000, "n_sampled": 16, "passages_per_s": 40.0, "eta_s": 300.0}
        return {"model": name, **measured}

    @app.post("/kb/migrations", status_code=202)
    async def migrate(request: Request):
        world.done.append(f"migrate {(await request.json())['model']}")
        return {"job_id": "m1"}

    @app.post("/kb/models/modelfile")
    async def modelfile(request: Request):
        text = (await request.json())["text"]
        lines = text.splitlines()
        wrong = [
            {"line": at, "text": "unknown parameter 'warmth'"}
            for at, line in enumerate(lines, 1)
            if "warmth" in line
        ]
        if not text.startswith("FROM "):
            wrong.append({"line": 0, "text": "no FROM line"})
        return {"mistakes": wrong, "request": {} if wrong else {"from": lines[0][5:]}}


def _add_pulls(app: FastAPI, world: World) -> None:
    @app.get("/kb/models/pulls")
    def pulls():
        for one in world.pulls:
            if one["state"] == "running" and not one.get("is_stuck"):
                more = min(one["total_bytes"] - one["done_bytes"], one["total_bytes"] // 4)
                one["done_bytes"] += more
                if not more:
                    one["state"] = "done"
                    world.models = [*world.models, tag(one["model"])]
        return {"pulls": world.pulls}

    @app.post("/kb/models/pulls", status_code=202)
    async def pull(request: Request):
        name = (await request.json())["model"]
        if name.startswith("kb/") or " " in name:
            return JSONResponse({"error": f"invalid model name: {name!r}"}, 400)
        world.done.append(f"pull {name}")
        more = {"state": "failed", "why": "unreachable"} if name.startswith("far") else {}
        world.pulls = [a_pull(f"p{len(world.pulls) + 1}", model=name, **more), *world.pulls]
        return world.pulls[0]

    @app.delete("/kb/models/pulls/{pull_id}")
    def end(pull_id: str):
        found = next((one for one in world.pulls if one["id"] == pull_id), None)
        if found is None:
            return JSONResponse({"error": f"no pull {pull_id!r}"}, 404)
        world.done.append(f"end {pull_id}")
        if found["state"] == "running":
            found["state"] = "cancelled"
        else:
            world.pulls = [one for one in world.pulls if one["id"] != pull_id]
        return found
