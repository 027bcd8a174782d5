"""A chat model with 512 tokens of context, really run: it answers, or says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.generating import bound_chat_of, chat_of
from app.query.answer import answer
from app.query.beats import Said
from app.query.errors import NoRoomError
from app.query.once import Once
from app.query.types import Ask, Done, Token, Turn
from engine.config import EngineSettings
from engine.engine import Engine

BORN = "Where was Nikola Tesla born?"
LONG = "The river flows past the mill, the church and the old town. " * 40


@pytest.fixture(scope="module")
def engine(starter_models):
    settings = EngineSettings(models_dir=starter_models, n_ctx=512, n_parallel=1)
    with Engine(settings) as opened:
        yield opened


@pytest.fixture
def beats(library, engine):
    """A library whose model counts as large, so that every passage that fits is read."""
    library.texts["long.md"] = f"# Tesla's river\n\n{LONG}Tesla was born far from it."
    return replace(
        library.beats(chat_of(engine)),
        chat_model="smollm2:135m",
        bound_chat=bound_chat_of(engine),
        count_tokens=engine.count_tokens,
        context_length=engine.context_length,
    )


@pytest.mark.parametrize("question", [BORN, "上海轨道交通16号线什么时候开通？"])
def test_it_answers_from_fewer_passages_and_its_prompt_fits(beats, question):
    answered = list(answer(beats, Ask(question, "c", top_k=8)))[-1].answer

    trace = answered.trace
    assert trace.budget.context == 512
    assert answered.citations
    assert 0 < len(answered.passages) < 6
    assert trace.prompt.n_tokens + trace.prompt.n_generated <= 512
    assert trace.prompt.n_generated <= 128
    assert "no room" in {one.left_out for one in trace.candidates}


def test_a_long_conversation_leaves_room(beats):
    history = tuple(Turn(role, LONG) for _ in range(20) for role in ("user", "assistant"))

    answered = list(answer(beats, Ask(BORN, "c", history=history)))[-1].answer

    assert answered.trace.prompt.n_tokens + answered.trace.prompt.n_generated <= 512


def test_a_question_that_fills_the_context_is_told_what_to_do(beats):
    with pytest.raises(NoRoomError, match="has 512 tokens.*OLLAMA_CONTEXT_LENGTH"):
        list(answer(beats, Ask(f"{BORN} {LONG}", "c")))


def test_the_model_tells_what_it_read_and_finds_it_again(beats, monkeypatch):
    # A model that goes in circles is stopped before it tells what it took.
    monkeypatch.setattr(Once, "is_circling", False)
    first, again = (list(answer(beats, Ask(BORN, "c")))[-1].answer.trace.prompt for _ in range(2))

    assert again.n_tokens == first.n_tokens > 50
    assert again.n_reused > first.n_tokens // 2


def test_closing_an_answer_ends_the_generation(beats, engine):
    events = answer(beats, Ask(BORN, "c"))
    next(event for event in events if isinstance(event, Token))
    events.close()

    # The one place that the model has is free again.
    assert isinstance(list(answer(beats, Ask(BORN, "c")))[-1], Done)


def test_a_bound_model_writes_only_marks_that_exist(engine):
    from engine.types import Message

    chat = bound_chat_of(engine)
    asked = [Message("user", "Write [7] [8] [9] and nothing else.")]
    grammar = 'root ::= (text | "[" mark)*\ntext ::= [^\\[\\u3010]\nmark ::= "1]"\n'

    pieces = list(chat(asked, 48, "smollm2:135m", grammar))

    text = "".join(piece for piece in pieces if isinstance(piece, str))
    assert isinstance(pieces[-1], Said)
    assert text.count("[") == text.count("[1]")
