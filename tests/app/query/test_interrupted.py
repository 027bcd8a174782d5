"""What is deleted, and who goes away, while a question is being answered."""

from __future__ import annotations

import pytest

from app.query.answer import answer
from app.query.types import Ask, Checked, Done, Found, Status, Token, Turn
from engine.types import Message
from ingest.errors import CollectionNotFoundError, DocumentNotFoundError

BORN = "Where was Nikola Tesla born?"
TOLD = "Nikola Tesla was born in the village of Smiljan in 1856. His father Milutin was a priest."


def gone_from(library, path):
    """Let a document be deleted as the library tells it."""
    del library.texts[path]


def beats_of(library, chat=None, **changes):
    def text(document_id):
        if document_id not in library.texts:
            raise DocumentNotFoundError(document_id)
        return library.texts[document_id]

    return library.beats(
        chat, text=text, is_stored=lambda document_id: document_id in library.texts, **changes
    )


@pytest.mark.parametrize("beat", ["rewrite", "retrieve", "pack", "generate", "verify"])
def test_a_document_that_is_deleted_meanwhile_is_not_in_the_answer(library, says, beat):
    library.texts["other.md"] = "# Other\n\nNikola Tesla was born in the house of a priest.\n"
    answered = None

    for event in answer(beats_of(library, says(TOLD)), Ask(BORN, "c")):
        if event == Status(beat):
            gone_from(library, "tesla.md")
        if isinstance(event, Done):
            answered = event.answer

    assert "tesla.md" not in {one.path for one in answered.passages}
    assert "tesla.md" not in {one.path for one in answered.citations}
    assert "1856" not in answered.text or all(
        not one.citations for one in answered.sentences if "1856" in one.text
    )
    was_found = beat not in ("rewrite", "retrieve")
    assert answered.trace.gone == (("tesla.md",) if was_found else ())
    if was_found:
        lost = [one for one in answered.trace.candidates if one.path == "tesla.md"]
        assert lost
        assert {one.left_out for one in lost} == {"deleted"}


@pytest.mark.parametrize("beat", ["pack", "verify"])
def test_when_everything_found_is_deleted_the_question_is_refused(library, says, beat):
    for event in answer(beats_of(library, says(TOLD)), Ask(BORN, "c")):
        if event == Status(beat):
            for path in list(library.texts):
                gone_from(library, path)
        if isinstance(event, Done):
            answered = event.answer

    assert answered.is_refused
    assert answered.trace.why == "all_gone"
    assert answered.passages == answered.citations == ()


def test_a_document_that_goes_while_its_text_is_read_is_left_out(library):
    beats = beats_of(library)
    reads = []

    def text(document_id):
        reads.append(document_id)
        if document_id == "tesla.md":
            raise DocumentNotFoundError(document_id)
        return library.texts[document_id]

    answered = list(answer(library.beats(text=text), Ask(BORN, "c")))[-1].answer

    assert "tesla.md" in reads
    assert "tesla.md" not in {one.path for one in answered.passages}
    assert answered.trace.gone == ("tesla.md",)
    assert list(answer(beats, Ask(BORN, "c")))[-1].answer.trace.gone == ()


@pytest.mark.parametrize("beat", ["rewrite", "retrieve", "pack", "generate", "verify"])
def test_a_collection_that_is_deleted_meanwhile_is_named(library, says, beat):
    is_there = True

    def unless_gone(function):
        def asked(*given):
            if not is_there:
                raise CollectionNotFoundError("c")
            return function(*given)

        return asked

    chat = says(TOLD)
    beats = beats_of(
        library,
        chat,
        dense=unless_gone(library.dense),
        lexical=unless_gone(library.lexical),
        documents=unless_gone(library.documents),
        embedding_model=unless_gone(lambda collection: "bge-m3:latest"),
    )

    def ask():
        nonlocal is_there
        for event in answer(beats, Ask(BORN, "c")):
            if event == Status(beat):
                is_there = False
                library.texts.clear()

    with pytest.raises(CollectionNotFoundError, match="c"):
        ask()
    assert chat.is_closed or not chat.requests


class Recorder:
    """Counts the streams of a chat model that are open."""

    def __init__(self) -> None:
        self.n_open = 0
        self.n_started = 0

    def __call__(self, messages: list[Message], n_predict: int, model: str):
        return self.stream()

    def stream(self):
        self.n_open += 1
        self.n_started += 1
        try:
            for at in range(0, len(TOLD), 5):
                yield TOLD[at : at + 5]
        finally:
            self.n_open -= 1


@pytest.mark.parametrize("is_small", [True, False])
def test_closing_at_any_event_leaves_nothing_running(library, is_small):
    def ask(chat):
        beats = library.beats(
            chat,
            is_small=is_small,
            rewrite_with_model=True,
            rerank=lambda _, texts: [1.0] * len(texts),
        )
        history = (Turn("user", BORN), Turn("assistant", "In Smiljan."))
        return answer(beats, Ask("Who was his father?", "c", history=history))

    n_events = len(list(ask(Recorder())))
    kinds = {type(event) for event in ask(Recorder())}

    assert kinds >= {Status, Found, Token, Done}
    assert (Checked in kinds) is not is_small
    for n in range(n_events):
        chat = Recorder()
        events = ask(chat)
        for _ in range(n):
            next(events)
        events.close()
        assert chat.n_open == 0
        assert list(events) == []


def test_an_error_of_the_model_closes_its_stream(library):
    chat = Recorder()

    def broken(messages, n_predict, model):
        yield from chat.stream()
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(answer(library.beats(broken), Ask(BORN, "c")))
    assert (chat.n_open, chat.n_started) == (0, 1)
