"""Ask → events: which beat begins, the passages, the answer as it comes, the verified whole.

The only file of the pipeline that has an order of steps in it; each step is a file of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from app.query import sentences
from app.query.beats import Beats, Said
from app.query.checks import Checks
from app.query.cited import marks_grammar
from app.query.drawn import Drawn
from app.query.errors import EmptyQuestionError, QuestionTooLongError
from app.query.extract import extract
from app.query.filters import nothing_passes, with_typed_filters
from app.query.once import Once
from app.query.pack import BELOW, with_labels
from app.query.prompt import (
    PROMPT_VERSION,
    messages_for,
    nothing_yet,
    refusal,
    says_not_found,
    tag_of,
)
from app.query.run import (
    Material,
    Run,
    found_for,
    has_reranker,
    packed_for,
    ranked_anew,
    rewritten_of,
    said,
    still_there,
    with_warnings,
)
from app.query.trace import Budget, Prompt, Trace, Why, candidates_of
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
)
from app.query.verify import Verified, verify
from app.query.widen import widened
from app.query.words import cjk_share
from engine.types import Message
from ingest.types import Hit

MAX_QUESTION = 8_000  # characters; four pages, more than any embedding model reads
MAX_SMALL_PASSAGE_TOKENS = 500  # what the starter model is given to read
# A confidence. Measured on articles of XQuAD and CMRC (English, Chinese) with all-MiniLM: below it
# lay 100 and 98 % of the questions about other articles, 72 and 55 % of those about a removed
# passage, 5 % of the answerable ones, 15 % of broad questions about long texts.
BAR = 0.33
# By this the odds of the bar are divided for a question that leans on the conversation: words taken
# over from there need not all stand in the passage.
FOLLOW_UP_ODDS = 4.0
CJK_QUESTION = 0.3  # share of CJK letters from which on a question is not English

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search without an answer gives."""

    rewritten: Rewritten
    hits: tuple[Hit, ...]
    notices: tuple[str, ...] = ()  # what went wrong on the way, and was done without


@dataclass(frozen=True, slots=True)
class _Told:
    """What is answered, in which mode, and why so."""

    mode: Mode
    why: Why
    verified: Verified


def search(beats: Beats, ask: Ask) -> tuple[Rewritten, list[Hit]]:
    """Find the best hits for a question, without answering it.

    Raises:
        EmptyQuestionError: nothing was asked.
        QuestionTooLongError: too much was asked.
        FilterError: a filter in the question cannot be read.
    """
    found = searched(beats, ask)
    return found.rewritten, list(found.hits)


def searched(beats: Beats, ask: Ask) -> Searched:
    """Find the best hits for a question, and say what was done without.

    Raises:
        EmptyQuestionError, QuestionTooLongError, FilterError: as `search`.
    """
    run = Run(beats, check(beats, ask))
    material = ranked_anew(run, found_for(run, rewritten_of(run)))
    hits = widened(material.ranked, run.beats.text, run.ask.top_k)
    return Searched(material.rewritten, tuple(hits), tuple(run.notices))


def answer(beats: Beats, ask: Ask) -> Generator[AnswerEvent, None, None]:
    """Answer a question from the documents.

    What is wrong with the question is raised here, before the first event. Closing the iterator
    closes the chat model's stream.

    Raises:
        EmptyQuestionError: nothing was asked.
        QuestionTooLongError: too much was asked.
        FilterError: a filter in the question cannot be read.
    """
    return _events(Run(beats, check(beats, ask)))


def check(beats: Beats, ask: Ask) -> Ask:
    """Refuse what cannot be asked; gives the question with its typed filters taken out.

    Raises:
        EmptyQuestionError, QuestionTooLongError, FilterError: the question is at fault.
    """
    if not ask.question.strip():
        raise EmptyQuestionError
    if len(ask.question) > MAX_QUESTION:
        raise QuestionTooLongError(len(ask.question), MAX_QUESTION)
    beats.check_collection(ask.collection)
    if ask.model and beats.chat is not None:
        beats.check_chat(ask.model)
    return with_typed_filters(ask)


def bar_for(beats: Beats, collection: str, rewritten: Rewritten) -> float:
    """Tell the confidence below which a question is refused; lower for one that was condensed."""
    own = beats.refusal_bar(collection)
    bar = BAR if own is None else own
    if rewritten.by == "none" or bar >= 1:
        return bar
    odds = bar / (1 - bar) / FOLLOW_UP_ODDS
    return odds / (1 + odds)


def _events(run: Run) -> Generator[AnswerEvent, None, None]:
    yield Status("rewrite")
    with run.beat("rewrite"):
        rewritten = rewritten_of(run)
    yield Status("retrieve")
    with run.beat("retrieve"):
        material = found_for(run, rewritten)
    if has_reranker(run):
        yield Status("rerank")
        with run.beat("rerank"):
            material = ranked_anew(run, material)
    yield Status("pack")
    with run.beat("pack"):
        material = packed_for(run, material)
    yield Found(material.passages)
    yield from answered(run, material)


def answered(run: Run, material: Material) -> Generator[AnswerEvent, None, None]:
    """Answer from the passages that were packed, or refuse."""
    bar = bar_for(run.beats, run.ask.collection, material.rewritten)
    if not material.passages or material.retrieved.confidence < bar:
        told = _refused(run, material, _why_refused(run, material))
        yield Token(told.verified.text)
        yield Done(_answer(run, material, told, bar))
        return
    yield from _told(run, material, bar)


def _told(run: Run, material: Material, bar: float) -> Iterator[AnswerEvent]:
    """Generate where a model is there, verify, and fall back to the documents' own words."""
    once, prompt, verified = Once(), None, None
    if run.beats.chat is not None and _can_write(run):
        yield Status("generate")
        prompt, verified = yield from _written(run, material, once)
    yield Status("verify")
    with run.beat("verify"):
        n_passages = len(material.passages)
        material = still_there(run, material)
        if verified is None or once.is_cut or len(material.passages) < n_passages:
            verified = verify(once.text, material.passages, run.ask.question)
        told = _settled(run, material, once.text, verified)
    if run.is_small or not once.text.strip():
        yield Token(told.verified.text)
    yield Done(_answer(run, material, told, bar, prompt, once.notices))


def _written(
    run: Run, material: Material, once: Once
) -> Generator[AnswerEvent, None, tuple[Prompt, Verified]]:
    """Let the model write; gives what it took, and the text checked.

    What a small model writes is shown only once it has been checked; what a model writes again is
    not shown at all, and one that goes in circles is stopped.
    """
    passages = _readable(run, material.passages)
    messages = messages_for(
        run.ask.question, passages, material.history, tag_of(passages, run.beats.secret)
    )
    raw, took = "", None
    checks, drawn = Checks(material.passages, run.ask.question), Drawn()
    with run.beat("generate"), closing(_generated(run, messages, passages)) as stream:
        for piece in stream:
            if isinstance(piece, Said):
                took = piece
                continue
            raw += piece
            new = once.push(piece)
            checked = checks.push(new)
            if not run.is_small:
                yield Token(drawn.push(new))
                yield from checked
            elif any(one.sentence.support != "supported" for one in checked):
                break  # it will not be kept: a sentence does not hold
            else:
                yield Token("")  # a sign of life: the chance to stop
            if once.is_circling:
                break
        new = once.finish()
        checked = checks.push(new)
        rest, verified = checks.finish()
        if not run.is_small:
            yield Token(drawn.push(new) + drawn.finish())
            yield from (*checked, *rest)
    return _prompt(run, messages, raw, took), verified


def _readable(run: Run, passages: Sequence[Passage]) -> Sequence[Passage]:
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


def _can_write(run: Run) -> bool:
    """Whether the chat model knows the question's language; the small one writes English only."""
    return not (run.is_small and cjk_share(run.ask.question) > CJK_QUESTION)


def _settled(run: Run, material: Material, written: str, verified: Verified) -> _Told:
    """Choose what is said: the model's words if they hold, else the documents'."""
    passages = material.passages
    if not passages:
        return _refused(run, material, "all_gone")
    # "If you do not know the code, ask …" may be what a document says: then it is an answer.
    unborne = " ".join(one.text for one in verified.sentences if one.support != "supported")
    if not run.is_small and says_not_found(written) and says_not_found(unborne):
        return _refused(run, material, "model_found_nothing")
    # What a good model says in words of its own is often no more than partly found.
    is_any_found = any(one.support != "not_found" for one in verified.sentences)
    if verified.is_borne_out:
        return _Told("generated", "borne_out", verified)
    if is_any_found and not run.is_small:
        return _Told("generated", "partly_borne_out", verified)
    rewritten = material.rewritten
    context = rewritten.standalone if rewritten.by != "none" else ""
    extracted = extract(run.ask.question, passages, context)
    if not extracted.sentences:
        return _refused(run, material, "no_sentence_fits")
    return _Told("extractive", _why_extractive(run), extracted)


def _why_extractive(run: Run) -> Why:
    if run.beats.chat is None:
        return "no_chat_model"
    return "not_borne_out" if _can_write(run) else "foreign_language"


def _why_refused(run: Run, material: Material) -> Why:
    if material.passages:
        return "below_bar"
    if run.gone:
        return "all_gone"
    if not run.beats.documents(run.ask.collection):
        return "nothing_stored"
    return "filtered_out" if run.ask.filters and not material.ranked else "nothing_found"


def _refused(run: Run, material: Material, why: Why) -> _Told:
    question, collection = run.ask.question, run.ask.collection
    if why == "nothing_stored":
        return _Told("refused", why, Verified(nothing_yet(question, collection), (), ()))
    if why == "filtered_out":
        text = nothing_passes(question, collection, run.ask.filters)
        return _Told("refused", why, Verified(text, (), ()))
    looked_at = [passage.title or passage.path for passage in material.passages]
    return _Told("refused", why, Verified(refusal(question, collection, looked_at), (), ()))


def _generated(
    run: Run, messages: Sequence[Message], passages: Sequence[Passage]
) -> Generator[str | Said, None, None]:
    """Stream the chat model's words; close its stream however this one ends.

    A model that is not small can write no mark but those of the passages. The small one is left
    free: its marks are dropped anyway, and it needs every help to end.
    """
    grammar = None if run.is_small else marks_grammar(passages)
    if grammar is not None and run.beats.bound_chat is not None:
        return said(run.beats.bound_chat(messages, run.answer_tokens, run.model, grammar))
    assert run.beats.chat is not None
    return said(run.beats.chat(messages, run.answer_tokens, run.model))


def _prompt(run: Run, messages: Sequence[Message], written: str, took: Said | None) -> Prompt:
    """Tell what the model read; counted here where its stream was ended before it could tell."""
    if took is not None:
        return Prompt(PROMPT_VERSION, took.n_prompt, took.n_reused, took.n_generated)
    *read, wrote = run.count([*(message.content for message in messages), written])
    return Prompt(PROMPT_VERSION, sum(read), 0, wrote, is_estimated=True)


def _answer(
    run: Run,
    material: Material,
    told: _Told,
    bar: float,
    prompt: Prompt | None = None,
    repeated: Sequence[str] = (),
) -> Answer:
    beats, verified = run.beats, told.verified
    _logger.debug("answered mode=%s passages=%d", told.mode, len(material.passages))
    citations = with_labels(verified.citations, material.passages)
    return Answer(
        text=verified.text,
        mode=told.mode,
        sentences=verified.sentences,
        citations=with_warnings(citations, material.passages),
        passages=material.passages,
        rewritten=material.rewritten,
        timings=dict(run.seconds),
        models={
            "chat": run.model if beats.chat is not None else "",
            "embedding": beats.embedding_model(run.ask.collection),
            "reranker": beats.reranker if beats.rerank is not None else "",
        },
        trace=replace(_trace(run, material, told, bar, prompt), notices=(*run.notices, *repeated)),
        notices=tuple(run.notices),
    )


def _trace(run: Run, material: Material, told: _Told, bar: float, prompt: Prompt | None) -> Trace:
    has_chat = run.beats.chat is not None
    candidates = candidates_of(
        material.retrieved,
        material.ranked,
        material.passages,
        material.left_out,
        is_reranked=material.is_reranked,
    )
    budget = Budget(
        context=run.beats.context_length(run.model) if has_chat else 0,
        room=material.room,
        used=sum(run.count([one.text for one in material.passages])),
        left_out=sum(one.passage is None and one.left_out not in ("", BELOW) for one in candidates),
    )
    return Trace(
        question=run.ask.question,
        rewritten=material.rewritten,
        filters=run.ask.filters,
        candidates=candidates,
        dense_weight=material.retrieved.dense_weight,
        confidence=material.retrieved.confidence,
        bar=bar,
        budget=budget,
        prompt=prompt,
        model=run.model if has_chat else "",
        mode=told.mode,
        why=told.why,
        gone=tuple(run.gone.values()),
        timings=dict(run.seconds),
    )
