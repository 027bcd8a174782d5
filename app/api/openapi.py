"""Pydantic shapes in, the parts of the API's description out; a page that lists it."""

from __future__ import annotations

import warnings
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from app.api.answers import describe_answers

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Quire API</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}code{{white-space:nowrap}}
</style></head><body><h1>Quire API {version}</h1>
<p>The whole description for machines: <a href="openapi.json">openapi.json</a></p>
<table>{rows}</table></body></html>
"""


def docs_router(app: FastAPI) -> APIRouter:
    """Build /docs: one self-made page, because the usual one loads its scripts from elsewhere."""
    router = APIRouter()

    @router.get("/openapi.json", include_in_schema=False)
    def description() -> dict[str, Any]:
        """Describe the API for machines."""
        return _described(app)

    @router.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        """List every operation."""
        paths: dict[str, dict[str, dict[str, str]]] = _described(app)["paths"]
        rows = [
            f"<tr><td><code>{escape(method.upper())} {escape(path)}</code></td>"
            f"<td>{escape(operation.get('description') or operation.get('summary', ''))}</td></tr>"
            for path, operations in sorted(paths.items())
            for method, operation in operations.items()
        ]
        return HTMLResponse(_PAGE.format(version=escape(app.version), rows="\n".join(rows)))

    return router


def _described(app: FastAPI) -> dict[str, Any]:
    with warnings.catch_warnings():
        # Routes that answer HEAD as well as GET share an id, which is announced each time.
        warnings.filterwarnings("ignore", "Duplicate Operation ID", UserWarning)
        return describe_answers(app.openapi())
