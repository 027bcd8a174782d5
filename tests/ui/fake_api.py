"""A small real server with canned documents and answers, the interface mounted at /ui.

Run as a program it takes a free port, prints its address and serves until it is ended.
It also notes every attempt of the process to reach another machine (GET /outside).
"""

import asyncio
import json
import socket
import sys
from dataclasses import dataclass, field
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse

from app.headers import SecurityHeaders
from tests.ui.fake_ask import add_ask_routes, remember
from tests.ui.fake_documents import add_documents_routes
from tests.ui.fake_exams import add_exam_routes
from tests.ui.fake_login import add_login_routes
from tests.ui.fake_models import add_model_routes, at_first
from tests.ui.fake_status import add_status_routes
from ui.server import ui_app

HANDBOOK = """# Staff handbook

## Leave

Employees have 26 days of annual leave per year. Unused days may be carried over until the
end of March; after that they lapse. <b>Bold claims</b> & *stars* stay as they are.

## Travel

Trains are booked in second class. Flights need the approval of a manager. The nightly
allowance for hotels is 120 EUR in the capital and 90 EUR elsewhere.

## 休假

员工每年享有二十六天年假。未休完的年假可以顺延到次年三月底。
"""
FIRST = "Employees have 26 days of annual leave per year."
SECOND = "Unused days may be carried over until the\nend of March; after that they lapse."


@dataclass
class World:
    """What the fake knows."""

    documents: dict[str, dict] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, dict] = field(default_factory=dict)
    questions: list[dict] = field(default_factory=list)
    pace_s: float = 0.01  # between two tokens
    n_closed: int = 0  # answers whose reader went away before the end
    outside: list[str] = field(default_factory=list)
    watched: list[dict] = field(default_factory=list)
    migrations: list[dict] | None = None  # none: a server that has no such route
    index: dict | None = None
    done: list[str] = field(default_factory=list)  # what was asked of watches and index
    exams: list[dict] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)  # newest first
    reranker: str = ""
    models: list[dict] = field(default_factory=at_first)  # on disk
    running: list[dict] = field(default_factory=list)  # in memory
    pulls: list[dict] = field(default_factory=list)  # newest first
    metrics: str = ""
    more_status: dict = field(default_factory=dict)
    key: str = ""  # asked for, if set
    lock: dict = field(default_factory=dict)  # keys, logs, findings; what is missing has no route
    more_collections: list[dict] = field(default_factory=list)
    conversations: dict[str, dict] = field(default_factory=dict)
    opinions: dict[tuple, dict] = field(default_factory=dict)
    given: list[dict] = field(default_factory=list)  # feedback as it came

    def __post_init__(self) -> None:
        self.add("d1", "/home/ann/papers/handbook.md", HANDBOOK)

    def chunks(self, text: str) -> list[dict]:
        return _chunks(text)

    def add(self, id_: str, path: str, text: str) -> None:
        self.texts[id_] = text
        self.documents[id_] = {
            "id": id_,
            "collection": "default",
            "title": path.rsplit("/", maxsplit=1)[-1],
            "path": path,
            "paths": [path],
            "media_type": "text/markdown",
            "size_bytes": len(text.encode()),
            "n_characters": len(text),
            "n_chunks": len(_chunks(text)),
            "added_at": "2026-11-20T09:30:00+00:00",
            "warnings": [],
        }


def _chunks(text: str) -> list[dict]:
    starts = [at for at in range(len(text)) if text.startswith("## ", at)] or [0]
    ends = [*starts[1:], len(text)]
    return [
        {"start": a, "end": b, "page": None, "headings": [text[a:b].split("\n")[0].strip("# ")]}
        for a, b in zip(starts, ends, strict=True)
    ]


def _reply(question: str) -> dict:
    if "moon" in question.casefold():
        passages = [_passage(1, "Travel")]
        return _whole("I do not know.", "refused", [], [], passages)
    at = HANDBOOK.index(FIRST)
    to = HANDBOOK.index(SECOND)
    sentences = [
        {"text": FIRST, "citations": [1], "support": "supported"},
        {"text": "They can be carried over until March.", "citations": [1], "support": "partly"},
        {"text": "<script>alert(1)</script> Ask **Bob**.", "citations": [], "support": "not_found"},
    ]
    sentences[2]["reason"] = "Bob is not in the passage"
    citations = [
        _citation(1, at, at + len(FIRST)),
        _citation(1, to, to + len(SECOND)),
    ]
    answer = (
        f"{FIRST} [1]\n\nThey can be carried over until March. [1] "
        "<script>alert(1)</script> Ask **Bob**."
    )
    if "hundred" in question:
        sentences, answer = sentences[:1] * 100, f"{FIRST} [1] " * 100
    return _whole(
        answer,
        "generated",
        sentences,
        citations,
        [_passage(1, "Leave") | {"warnings": ["instructions"]}, _passage(2, "Travel")],
    )


def _whole(answer, mode, sentences, citations, passages) -> dict:
    return {
        "answer": answer,
        "refused": mode == "refused",
        "mode": mode,
        "sentences": sentences,
        "citations": citations,
        "passages": passages,
        "rewritten": {"standalone": "", "keywords": "", "by": "none"},
        "timings": {"retrieve": 0.12, "generate": 2.31},
        "models": {"chat": "smollm2:135m", "embedding": "all-minilm:latest", "reranker": ""},
        "notices": [],
        "trace": _trace(mode, passages),
    }


def _trace(mode, passages) -> dict:
    found = [
        {
            "path": one["path"],
            "page": one["page"],
            "dense": {"rank": at, "score": 0.7 - at / 10},
            "lexical": {"rank": at, "score": 5.0} if at == 1 else None,
            "fused": {"rank": at, "score": 0.6},
            "reranked": None,
            "passage": one["n"],
            "left_out": "",
        }
        for at, one in enumerate(passages, 1)
    ]
    below = {**found[0], "passage": None, "left_out": "below top_k"}
    return {
        "rewritten": {"standalone": "", "keywords": "", "by": "none"},
        "filters": "",
        "candidates": [*found, below],
        "dense_weight": 0.4,
        "confidence": 0.71,
        "bar": 0.3,
        "budget": {"context": 4096, "room": 3300, "used": 210, "left_out": 0},
        "prompt": {"version": 2, "n_tokens": 480, "n_reused": 300, "n_generated": 41},
        "mode": mode,
        "why": "below_bar" if mode == "refused" else "partly_borne_out",
        "gone": [],
        "notices": [],
        "timings": {"retrieve": 0.12, "generate": 2.31},
    }


def _passage(n: int, heading: str) -> dict:
    chunk = next(one for one in _chunks(HANDBOOK) if one["headings"] == [heading])
    return {
        "n": n,
        "document_id": "d1",
        "path": "/home/ann/papers/handbook.md",
        "title": "handbook.md",
        "page": 3,
        "page_label": "iii",
        "heading": heading,
        "start": chunk["start"],
        "end": chunk["end"],
        "text": HANDBOOK[chunk["start"] : chunk["end"]],
        "score": 0.8,
    }


def _citation(n: int, start: int, end: int) -> dict:
    return {
        "n": n,
        "document_id": "d1",
        "path": "/home/ann/papers/handbook.md",
        "page": 3,
        "page_label": "iii",
        "start": start,
        "end": end,
        "text": HANDBOOK[start:end],
    }


def build(world: World) -> FastAPI:
    app = FastAPI()

    @app.get("/outside")
    def outside():
        told = {"outside": world.outside, "n_closed": world.n_closed, "done": world.done}
        return told | {"asked": world.questions}

    @app.get("/kb/status")
    def status():
        return {
            "version": "0.1.0",
            "ready": True,
            "n_documents": len(world.documents),
            "notices": [
                "The small starter model smollm2:135m is answering: expect simple answers. "
                "For better ones: quire pull qwen3:4b"
            ],
            "models": {"chat": {"name": "smollm2:135m"}, "embedding": {"name": "all-minilm"}}
            | {"reranker": {"name": world.reranker} if world.reranker else None},
            "jobs": {"queued": 0, "running": 0},
            "home": "/home/ann/.quire",
            **world.more_status,
        }

    @app.get("/kb/collections")
    def collections():
        held = list(world.documents.values())
        counts = {"n_documents": len(held), "n_chunks": sum(one["n_chunks"] for one in held)}
        empty = {"name": "empty", "n_documents": 0, "n_chunks": 0}
        return {"collections": [{"name": "default", **counts}, empty, *world.more_collections]}

    _add_document_routes(app, world)
    _add_folder_routes(app, world)
    _add_upkeep_routes(app, world)
    add_exam_routes(app, world)
    add_model_routes(app, world)
    add_status_routes(app, world)
    add_documents_routes(app, world)
    add_ask_routes(app, world)
    add_login_routes(app, world)

    @app.post("/scene")
    async def scene(request: Request):
        """Set what the world holds, from another process."""
        for name, value in (await request.json()).items():
            setattr(world, name, value)
        return {}

    @app.post("/scene/first")
    def first_scene():
        """Let the world be as at the start; what went outside stays noted."""
        vars(world).update(vars(World(pace_s=world.pace_s, outside=world.outside)))
        return {}

    @app.post("/kb/query")
    async def query(request: Request):
        asked = await request.json()
        world.questions.append(asked)
        if asked["question"] == "busy":
            return JSONResponse({"error": "server busy, please try again."}, 503)
        return StreamingResponse(_stream(world, asked), media_type="text/event-stream")

    app.mount("/ui", ui_app(ADDRESS[0] if ADDRESS else ""))
    return app


def _add_document_routes(app: FastAPI, world: World) -> None:
    @app.post("/kb/documents", status_code=202)
    async def add(
        files: Annotated[list[UploadFile], File()], collection: Annotated[str, Form()] = "default"
    ):
        held = [(one.filename or "", await one.read()) for one in files]
        if any(name == "refused.md" for name, _ in held):
            return JSONResponse({"error": "the file is larger than 512 MB"}, 413)
        job_id = f"j{len(world.jobs) + 1}"
        world.jobs[job_id] = {"id": job_id, "collection": collection, "state": "queued"}
        world.jobs[job_id] |= {"files": held, "n_polls": 0, "errors": []}
        return {"job_id": job_id}

    @app.get("/kb/jobs")
    def jobs():
        return {"jobs": [_advance(world, one) for one in reversed(world.jobs.values())]}

    @app.get("/kb/jobs/{job_id}")
    def job(job_id: str):
        return _advance(world, world.jobs[job_id])

    @app.post("/kb/jobs/{job_id}/retry")
    def retry(job_id: str):
        job = world.jobs[job_id]
        job |= {"state": "queued", "n_polls": 0, "errors": [], "message": ""}
        # What was wrong has been mended meanwhile.
        job["files"] = [(name.replace(".bad", ".txt"), data) for name, data in job["files"]]
        return _advance(world, job)

    @app.post("/kb/jobs/{job_id}/cancel")
    def cancel(job_id: str):
        world.jobs[job_id] |= {"state": "done", "message": "cancelled: 1 file left undone"}
        return _shown(world.jobs[job_id])

    @app.delete("/kb/documents/{document_id}")
    def delete(document_id: str):
        if document_id not in world.documents:
            return JSONResponse({"error": f"document '{document_id}' not found"}, 404)
        del world.documents[document_id], world.texts[document_id]
        return {"deleted": True}


def _add_folder_routes(app: FastAPI, world: World) -> None:
    @app.get("/kb/watched")
    def watched():
        return {"watched": world.watched}

    @app.post("/kb/watched", status_code=201)
    async def watch(request: Request):
        asked = await request.json()
        if not asked["folder"].startswith("/"):
            return JSONResponse({"error": f"'{asked['folder']}' is not an absolute path"}, 400)
        world.watched.append(watched_folder(**asked, state="starting"))
        return world.watched[-1]

    @app.post("/kb/watched/confirm", status_code=202)
    async def confirm(request: Request):
        asked = await request.json()
        world.done.append(f"confirm {asked['folder']}")
        for one in world.watched:
            if one["folder"] == asked["folder"]:
                one |= {"state": "watching", "n_held": 0, "reason": ""}
        return {"job_id": "c1"}

    @app.delete("/kb/watched")
    def unwatch(folder: str, collection: str, forget: bool):
        world.done.append(f"unwatch {folder} {forget}")
        world.watched = [one for one in world.watched if one["folder"] != folder]
        return {"job_id": ""}


def _add_upkeep_routes(app: FastAPI, world: World) -> None:
    @app.get("/kb/migrations")
    def migrations():
        if world.migrations is None:
            return JSONResponse({"error": "Not Found: GET /kb/migrations"}, 404)
        return world.migrations

    @app.post("/kb/migrations/revert")
    async def revert(request: Request):
        world.done.append(f"revert {(await request.json())['collection']}")
        world.migrations = []
        return {"job_id": "m1"}

    @app.get("/kb/index")
    def index():
        if world.index is None:
            return JSONResponse({"error": "Not Found: GET /kb/index"}, 404)
        return world.index

    @app.post("/kb/index/{what}", status_code=202)
    def do(what: str):
        world.done.append(what)
        return {"job_id": "i1"}


def watched_folder(folder: str, collection: str = "default", **more: object) -> dict:
    """Describe a watched folder as the server does."""
    plain = {"state": "watching", "is_kept": True, "is_polling": False, "n_held": 0, "reason": ""}
    return {"folder": folder, "collection": collection, **plain, **more}


def migration(**more: object) -> dict:
    """Describe a migration as the server does."""
    plain = {"from_model": "all-minilm:latest", "to_model": "bge-m3:latest", "state": "running"}
    counts = {"n_done": 412, "n_documents": 1200, "eta_s": 5400.0}
    told = {"message": "", "can_revert": False}
    return {"collection": "default", **plain, **counts, **told, **more}


def _advance(world: World, job: dict) -> dict:
    """Finish one file every second poll; refuse those named *.bad, never finish *.slow."""
    if job["state"] in ("done", "failed"):
        return _shown(job)
    job["n_polls"] += 1
    n_readable = sum(not name.endswith(".slow") for name, _ in job["files"])
    job["n_done"] = n = min(job["n_polls"] // 2, n_readable)
    finished = n == len(job["files"])
    if finished:
        job["state"] = "done"
        for at, (name, data) in enumerate(job["files"]):
            if name.endswith(".bad"):
                job["errors"].append({"path": name, "reason": "no loader for .bad; try .txt"})
            else:
                text = data if isinstance(data, str) else data.decode()
                world.add(f"u{job['id']}{at}", name, text)
    else:
        job["state"] = "running"
    return _shown(job)


def _shown(job: dict) -> dict:
    n = job.get("n_done", 0)
    is_running = job["state"] == "running"
    shown = {key: job[key] for key in ("id", "collection", "state", "errors")}
    return shown | {
        "progress": n / len(job["files"]),
        "n_files": len(job["files"]),
        "n_done": n,
        "n_stored": n - len(job["errors"]),
        "n_skipped": 0,
        "message": f"papers/{job['files'][n][0]}" if is_running else job.get("message", ""),
        "created_at": "2026-11-20T09:30:00+00:00",
        "passages_per_s": 12.34 if is_running else 0.0,
        "bytes_per_s": 1_234_567.0 if is_running else 0.0,
        "eta_s": 95.0 if is_running else None,
    }


async def _stream(world: World, asked: dict):
    def event(name: str, data: dict) -> str:
        return f"event: {name}\ndata: {json.dumps(data)}\n\n"

    reply = _reply(asked["question"])
    is_whole = False
    try:
        yield event("status", {"beat": "retrieve"})
        await asyncio.sleep(2 * world.pace_s)
        yield event("passages", {"passages": reply["passages"]})
        yield event("status", {"beat": "generate"})
        if asked["question"] == "silent":
            await asyncio.sleep(60)
        n_rounds = 200 if "long" in asked["question"] else 1
        for word in reply["answer"].split(" ") * n_rounds:
            yield event("token", {"text": word + " "})
            await asyncio.sleep(world.pace_s)
        if asked["question"] == "break":
            yield event("error", {"error": "the model ran out of memory"})
            return
        kept = ("answer", "sentences", "citations", "refused", "mode")
        yield event("citations", {key: reply[key] for key in kept})
        remember(world, asked, reply, is_whole=True)
        is_whole = True
        yield event("done", reply)
    finally:
        if not is_whole and "long" in asked["question"]:
            remember(world, asked, reply, is_whole=False)
        world.n_closed += not is_whole


ADDRESS: list[str] = []


def watch_outside(world: World) -> None:
    """Note every connection and name look-up that leaves this machine."""

    def hook(event: str, args: tuple) -> None:
        if event not in ("socket.connect", "socket.getaddrinfo"):
            return
        host = args[1][0] if event == "socket.connect" and isinstance(args[1], tuple) else args[0]
        if isinstance(host, str) and host not in ("127.0.0.1", "localhost", "::1"):
            world.outside.append(f"{event} {host}")

    sys.addaudithook(hook)


def main(port: int = 0) -> None:
    world = World(pace_s=0.06)
    watch_outside(world)
    listening = socket.create_server(("127.0.0.1", port))
    ADDRESS.append(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(SecurityHeaders(build(world)), log_level="warning"))
    sys.stdout.write(ADDRESS[0] + "\n")
    sys.stdout.flush()
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
