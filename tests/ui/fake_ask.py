"""The routes of conversations, feedback and suggestions of the small server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from tests.ui.fake_api import World

SUGGESTED = ["How many days of annual leave are there?", "年假可以顺延到什么时候？"]


def conversation(id_: str, title: str, when: str = "2026-11-20T09:30:00+00:00", **more) -> dict:
    """Describe a stored conversation as the server does."""
    plain = {"id": id_, "title": title, "collection": "default", "messages": []}
    return {**plain, "created_at": when, "updated_at": when, **more}


def stored_answer(reply: dict, **more: object) -> dict:
    """Describe an answer as the server stores it: its passages by numbers only."""
    kept = {key: reply[key] for key in ("mode", "sentences")}
    citations = [{**one, "digest": "x", "is_current": True} for one in reply["citations"]]
    told = {key: reply[key] for key in ("rewritten", "timings", "models", "notices", "trace")}
    plain = {"role": "assistant", "text": reply["answer"], "citations": citations, "trace": told}
    return {**plain, "created_at": "2026-11-20T09:30:00+00:00", **kept, **more}


def remember(world: World, asked: dict, reply: dict, *, is_whole: bool) -> None:
    """Store what was asked and answered, as far as it came."""
    found = world.conversations.get(asked.get("conversation_id", ""))
    if found is None:
        return
    answer = stored_answer(reply)
    if not is_whole:
        first = reply["sentences"][:1]
        text = " ".join(one["text"] for one in first)
        answer |= {"mode": "broken_off", "text": text, "sentences": first, "trace": None}
    asking = {"role": "user", "text": asked["question"], "created_at": answer["created_at"]}
    before = found["messages"][-2:]
    if before and before[1].get("mode") == "broken_off" and before[0]["text"] == asking["text"]:
        del found["messages"][-2:]  # as the server has it
    found["messages"] += [asking, answer]
    found["title"] = found["title"] or asked["question"][:80]


def add_ask_routes(app: FastAPI, world: World) -> None:
    """Add them all."""
    _add_conversations(app, world)
    _add_one_conversation(app, world)

    @app.post("/kb/search")
    async def search(request: Request):
        asked = await request.json()
        world.done.append(f"search {asked['collection']}")
        plain = {"path": "/home/ann/minutes/may.md", "title": "may.md", "page": None, "heading": ""}
        span = {"document_id": "d9", "start": 0, "end": 20, "score": 0.5}
        return {"hits": [{**plain, **span, "text": "The moon was discussed in May."}]}

    @app.get("/kb/suggestions")
    def suggestions(collection: str):
        return {"collection": collection, "questions": SUGGESTED}

    @app.get("/kb/feedback")
    def opinions(conversation_id: str):
        held = [one for key, one in world.opinions.items() if key[0] == conversation_id]
        return {"feedback": held}

    @app.post("/kb/feedback")
    async def give(request: Request):
        given = await request.json()
        world.done.append(f"feedback {given['verdict']}")
        world.given.append(given)
        key = given["conversation_id"], given["message"]
        if given["comment"] == "full":
            return JSONResponse({"error": "2,000 questions are kept already"}, 409)
        is_case = given["verdict"] == "up" or given["is_missing"] or "right" in given
        verdict = "" if given["verdict"] == "none" else given["verdict"]
        kept = {"message": key[1], "verdict": verdict, "comment": given["comment"]}
        world.opinions[key] = {**kept, "is_missing": given["is_missing"], "n_cases": int(is_case)}
        return world.opinions[key]


def _add_conversations(app: FastAPI, world: World) -> None:
    @app.get("/kb/conversations")
    def conversations(q: str = "", limit: int = 50, before: str = ""):
        found = [
            one
            for one in reversed(world.conversations.values())
            if q.casefold() in (one["title"] + str(one["messages"])).casefold()
        ]
        shown = [_summary(one) for one in found[:limit]]
        return {"conversations": shown, "next": "more" if len(found) > limit else ""}

    @app.post("/kb/conversations", status_code=201)
    async def begin(request: Request):
        asked = await request.json()
        id_ = f"c{len(world.conversations) + 1}"
        world.conversations[id_] = conversation(id_, "", collection=asked["collection"])
        return _summary(world.conversations[id_])


def _add_one_conversation(app: FastAPI, world: World) -> None:
    @app.get("/kb/conversations/{id_}")
    def one(id_: str):
        return world.conversations.get(id_) or _gone(id_)

    @app.patch("/kb/conversations/{id_}")
    async def rename(id_: str, request: Request):
        if id_ not in world.conversations:
            return _gone(id_)
        world.conversations[id_]["title"] = (await request.json())["title"]
        return _summary(world.conversations[id_])

    @app.delete("/kb/conversations/{id_}")
    def delete(id_: str):
        if world.conversations.pop(id_, None) is None:
            return _gone(id_)
        return {"deleted": True}

    @app.get("/kb/conversations/{id_}/export")
    def export(id_: str, format: str = "markdown"):
        found = world.conversations[id_]
        return PlainTextResponse(f"# {found['title']}" if format == "markdown" else "{}")


def _summary(one: dict) -> dict:
    shown = {key: value for key, value in one.items() if key != "messages"}
    return shown | {"n_messages": len(one["messages"])}


def _gone(id_: str) -> JSONResponse:
    return JSONResponse({"error": f"conversation '{id_}' not found"}, 404)
