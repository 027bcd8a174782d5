"""The routes of the state of the small server: readiness, logs, findings, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from tests.ui.fake_api import World

KEY = {
    "id": "k1",
    "name": "Ann's <b>laptop</b>",
    "scopes": ["read", "ask"],
    "collections": ["default"],
    "created_at": "2026-11-01T09:30:00+00:00",
    "last_used_at": "2026-11-20T09:30:00+00:00",
    "expires_at": None,
    "revoked_at": None,
}
LOGS = [
    {
        "at": "2026-11-20T09:30:00+00:00",
        "level": "ERROR",
        "source": "ingest.tasks",
        "text": "load_failed file=<script>alert(1)</script>",
        "n": 3,
    },
    {
        "at": "2026-11-20T09:29:00+00:00",
        "level": "WARNING",
        "source": "app.pulls",
        "text": "pull_failed model=qwen2.5:1.5b",
        "n": 1,
    },
]
FINDINGS = [
    {"level": "ok", "what": "Disk: 40 GB free", "cure": ""},
    {"level": "warning", "what": "Two cores only", "cure": "Use a small chat model"},
    {"level": "error", "what": "The index lags behind", "cure": "`quire index rebuild`"},
]


def metrics_text(*, n: int = 100) -> str:
    """Write figures in Prometheus' format.

    Args:
        n: what has been done so far.
    """
    model = 'model="smollm2:135m"'
    buckets = "".join(
        f'quire_http_request_seconds_bucket{{le="{le}",route="/kb/query"}} {count}\n'
        for le, count in (("0.1", n // 2), ("1.0", n), ("+Inf", n))
    )
    return (
        "# TYPE quire_generated_tokens counter\n"
        f"quire_generated_tokens_total{{{model}}} {10 * n}\n"
        "# TYPE quire_queue_length gauge\n"
        f"quire_queue_length{{{model}}} 2\n"
        "# TYPE quire_slots gauge\n"
        f"quire_slots{{{model}}} 4\n"
        "# TYPE quire_slots_busy gauge\n"
        f"quire_slots_busy{{{model}}} 1\n"
        "# TYPE quire_prefix_cache_bytes gauge\n"
        f"quire_prefix_cache_bytes{{{model}}} 12000000\n"
        "# TYPE quire_model_memory_bytes gauge\n"
        f'quire_model_memory_bytes{{device="CPU",{model},part="weights"}} 270000000\n'
        "# TYPE process_resident_memory_bytes gauge\n"
        "process_resident_memory_bytes 812000000\n"
        "# TYPE quire_http_requests counter\n"
        f'quire_http_requests_total{{method="POST",route="/kb/query",status="200"}} {n}\n'
        "# TYPE quire_http_requests_running gauge\n"
        "quire_http_requests_running 1\n"
        "# TYPE quire_http_request_seconds histogram\n"
        f'{buckets}quire_http_request_seconds_count{{route="/kb/query"}} {n}\n'
        f'quire_http_request_seconds_sum{{route="/kb/query"}} {n * 0.3}\n'
    )


def add_status_routes(app: FastAPI, world: World) -> None:
    """Add them."""

    @app.get("/healthz")
    def healthy():
        return {"status": "ok"}

    @app.get("/readyz")
    def ready():
        reason = world.lock.get("reason", "")
        return JSONResponse({"ready": not reason, "reason": reason}, 503 if reason else 200)

    @app.get("/kb/logs")
    def logs():
        if "logs" not in world.lock:
            return JSONResponse({"error": "Not Found"}, 404)
        return {"logs": world.lock["logs"]}

    @app.get("/kb/doctor")
    def doctor():
        if "findings" not in world.lock:
            return JSONResponse({"error": "Not Found"}, 404)
        return world.lock["findings"]

    _add_keys(app, world)


def _add_keys(app: FastAPI, world: World) -> None:
    @app.get("/kb/keys")
    def keys():
        if "keys" not in world.lock:
            return JSONResponse({"error": "Not Found"}, 404)
        return {"keys": world.lock["keys"]}

    @app.post("/kb/keys", status_code=201)
    async def add(request: Request):
        asked = await request.json()
        if not asked["name"].strip():
            return JSONResponse({"error": "name: must not be empty"}, 400)
        world.done.append(f"key {asked['name']} {','.join(asked['scopes'])}")
        world.lock["keys"] = [*world.lock["keys"], KEY | {"id": "k9", "name": asked["name"]}]
        return {"key": "qk_made-only-once", "id": "k9"}

    @app.delete("/kb/keys/{key_id}")
    def revoke(key_id: str):
        world.done.append(f"revoke {key_id}")
        for one in world.lock["keys"]:
            if one["id"] == key_id:
                one["revoked_at"] = "2026-11-21T09:30:00+00:00"
        return {"revoked": True}
