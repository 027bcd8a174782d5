"""HTTP requests in, their counts by route out; serves /metrics in Prometheus' text format."""

from __future__ import annotations

import platform
import time
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST as TEXT_TYPE
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.api.bridge import quick

if TYPE_CHECKING:
    from engine.metrics import Meter

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ANSWER = 499  # the client went away before there was one


class HttpMeter:
    """The figures of one application, in a registry of their own."""

    def __init__(self, release: str) -> None:
        """Count from now on.

        Args:
            release: the program's own version.
        """
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "quire_http_requests",
            "HTTP requests that were answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "quire_http_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.running = Gauge(
            "quire_http_requests_running",
            "HTTP requests that are being answered",
            registry=self.registry,
        )
        build = Gauge(
            "quire_build",
            "Always 1; its labels say what runs",
            ["version", "llama_cpp_python", "python"],
            registry=self.registry,
        )
        build.labels(release, _installed("llama-cpp-python"), platform.python_version()).set(1)


class Counted:
    """Counts requests by route template, method and status; pure ASGI, so streams pass through.

    Paths that no route has share one label, or any visitor could make as many as he likes.
    """

    def __init__(self, app: ASGIApp, *, meter: HttpMeter) -> None:
        self._app, self._meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count it when it is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began_s = _NO_ANSWER, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._meter.running.inc()
        try:
            await self._app(scope, receive, noting)
        except Exception:
            status = 500 if status == _NO_ANSWER else status  # whoever is outside answers so
            raise
        finally:
            self._meter.running.dec()
            route = route_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._meter.requests.labels(method, route, status).inc()
            self._meter.seconds.labels(route).observe(time.perf_counter() - began_s)


def route_of(scope: MutableMapping[str, object]) -> str:
    """Give the template of the route that answered, such as /api/blobs/{digest}."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str) and path:
        return path
    inside = scope.get("root_path")  # what is mounted answers below a path of its own
    return f"{inside}/*" if isinstance(inside, str) and inside else "none"


def metrics_router(engine: Meter, http: HttpMeter) -> APIRouter:
    """Build the route /metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Tell all figures."""
        registries = (http.registry, engine.registry)
        text = await quick(lambda: b"".join(generate_latest(one) for one in registries))
        return Response(text, media_type=TEXT_TYPE)

    return router


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
