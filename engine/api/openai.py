"""The routes below /v1, as OpenAI's clients expect them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from fastapi import APIRouter, Request, Response

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.checks import chat_request, find, generate_request, require_known
from engine.api.choices import MAX_RUNS, first_call_only, spread
from engine.api.frames import JSON_TYPE, json_response
from engine.api.ollama import EMBED_MISSING, input_texts
from engine.api.openai_frames import DONE, EVENTS_TYPE, ChatCompletionFrames, Numbered, error_event
from engine.api.openai_objects import embeddings_body, encoding_of, model_object, virtual_object
from engine.api.openai_text_frames import CompletionFrames
from engine.api.openai_wire import ChatCompletionWire, CompletionWire, EmbeddingsWireV1
from engine.api.stream import Framing, gather_all, stream_all
from engine.errors import RequestError
from engine.library.names import parse
from engine.types import ChatRequest, Event, GenerateRequest
from engine.virtual import virtual_entries, virtual_of

if TYPE_CHECKING:
    from engine.engine import Engine

R = TypeVar("R", ChatRequest, GenerateRequest)


class OpenAIRoutes:
    """The endpoints below /v1."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["openai"])
        router.add_api_route("/v1/chat/completions", self.chat_completions, methods=["POST"])
        router.add_api_route("/v1/completions", self.completions, methods=["POST"])
        router.add_api_route("/v1/embeddings", self.embeddings, methods=["POST"])
        router.add_api_route("/v1/models", self.models, methods=["GET"])
        # Names of models from other registries hold slashes.
        router.add_api_route("/v1/models/{model:path}", self.model, methods=["GET"])
        return router

    async def chat_completions(self, request: Request) -> Response:
        """Answer a conversation, once or several times."""
        wire = await read_body(request, ChatCompletionWire)
        native = wire.native()
        wanted = await quick(lambda: chat_request(self._engine, native))
        runs = await self._spread(wanted, wire.n)
        frames = ChatCompletionFrames(
            wire.model, has_usage=wire.stream_options.include_usage, n_choices=wire.n
        )

        def answer(one: ChatRequest) -> Iterator[Event]:
            events = self._engine.chat(one)
            return events if wire.parallel_tool_calls else first_call_only(events)

        opens = _opens(answer, runs)
        if wire.stream:
            return await stream_all(self._bridge, request, opens, _framing(frames))
        return json_response(frames.whole(await gather_all(self._bridge, request, opens)))

    async def completions(self, request: Request) -> Response:
        """Continue one prompt or several, each once or several times."""
        wire = await read_body(request, CompletionWire)
        texts = await self._texts(request, wire)
        wanted = await quick(
            lambda: [generate_request(self._engine, wire.native(text)) for text in texts]
        )
        runs = [run for one in wanted for run in await self._spread(one, wire.n)]
        echoes = [run.prompt if wire.echo else "" for run in runs]
        frames = CompletionFrames(
            wire.model, echoes, has_usage=wire.stream_options.include_usage, n_choices=wire.n
        )
        opens = _opens(self._engine.generate, runs)
        if wire.stream:
            return await stream_all(self._bridge, request, opens, _framing(frames))
        return json_response(frames.whole(await gather_all(self._bridge, request, opens)))

    async def embeddings(self, request: Request) -> Response:
        """Turn texts into vectors."""
        wire = await read_body(request, EmbeddingsWireV1)
        encoding = encoding_of(wire.encoding_format)
        texts = [""] if wire.input == "" else input_texts(wire.input)
        if not texts:
            raise RequestError("invalid input")
        entry = await quick(lambda: find(self._engine, wire.model, missing=EMBED_MISSING))
        embedded = await self._bridge.call(
            request,
            lambda: self._engine.embed(entry.name, texts, n_dimensions=wire.dimensions),
        )
        return Response(embeddings_body(wire.model, embedded, encoding), media_type=JSON_TYPE)

    async def models(self) -> Response:
        """List the installed models."""
        return json_response({"object": "list", "data": await quick(self._models)})

    async def model(self, model: str) -> Response:
        """Describe one installed model."""

        def look_up() -> dict[str, object]:
            virtual = virtual_of(self._engine, model)
            if virtual is not None:
                return virtual_object(virtual.entry)
            missing = f"model '{parse(model).short}' not found"
            return model_object(find(self._engine, model, missing=missing))

        return json_response(await quick(look_up))

    def _models(self) -> list[dict[str, object]]:
        stored = self._engine.library.entries()
        virtual = virtual_entries(self._engine, stored)
        return [*map(model_object, stored), *map(virtual_object, virtual)]

    async def _spread(self, wanted: R, n: int) -> list[R]:
        if n == 1:
            return [wanted]
        if await quick(lambda: virtual_of(self._engine, wanted.model)) is not None:
            raise RequestError(f'"{wanted.model}" gives one answer only: send n=1, got {n}')
        entry = await quick(lambda: find(self._engine, wanted.model))
        return spread(wanted, n, entry.params)

    async def _texts(self, request: Request, wire: CompletionWire) -> list[str]:
        prompts = wire.prompts
        if len(prompts) * wire.n > MAX_RUNS:
            raise RequestError(
                f"too many answers: {len(prompts)} prompts, n={wire.n}; at most {MAX_RUNS} at once"
            )
        await quick(lambda: require_known(self._engine, wire.model))

        def as_text(prompt: str | list[int]) -> str:
            if isinstance(prompt, str):
                return prompt
            return self._engine.detokenize(wire.model, prompt)

        if all(isinstance(one, str) for one in prompts):
            return [as_text(one) for one in prompts]
        return await self._bridge.call(request, lambda: [as_text(one) for one in prompts])


def _opens(
    answer: Callable[[R], Iterator[Event]], runs: Sequence[R]
) -> list[Callable[[], Iterator[Event]]]:
    def opening(run: R) -> Callable[[], Iterator[Event]]:
        return lambda: answer(run)

    return [opening(run) for run in runs]


def _framing(frames: ChatCompletionFrames | CompletionFrames) -> Framing[Numbered]:
    return Framing(frames.events, error_event, DONE, EVENTS_TYPE)
