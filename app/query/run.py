"""One question on its way: what it is measured by, and the beats before the answer is written.

Rewrite, retrieve, rerank, pack; `answer.py` has their order, `explain.py` looks at each.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from app.query.beats import Beats, Said
from app.query.errors import NoRoomError, RerankerError
from app.query.injection import flagged
from app.query.pack import DELETED, NO_ROOM, labelled, packed_with_reasons
from app.query.prompt import messages_for, tag_of
from app.query.rerank import reranked
from app.query.retrieve import retrieve
from app.query.rewrite import MAX_TURN_CHARACTERS, recent_of, rewrite
from app.query.trace import holder
from app.query.types import Ask, Citation, Passage, Retrieved, Rewritten, Turn
from engine.errors import EngineError
from engine.types import Message
from ingest.types import Hit

MAX_ANSWER_TOKENS = 512
MAX_CONDENSED_TOKENS = 96
MAX_SMALL_ANSWER_TOKENS = 160  # a starter model that has not answered by then repeats itself
TEMPLATE_TOKENS = 48  # what the chat template writes around the messages
MAX_PASSAGE_TOKENS = 6_000  # of a large context: more sources make answers slower, not better
EXTRACT_TOKENS = 4_000  # budget where no chat model limits it

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """One question on its way, with what was noted about it."""

    beats: Beats
    ask: Ask
    seconds: dict[str, float] = field(default_factory=dict)  # by beat
    notices: list[str] = field(default_factory=list)
    gone: dict[str, str] = field(default_factory=dict)  # document id → path, deleted meanwhile

    @property
    def model(self) -> str:
        """The chat model that answers."""
        return self.ask.model or self.beats.chat_model

    @property
    def is_small(self) -> bool:
        """Whether that model may speak only if fully borne out."""
        if self.model == self.beats.chat_model:
            return self.beats.is_small
        return self.beats.is_small_too(self.model)

    @contextmanager
    def beat(self, name: str) -> Iterator[None]:
        """Measure one beat."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count tokens as the chat model would."""
        if self.beats.chat is None:
            return [len(text) // 3 + 1 for text in texts]  # no tokenizer; nothing overflows
        return self.beats.count_tokens(self.model, texts)

    @property
    def answer_tokens(self) -> int:
        """How long the answer may become."""
        wanted = MAX_SMALL_ANSWER_TOKENS if self.is_small else MAX_ANSWER_TOKENS
        return min(wanted, self.beats.context_length(self.model) // 4)


@dataclass(frozen=True, slots=True)
class Material:
    """What an answer is made of."""

    rewritten: Rewritten
    retrieved: Retrieved
    ranked: tuple[Hit, ...]  # in their last order
    is_reranked: bool = False
    history: tuple[Turn, ...] = ()
    room: int = 0  # tokens for passages
    passages: tuple[Passage, ...] = ()
    left_out: Mapping[int, str] = field(default_factory=dict)  # chunk id → why


def rewritten_of(run: Run) -> Rewritten:
    """Make the question understandable without the conversation."""
    chat = run.beats.chat
    if chat is None or not run.beats.rewrite_with_model or run.is_small:
        return rewrite(run.ask.question, run.ask.history)

    def condense(messages: Sequence[Message]) -> str:
        with closing(said(chat(messages, MAX_CONDENSED_TOKENS, run.model))) as pieces:
            return "".join(piece for piece in pieces if isinstance(piece, str))

    return rewrite(run.ask.question, run.ask.history, condense)


def found_for(run: Run, rewritten: Rewritten) -> Material:
    """Search both indexes."""
    retrieved = retrieve(run.beats, run.ask, rewritten)
    return Material(rewritten, retrieved, retrieved.hits)


def has_reranker(run: Run) -> bool:
    """Whether there is a reranker that has a say in this collection."""
    return run.beats.rerank is not None and run.beats.rerank_share(run.ask.collection) > 0


def ranked_anew(run: Run, material: Material) -> Material:
    """Let the reranker have its say; without a working one the order stays, and a notice says so.

    Why not an error: the ranking before it is good, and the reader can do nothing about it now.
    """
    if run.beats.rerank is None or not has_reranker(run) or not material.ranked:
        return material
    share = run.beats.rerank_share(run.ask.collection)
    question = material.rewritten.standalone
    try:
        ranked = reranked(question, material.ranked, run.beats.rerank, share)
    except (RerankerError, EngineError) as error:
        _logger.warning("reranker_failed reranker=%s reason=%s", run.beats.reranker, error)
        run.notices.append(f"ranked without the reranker: {error}")
        return material
    return replace(material, ranked=tuple(ranked), is_reranked=True)


def packed_for(run: Run, material: Material) -> Material:
    """Choose the passages; documents that were deleted since the search are left out.

    Raises:
        NoRoomError: the chat model's context holds no passage.
    """
    history = _recent(run)
    room = _room(run, history)
    packed = packed_with_reasons(material.ranked, run.beats.text, run.count, room, run.ask.top_k)
    for hit in material.ranked:
        if packed.left_out.get(hit.chunk_id) == DELETED:
            run.gone[hit.document_id] = hit.path
    if not packed.passages and NO_ROOM in packed.left_out.values():
        raise NoRoomError(run.model, run.beats.context_length(run.model))
    return replace(
        material,
        history=history,
        room=room,
        passages=tuple(flagged(labelled(packed.passages, run.beats.page_label))),
        left_out=packed.left_out,
    )


def still_there(run: Run, material: Material) -> Material:
    """Leave out the passages of documents that were deleted while the answer was written."""
    for one in material.passages:
        if not run.beats.is_stored(one.document_id):
            run.gone[one.document_id] = one.path
    kept = tuple(one for one in material.passages if one.document_id not in run.gone)
    if len(kept) == len(material.passages):
        return material
    lost = {
        hit.chunk_id: DELETED
        for hit in material.ranked
        if hit.document_id in run.gone and holder(hit, material.passages) is not None
    }
    return replace(material, passages=kept, left_out={**material.left_out, **lost})


def with_warnings(
    citations: Sequence[Citation], passages: Sequence[Passage]
) -> tuple[Citation, ...]:
    """Give each citation the warnings of the passage that holds it."""
    return tuple(
        replace(one, warnings=tuple(dict.fromkeys((*one.warnings, *_warned(one, passages)))))
        for one in citations
    )


def said(stream: Iterator[str | Said]) -> Generator[str | Said, None, None]:
    """Give a chat model's stream; close it however this one ends."""
    try:
        yield from stream
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


def _warned(citation: Citation, passages: Sequence[Passage]) -> Iterator[str]:
    for one in passages:
        if one.document_id == citation.document_id and one.start <= citation.start < one.end:
            yield from one.warnings


def _recent(run: Run) -> tuple[Turn, ...]:
    """Take the last turns, no longer than a quarter of the context; oldest go first."""
    if run.beats.chat is None:
        return ()
    turns = [
        Turn(turn.role, turn.content[:MAX_TURN_CHARACTERS]) for turn in recent_of(run.ask.history)
    ]
    room = run.beats.context_length(run.model) // 4
    while turns and sum(run.count([turn.content for turn in turns])) > room:
        turns.pop(0)
    return tuple(turns[1:] if turns and turns[0].role == "assistant" else turns)


def _room(run: Run, history: Sequence[Turn]) -> int:
    """Tokens left for passages in the chat model's real context."""
    if run.beats.chat is None:
        return EXTRACT_TOKENS
    # The rules cost what they cost: in Chinese half as many again, with an English vocabulary.
    bare = messages_for(run.ask.question, (), (), tag_of((), run.beats.secret))
    told = sum(run.count([*(one.content for one in bare), *(turn.content for turn in history)]))
    n_context = run.beats.context_length(run.model)
    return min(MAX_PASSAGE_TOKENS, n_context - told - run.answer_tokens - TEMPLATE_TOKENS)
