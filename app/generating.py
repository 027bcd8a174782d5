"""Engine → the chat functions that the query pipeline is given, free or bound by a grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from app.query.beats import BoundChat, Chat, Said
from engine.types import ChatRequest, Final, Message, Piece

if TYPE_CHECKING:
    from engine.engine import Engine


def chat_of(engine: Engine) -> Chat:
    """Give the pipeline's chat function: greedy, so that the same question gets the same answer."""

    def chat(messages: Sequence[Message], n_predict: int, model: str) -> Iterator[str | Said]:
        return _told(engine, _request(messages, n_predict, model))

    return chat


def bound_chat_of(engine: Engine) -> BoundChat:
    """Give the chat function whose text keeps to a GBNF grammar."""

    def chat(
        messages: Sequence[Message], n_predict: int, model: str, grammar: str
    ) -> Iterator[str | Said]:
        return _told(engine, _request(messages, n_predict, model, grammar))

    return chat


def _request(
    messages: Sequence[Message], n_predict: int, model: str, grammar: str | None = None
) -> ChatRequest:
    return ChatRequest(
        model=model,
        messages=tuple(messages),
        grammar=grammar,
        options={"num_predict": n_predict, "temperature": 0.0, "seed": 0},
    )


def _told(engine: Engine, request: ChatRequest) -> Iterator[str | Said]:
    """Give text as it comes, at the end what it took; closing this ends the generation."""
    events = engine.chat(request)
    try:
        for event in events:
            if isinstance(event, Piece):
                yield event.text
            elif isinstance(event, Final):
                yield Said(event.n_prompt, event.n_reused, event.n_generated)
    finally:
        close = getattr(events, "close", None)
        if callable(close):
            close()
