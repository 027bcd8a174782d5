"""The routes that Ollama lacks: rerank, tokenize, detokenize."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.checks import chat_request, find
from engine.api.frames import json_response
from engine.api.wire import ChatWire, KeepAlive, Wire
from engine.errors import ModelRequiredError, RequestError
from engine.types import Json, Reranked

if TYPE_CHECKING:
    from engine.engine import Engine

MAX_DOCUMENTS = 10_000  # of one rerank request


def _text(value: object) -> str:
    text = value.get("text") if isinstance(value, Mapping) else value
    if not isinstance(text, str):
        raise ValueError('a document must be a string or {"text": a string}')  # noqa: TRY004
    return text


_DOCUMENT = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    ]
}
Document = Annotated[str, BeforeValidator(_text), WithJsonSchema(_DOCUMENT)]


class RerankWire(Wire):
    """Body of POST /api/rerank and /v1/rerank: Cohere's and Jina's, ours are the last two."""

    model: str = ""
    query: str = ""
    documents: list[Document] = []
    top_n: int | None = Field(default=None, ge=1)
    return_documents: bool = False
    options: Json | None = None
    keep_alive: KeepAlive = None


class TokenizeWire(ChatWire):
    """Body of POST /api/tokenize: a text, or a conversation whose tokens are only counted."""

    text: str = ""
    content: str = ""  # what llama.cpp's server calls it
    add_special: bool = False
    with_pieces: bool = False


class DetokenizeWire(Wire):
    """Body of POST /api/detokenize."""

    model: str = ""
    tokens: list[Annotated[int, Field(ge=0, lt=2**31)]] = []


class ExtensionRoutes:
    """The endpoints that clients of Ollama do not know."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["extensions"])
        router.add_api_route("/api/rerank", self.rerank, methods=["POST"])
        router.add_api_route("/v1/rerank", self.rerank_v1, methods=["POST"])
        router.add_api_route("/api/tokenize", self.tokenize, methods=["POST"])
        router.add_api_route("/api/detokenize", self.detokenize, methods=["POST"])
        return router

    async def rerank(self, request: Request) -> Response:
        """Order documents by how well they answer a query."""
        wire, reranked = await self._rerank(request)
        counters = {
            "total_duration": reranked.total_ns,
            "load_duration": reranked.load_ns,
            "prompt_eval_count": reranked.n_tokens,
        }
        body: Json = {"model": wire.model, "results": results(wire, reranked.scores)}
        return json_response(body | {name: n for name, n in counters.items() if n})

    async def rerank_v1(self, request: Request) -> Response:
        """Order documents by how well they answer a query, in Cohere's and Jina's shape."""
        wire, reranked = await self._rerank(request)
        n_tokens = reranked.n_tokens
        body = {
            "id": f"rerank-{secrets.token_hex(8)}",
            "object": "list",
            "model": wire.model,
            "results": results(wire, reranked.scores),
            "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
            "meta": {"tokens": {"input_tokens": n_tokens}},
        }
        return json_response(body)

    async def tokenize(self, request: Request) -> Response:
        """Turn text into the model's tokens, or count those of a conversation."""
        wire = await read_body(request, TokenizeWire)
        await self._require(wire.model)
        if wire.messages:
            wanted = await quick(lambda: chat_request(self._engine, wire))
            n = await self._bridge.call(request, lambda: self._engine.count_chat_tokens(wanted))
            return json_response({"model": wire.model, "count": n})
        tokens = await self._bridge.call(request, lambda: self._tokens(wire))
        return json_response({"model": wire.model, "tokens": tokens, "count": len(tokens)})

    async def detokenize(self, request: Request) -> Response:
        """Turn tokens of a model back into text."""
        wire = await read_body(request, DetokenizeWire)
        await self._require(wire.model)
        text = await self._bridge.call(
            request, lambda: self._engine.detokenize(wire.model, wire.tokens)
        )
        return json_response({"model": wire.model, "text": text, "content": text})

    def _tokens(self, wire: TokenizeWire) -> Sequence[object]:
        text = wire.text or wire.content
        tokens = self._engine.tokenize(wire.model, text, add_special=wire.add_special)
        if not wire.with_pieces:
            return tokens
        pieces = {one: self._engine.detokenize(wire.model, [one]) for one in set(tokens)}
        return [{"id": one, "piece": pieces[one]} for one in tokens]

    async def _rerank(self, request: Request) -> tuple[RerankWire, Reranked]:
        wire = await read_body(request, RerankWire)
        await self._require(wire.model)
        _check_rerank(wire)
        reranked = await self._bridge.call(
            request,
            lambda: self._engine.rerank(
                wire.model,
                wire.query,
                wire.documents,
                options=wire.options,
                keep_alive_s=wire.keep_alive,
            ),
        )
        return wire, reranked

    async def _require(self, model: str) -> None:
        if not model:
            raise ModelRequiredError
        await quick(lambda: find(self._engine, model))


def results(wire: RerankWire, scores: Sequence[float]) -> list[Json]:
    """List the documents, best first; equal ones keep their order."""
    best = sorted(range(len(scores)), key=lambda index: -scores[index])[: wire.top_n]
    return [
        {"index": index, "relevance_score": scores[index]}
        | ({"document": {"text": wire.documents[index]}} if wire.return_documents else {})
        for index in best
    ]


def _check_rerank(wire: RerankWire) -> None:
    if not wire.query:
        raise RequestError("query is required: send the text that the documents should answer")
    if not wire.documents:
        raise RequestError("documents is required: send a list of texts to order")
    if len(wire.documents) > MAX_DOCUMENTS:
        raise RequestError(
            f"too many documents: {len(wire.documents):,}; at most {MAX_DOCUMENTS:,} are ordered "
            "at once, so send them in parts"
        )
