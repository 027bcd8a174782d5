"""A conversation with a collection → the engine's events: text, its sources, notes beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TypeVar

from app.kb_footer import footer, title_of, withdrawal, without_footer
from app.query import sentences
from app.query.answer import answer
from app.query.beats import Beats, Said
from app.query.errors import QueryError, RerankerError
from app.query.prompt import says_not_found
from app.query.run import MAX_CONDENSED_TOKENS
from app.query.types import Answer, Ask, Checked, Done, Found, Status, Token, Turn
from app.query.verify import indexed_in, without_marks
from engine.errors import (
    CancelledError,
    EngineError,
    ModelNotFoundError,
    OptionError,
    RequestError,
    RuntimeFailedError,
)
from engine.types import Event, Final, Json, Message, Piece
from ingest.errors import CollectionNotFoundError, IngestError

T = TypeVar("T")

SOURCES = "kb_sources"  # option: whether the text of an answer ends with its sources


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request may choose."""

    has_sources: bool = True
    n_predict: int = 0  # tokens that the chat model may write; 0 = as the pipeline wants


def wishes_of(options: Mapping[str, object]) -> Wishes:
    """Read the options of a request; the others are those of models.

    Raises:
        OptionError: one has the wrong type.
    """
    # As for the options of models, null stands for none given.
    given = {name: value for name, value in options.items() if value is not None}
    has_sources, n_predict = given.get(SOURCES, True), given.get("num_predict", 0)
    if not isinstance(has_sources, bool):
        raise OptionError(f'option "{SOURCES}" must be true or false, got {has_sources!r:.80}')
    is_odd = isinstance(n_predict, float) and not isfinite(n_predict)
    if isinstance(n_predict, bool) or not isinstance(n_predict, int | float) or is_odd:
        raise OptionError(f'option "num_predict" must be of type integer, got {n_predict!r:.80}')
    return Wishes(has_sources, max(0, int(n_predict)))


def conversation_of(messages: Sequence[Message]) -> tuple[str, tuple[Turn, ...]]:
    """Give the question and what was said before it, without the footers of earlier answers.

    Raises:
        RequestError: no user has said anything.
    """
    asked = [at for at, one in enumerate(messages) if one.role == "user"]
    if not asked:
        raise RequestError("the question is empty: send it as a message of the role user")
    return messages[asked[-1]].content, tuple(_turns(messages[: asked[-1]]))


def notes_of(answered: Answer, text: str, url: str = "") -> Json:
    """Write what stands beside the text of an answer.

    Args:
        text: the answer as it was shown, marks and all.
    Source: OpenAI's url_citation annotations, which Open WebUI numbers in their order.
    """
    from app.api.query_wire import CitationOut, SentenceOut

    citations: list[Json] = []
    annotations: list[Json] = []
    for one in sorted(answered.citations, key=lambda one: one.n):
        title, mark = title_of(one, answered), f"[{one.n}]"
        link = f"{url}/kb/documents/{one.document_id}/text#char={one.start},{one.end}"
        citations.append(CitationOut.of(one).model_dump() | {"title": title, "url": link})
        start = max(0, text.find(mark))
        place = {"start_index": start, "end_index": start + len(mark), "title": title, "url": link}
        annotations.append({"type": "url_citation", "url_citation": place})
    return {
        "annotations": annotations,
        "citations": citations,
        "mode": answered.mode,
        "sentences": [SentenceOut.of(one).model_dump() for one in answered.sentences],
    }


@dataclass(slots=True)
class _Pen:
    """Lets the chat model write while somebody reads, and counts what that takes."""

    is_dropped: threading.Event = field(default_factory=threading.Event)
    calls: list[Said] = field(default_factory=list)
    n_predict: int = 0

    def holding(self, beats: Beats) -> Beats:
        """Put itself between the pipeline and its chat model."""
        free, bound = beats.chat, beats.bound_chat
        return replace(
            beats,
            chat=None if free is None else lambda *given: self._write(free, *given),
            bound_chat=None if bound is None else lambda *given: self._write(bound, *given),
        )

    def _write(
        self,
        chat: Callable[..., Iterator[str | Said]],
        messages: Sequence[Message],
        n_predict: int,
        *more: str,
    ) -> Iterator[str | Said]:
        if self.n_predict and n_predict != MAX_CONDENSED_TOKENS:
            n_predict = min(n_predict, self.n_predict)
        at = len(self.calls)
        self.calls.append(Said(0, 0, 0))
        with closing(_closable(chat(messages, n_predict, *more))) as pieces:
            for piece in pieces:
                if self.is_dropped.is_set():
                    raise CancelledError
                if isinstance(piece, Said):
                    self.calls[at] = piece
                yield piece

    def final(self, answered: Answer, total_ns: int, notes: Json) -> Final:
        """Count what the chat model read and wrote; nothing where none was asked."""
        calls = list(self.calls)
        prompt = answered.trace.prompt if answered.trace is not None else None
        if prompt is not None and calls:  # also counts a stream that was ended early
            calls[-1] = Said(prompt.n_tokens, prompt.n_reused, prompt.n_generated)
        n_written = calls[-1].n_generated if calls else 0
        is_cut = answered.mode == "generated" and 0 < self.n_predict <= n_written
        return Final(
            "length" if is_cut else "stop",
            n_prompt=sum(one.n_prompt for one in calls),
            n_reused=sum(one.n_reused for one in calls),
            n_generated=sum(one.n_generated for one in calls),
            total_ns=total_ns,
            notes=notes,
        )


@dataclass(slots=True)
class _Shown:
    """What readers have seen of an answer, who cannot be made to forget it.

    Nothing is shown before a sentence of it is borne out: until then the pipeline may yet take the
    documents' own words instead.
    """

    written: str = ""  # by the chat model, marks and all
    checked: str = ""  # its whole sentences, with our marks
    at: int = 0  # characters of the written text, without marks, that are checked
    sent: str = ""
    is_sound: bool = False
    indexed: frozenset[str] = frozenset()  # by the passages, as in `without_marks`

    def add(self, event: Checked) -> str:
        """Take a checked sentence; give the text to show now."""
        plain = without_marks(self.written, self.indexed)
        spans = sentences.spans(plain)
        if event.index >= len(spans):
            return ""
        end = spans[event.index][1]
        self.checked += plain[self.at : end] + "".join(f" [{n}]" for n in event.sentence.citations)
        self.at = end
        self.is_sound = self.is_sound or event.sentence.support == "supported"
        is_kept = self.is_sound and not says_not_found(self.written)
        return self._send(self.checked.lstrip()) if is_kept else ""

    def finish(self, text: str, question: str) -> str:
        """Give what is missing at the end; if what was shown does not stand, say so first."""
        if text.startswith(self.sent):
            return self._send(text)
        return self._send(self.sent + withdrawal(question) + text)

    def _send(self, text: str) -> str:
        new, self.sent = text[len(self.sent) :], text
        return new


class Answering:
    """Events that can be closed from any thread; a chat model that writes then stops at once."""

    def __init__(
        self, beats: Beats, ask: Ask, *, model: str, wishes: Wishes = Wishes(), url: str = ""
    ) -> None:
        """Prepare; nothing happens before the first event is asked for.

        Args:
            model: what the collection is called in errors.
            url: where the server answers; citations link to it.
        """
        self._pen = _Pen(n_predict=wishes.n_predict)
        self._events = _events(self._pen.holding(beats), ask, self._pen, wishes, (model, url))

    def __iter__(self) -> Answering:
        return self

    def __next__(self) -> Event:
        if self._pen.is_dropped.is_set():
            raise StopIteration
        return next(self._events)

    def close(self) -> None:
        """Stop answering; may be called twice."""
        self._pen.is_dropped.set()
        with suppress(ValueError):  # it runs, in another thread, and will see that it is dropped
            self._events.close()


def _events(
    beats: Beats, ask: Ask, pen: _Pen, wishes: Wishes, named: tuple[str, str]
) -> Generator[Event, None, None]:
    """Turn the pipeline's events into the engine's, its errors into the engine's too."""
    model, url = named
    began_ns, shown = time.monotonic_ns(), _Shown()
    try:
        with closing(_closable(answer(beats, ask))) as events:
            for event in events:
                if isinstance(event, Found):
                    shown.indexed = indexed_in(one.text for one in event.passages)
                if isinstance(event, Status | Found):
                    yield Piece()  # a sign of life
                elif isinstance(event, Token):
                    shown.written += event.text
                    yield Piece()  # the moment to stop, also while nothing is shown yet
                elif isinstance(event, Checked):
                    yield Piece(shown.add(event))
                elif isinstance(event, Done):
                    answered = event.answer
                    yield Piece(shown.finish(answered.text, ask.question))
                    if wishes.has_sources:
                        yield Piece(footer(ask.question, answered))
                    notes = notes_of(answered, shown.sent, url)
                    yield pen.final(answered, time.monotonic_ns() - began_ns, notes)
    except (IngestError, QueryError) as error:
        raise _engine_error(error, model) from error


def _engine_error(error: IngestError | QueryError, model: str) -> EngineError:
    """Say what went wrong in an error whose status the engine's APIs know."""
    if isinstance(error, CollectionNotFoundError):
        return ModelNotFoundError(model, f"model '{model}' not found: {error}")
    if isinstance(error, QueryError) and not isinstance(error, RerankerError):
        return RequestError(str(error))
    return RuntimeFailedError(str(error))


def _turns(messages: Sequence[Message]) -> Iterator[Turn]:
    for one in messages:
        if one.role == "user" and one.content.strip():
            yield Turn("user", one.content)
        elif one.role == "assistant" and (said := without_footer(one.content)):
            yield Turn("assistant", said)


def _closable(items: Iterator[T]) -> Generator[T, None, None]:
    """Hand a close on to whatever was given."""
    yield from items
