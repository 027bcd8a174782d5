"""Ask → events: which beat begins, the passages, the answer as it comes, the verified whole.

The only file of the pipeline that has an order of steps in it; each step is a file of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from app.query import sentences
from app.query.beats import Beats
from app.query.errors import EmptyQuestionError, NoRoomError, QuestionTooLongError
from app.query.extract import extract
from app.query.pack import labelled, pack, with_labels
from app.query.prompt import messages_for, nothing_yet, refusal, says_not_found, tag_of
from app.query.rerank import reranked
from app.query.retrieve import retrieve
from app.query.rewrite import MAX_TURN_CHARACTERS, recent_of, rewrite
from app.query.types import (
    Answer,
    AnswerEvent,
    Ask,
    Done,
    Found,
    Mode,
    Passage,
    Rewritten,
    Status,
    Token,
    Turn,
)
from app.query.verify import Verified, verify
from app.query.words import cjk_share
from engine.types import Message
from ingest.types import Hit

MAX_QUESTION = 8_000  # characters; four pages, more than any embedding model reads
MAX_ANSWER_TOKENS = 512
MAX_CONDENSED_TOKENS = 96
MAX_SMALL_ANSWER_TOKENS = 160  # a starter model that has not answered by then repeats itself
PROMPT_TOKENS = 160  # rules and chat template around the sources
MAX_PASSAGE_TOKENS = 6_000  # of a large context: more sources make answers slower, not better
MAX_SMALL_PASSAGE_TOKENS = 500  # what the starter model is given to read
EXTRACT_TOKENS = 4_000  # budget where no chat model limits it
# Measured on the best hit's score, all-MiniLM, articles of XQuAD and CMRC (English, Chinese): below
# 0.30 lie 97 and 92 % of the questions about other articles, 47 and 50 % of those about a removed
# passage, 2 to 3 % of the answerable ones (at 0.35: 5 to 7 %). Low on purpose: a needless refusal
# is worse than a near miss that shows its source.
BAR = 0.30
CJK_QUESTION = 0.3  # share of CJK letters from which on a question is not English
FOLLOW_UP_BAR = 0.20  # words taken over from the conversation need not all stand in the passage

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Run:
    """One question on its way, with the seconds that its beats took."""

    beats: Beats
    ask: Ask
    seconds: dict[str, float] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True)
class _Material:
    """What an answer is made of."""

    rewritten: Rewritten
    history: tuple[Turn, ...]
    passages: tuple[Passage, ...]


def search(beats: Beats, ask: Ask) -> tuple[Rewritten, list[Hit]]:
    """Find the best hits for a question, without answering it.

    Raises:
        EmptyQuestionError: nothing was asked.
        QuestionTooLongError: too much was asked.
        RerankerError: the configured reranker does not load.
    """
    check(beats, ask)
    rewritten = _rewritten(_Run(beats, ask))
    hits: Sequence[Hit] = retrieve(beats, ask, rewritten).hits
    if beats.rerank is not None:
        hits = reranked(rewritten.standalone, hits, beats.rerank)
    return rewritten, list(hits[: ask.top_k])


def answer(beats: Beats, ask: Ask) -> Iterator[AnswerEvent]:
    """Answer a question from the documents.

    What is wrong with the question is raised here, before the first event. Closing the iterator
    closes the chat model's stream.

    Raises:
        EmptyQuestionError: nothing was asked.
        QuestionTooLongError: too much was asked.
    """
    check(beats, ask)
    if ask.model and beats.chat is not None:
        beats.check_chat(ask.model)
    return _events(_Run(beats, ask))


def check(beats: Beats, ask: Ask) -> None:
    """Refuse what cannot be asked."""
    if not ask.question.strip():
        raise EmptyQuestionError
    if len(ask.question) > MAX_QUESTION:
        raise QuestionTooLongError(len(ask.question), MAX_QUESTION)
    beats.check_collection(ask.collection)


def _events(run: _Run) -> Iterator[AnswerEvent]:
    beats, ask = run.beats, run.ask
    yield Status("rewrite")
    with run.beat("rewrite"):
        rewritten = _rewritten(run)
    yield Status("retrieve")
    with run.beat("retrieve"):
        retrieved = retrieve(beats, ask, rewritten)
    hits: Sequence[Hit] = retrieved.hits
    confidence = retrieved.confidence
    if beats.rerank is not None:
        yield Status("rerank")
        with run.beat("rerank"):
            hits = reranked(rewritten.standalone, hits, beats.rerank)
    yield Status("pack")
    with run.beat("pack"):
        history = _recent(run)
        room = _room(run, history)
        packed = pack(hits[: ask.top_k], beats.text, run.count, room)
        passages = tuple(labelled(packed, beats.page_label))
    if hits and not passages:
        raise NoRoomError(run.model, beats.context_length(run.model))
    yield Found(passages)
    material = _Material(rewritten, history, passages)
    if not passages or confidence < (BAR if rewritten.by == "none" else FOLLOW_UP_BAR):
        verified = _refused(run, passages)
        yield Token(verified.text)
        yield Done(_answer(run, material, "refused", verified))
        return
    yield from _told(run, material)


def _told(run: _Run, material: _Material) -> Iterator[AnswerEvent]:
    """Generate where a model is there, verify, and fall back to the documents' own words.

    What a small model writes is shown only once it has been checked.
    """
    written = ""
    if run.beats.chat is not None and _can_write(run):
        yield Status("generate")
        passages = _readable(run, material.passages)
        tag = tag_of(passages, run.beats.secret)
        messages = messages_for(run.ask.question, passages, material.history, tag)
        with run.beat("generate"), closing(_generated(run, messages)) as stream:
            for piece in stream:
                written += piece
                if not run.is_small:
                    yield Token(piece)
                if run.is_small and _is_lost(written, piece, material, run.ask.question):
                    break
    yield Status("verify")
    with run.beat("verify"):
        mode, verified = _settled(run, material, written)
    if run.is_small or not written:
        yield Token(verified.text)
    yield Done(_answer(run, material, mode, verified))


def _readable(run: _Run, passages: Sequence[Passage]) -> Sequence[Passage]:
    """Give a small model the best passages only: it understands no more, and each costs seconds."""
    if not run.is_small:
        return passages
    counts = dict(zip(passages, run.count([one.text for one in passages]), strict=True))
    kept: dict[Passage, Passage] = {}
    room = MAX_SMALL_PASSAGE_TOKENS
    for one in sorted(passages, key=lambda one: -one.score):
        if counts[one] <= room:
            kept[one] = one
        elif not kept:
            n_characters = len(one.text) * room // counts[one]
            kept[one] = replace(one, text=sentences.cut(one.text, n_characters))
        room -= counts[one]
    return [kept[one] for one in passages if one in kept]


def _can_write(run: _Run) -> bool:
    """Whether the chat model knows the question's language; the small one writes English only."""
    return not (run.is_small and cjk_share(run.ask.question) > CJK_QUESTION)


def _is_lost(written: str, piece: str, material: _Material, question: str) -> bool:
    """Tell early that a small model's answer will not be kept: a sentence does not hold."""
    if not any(mark in piece for mark in ".!?\n\u3002\uff01\uff1f\uff1b"):
        return False
    finished = sentences.spans(written)[:-1]
    if not finished:
        return False
    return not verify(written[: finished[-1][1]], material.passages, question).is_borne_out


def _settled(run: _Run, material: _Material, written: str) -> tuple[Mode, Verified]:
    """Choose what is said: the model's words if they hold, else the documents'."""
    passages = material.passages
    if written.strip() and not run.is_small and says_not_found(written):
        return "refused", _refused(run, passages)
    verified = verify(written, passages, run.ask.question)
    supported = [one.support == "supported" for one in verified.sentences]
    if verified.is_borne_out or (any(supported) and not run.is_small):
        return "generated", verified
    rewritten = material.rewritten
    context = rewritten.standalone if rewritten.by != "none" else ""
    extracted = extract(run.ask.question, passages, context)
    return (
        ("extractive", extracted) if extracted.sentences else ("refused", _refused(run, passages))
    )


def _refused(run: _Run, passages: Sequence[Passage]) -> Verified:
    if not passages and not run.beats.documents(run.ask.collection):
        return Verified(nothing_yet(run.ask.question, run.ask.collection), (), ())
    looked_at = [passage.title or passage.path for passage in passages]
    return Verified(refusal(run.ask.question, run.ask.collection, looked_at), (), ())


def _generated(run: _Run, messages: Sequence[Message]) -> Generator[str, None, None]:
    """Stream the chat model's words; close its stream however this one ends."""
    assert run.beats.chat is not None
    stream = run.beats.chat(messages, _answer_tokens(run), run.model)
    try:
        yield from stream
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


def _rewritten(run: _Run) -> Rewritten:
    chat = run.beats.chat
    if chat is None or not run.beats.rewrite_with_model or run.is_small:
        return rewrite(run.ask.question, run.ask.history)

    def condense(messages: Sequence[Message]) -> str:
        return "".join(chat(messages, MAX_CONDENSED_TOKENS, run.model))

    return rewrite(run.ask.question, run.ask.history, condense)


def _recent(run: _Run) -> tuple[Turn, ...]:
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


def _room(run: _Run, history: Sequence[Turn]) -> int:
    """Tokens left for passages in the chat model's real context."""
    if run.beats.chat is None:
        return EXTRACT_TOKENS
    said = sum(run.count([run.ask.question, *(turn.content for turn in history)]))
    n_context = run.beats.context_length(run.model)
    return min(MAX_PASSAGE_TOKENS, n_context - said - _answer_tokens(run) - PROMPT_TOKENS)


def _answer_tokens(run: _Run) -> int:
    wanted = MAX_SMALL_ANSWER_TOKENS if run.is_small else MAX_ANSWER_TOKENS
    return min(wanted, run.beats.context_length(run.model) // 4)


def _answer(run: _Run, material: _Material, mode: Mode, verified: Verified) -> Answer:
    beats = run.beats
    _logger.debug("answered mode=%s passages=%d", mode, len(material.passages))
    return Answer(
        text=verified.text,
        mode=mode,
        sentences=verified.sentences,
        citations=tuple(with_labels(verified.citations, material.passages)),
        passages=material.passages,
        rewritten=material.rewritten,
        timings=dict(run.seconds),
        models={
            "chat": run.model if beats.chat is not None else "",
            "embedding": beats.embedding_model(run.ask.collection),
            "reranker": beats.reranker if beats.rerank is not None else "",
        },
    )
