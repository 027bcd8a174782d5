"""Collections as models, over a small library and a chat model that says what it is told."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest

from app.kb_answers import MAX_CONDENSED_TOKENS, conversation_of, wishes_of
from app.kb_models import KbModels, collection_of
from app.query.beats import Said
from app.query.errors import RerankerError
from app.query.types import Turn
from engine.config import EngineSettings
from engine.engine import Engine
from engine.errors import (
    CancelledError,
    ModelNotFoundError,
    OptionError,
    RequestError,
    RuntimeFailedError,
)
from engine.types import ChatRequest, Final, Message
from ingest.errors import CollectionNotFoundError, ModelMissingError
from ingest.types import Collection
from tests.app.query.conftest import DOCUMENTS, Library, ScriptedChat
from tests.engine.api.fakes_engine import build_app, served

BORN = "Where was Nikola Tesla born?"
TALL = "How tall is the lighthouse of Quarrel Bay?"
LINE = "上海轨道交通16号线于哪天开通？"
UNKNOWN = "What is the boiling point of molybdenum?"
TRUE = "Nikola Tesla was born in the village of Smiljan in 1856."
FALSE = "He invented the telephone in Paris."


class Kb:
    """As much of a knowledge base as models need."""

    def __init__(self, *names):
        self.names = list(names)
        self.n_documents = 3
        self.n_listed = 0

    def collections(self):
        return [self.collection(name) for name in self.names]

    def collection(self, name):
        if name not in self.names:
            raise CollectionNotFoundError(name)
        return Collection(name, "bag:latest", "sha256:0", 64, "", "", self.n_documents, 9)

    def documents(self, name, limit):
        self.n_listed += 1
        return [SimpleNamespace(added_at="2026-05-06T07:08:09+00:00")], 1


@pytest.fixture
def kb():
    return Kb("facts", "我的 文档")


@pytest.fixture
def models(kb, library):
    def make(*replies, **changes):
        chat = CountingChat(*replies) if replies else None
        beats = library.beats(chat, check_collection=kb.collection, **changes)
        return KbModels(kb, beats, url="http://here")

    return make


@pytest.fixture
def library():
    return Library(dict(DOCUMENTS))


class CountingChat(ScriptedChat):
    """Tells at the end what it took, as the engine does."""

    def __init__(self, *replies):
        super().__init__(*replies)
        self.limits = []

    def __call__(self, messages, n_predict, model):
        self.limits.append(n_predict)
        words = super().__call__(messages, n_predict, model)

        def counted():
            n = 0
            for word in words:
                n += 1
                yield word
            yield Said(40, 8, n)

        return counted()


def ask(models, *said, name="kb/facts", **options):
    roles = ("user", "assistant")
    messages = tuple(Message(roles[at % 2], text) for at, text in enumerate(said))
    return list(models.find(name).chat(ChatRequest(name, messages, options=options)))


def text_of(events):
    return "".join(event.text for event in events[:-1])


# Names


def test_every_collection_is_a_model_with_its_facts(models):
    one, other = models("").entries()

    assert (one.name, other.name) == ("kb/facts", "kb/我的 文档")
    assert one.modified_at == datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert "the documents of the collection “facts” (3)" in one.description
    assert one.info["knowledge-base.chunks"] == 9
    assert one.digest != other.digest
    assert one.capabilities == ("completion",)


@pytest.mark.parametrize(
    ("name", "collection"),
    [
        ("kb/facts", "facts"),
        ("kb/facts:latest", "facts"),
        ("kb/我的 文档:latest", "我的 文档"),
        ("kb/我的 文档", "我的 文档"),
        ("KB/facts", "facts"),
    ],
)
def test_a_name_means_a_collection_with_and_without_its_tag(models, name, collection):
    assert models().owns(name)
    assert collection_of(name) == collection
    assert models().find(name).collection == collection


@pytest.mark.parametrize("name", ["kb/", "kb/nothing", "kb/facts:7b", "kb/FACTS"])
def test_a_name_of_no_collection_is_not_found_and_told_what_there_is(models, name):
    with pytest.raises(ModelNotFoundError, match=r"there are kb/facts, kb/我的 文档") as caught:
        models().find(name)

    assert f"model '{name}' not found" in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("delete", "DELETE /kb/collections/facts"),
        ("push", "stay on this machine"),
        ("copy", "quire ingest --collection"),
        ("pull", "quire ingest --collection facts"),
        ("create", "QUIRE_KB_MODELS=0"),
        ("use", "can only chat"),
    ],
)
def test_what_only_files_can_do_is_answered_with_what_to_do(models, verb, words):
    told = models().instead("kb/facts", verb)

    assert told.startswith('"kb/facts"')
    assert words in told


def test_the_newest_document_is_looked_for_only_when_there_are_others(models, kb):
    made = models()
    for _ in range(3):
        made.find("kb/facts")
    assert kb.n_listed == 1

    kb.n_documents = 4
    made.find("kb/facts")
    assert kb.n_listed == 2

    kb.n_documents = 0
    assert made.find("kb/facts").entry.modified_at.tzinfo is UTC
    assert kb.n_listed == 2


# Answers


def test_an_answer_is_text_with_marks_then_sources_and_the_same_as_fields(models):
    *_, final = events = ask(models(TRUE), BORN)

    assert text_of(events) == (f"{TRUE} [1]\n\nSources:\n- [1] Nikola Tesla, tesla.md")
    assert final.done_reason == "stop"
    assert final.notes["mode"] == "generated"
    (cited,) = final.notes["citations"]
    assert cited["text"] == TRUE == DOCUMENTS["tesla.md"][cited["start"] : cited["end"]]
    assert (cited["path"], cited["title"]) == ("tesla.md", "Nikola Tesla")
    (sentence,) = final.notes["sentences"]
    assert (sentence["text"], sentence["citations"], sentence["support"]) == (
        TRUE, [1], "supported",
    )  # fmt: skip


def test_an_annotation_says_where_its_mark_stands_and_links_to_the_span(models):
    *_, final = events = ask(models(TRUE), BORN)

    (one,) = final.notes["annotations"]
    place = one["url_citation"]
    assert text_of(events)[place["start_index"] : place["end_index"]] == "[1]"
    assert place["title"] == "Nikola Tesla"
    assert place["url"].startswith("http://here/kb/documents/tesla.md/text#char=")


def test_the_sources_below_the_text_can_be_left_out_and_the_fields_stay(models):
    *_, final = events = ask(models(TRUE), BORN, kb_sources=False)

    assert text_of(events) == f"{TRUE} [1]"
    assert final.notes["citations"]


def test_without_a_chat_model_the_documents_speak(models):
    *_, final = events = ask(models(), LINE)

    assert "2013年12月29日" in text_of(events)
    assert "\n\n来源：\n- [1] 上海轨道交通，上海.md" in text_of(events)
    assert final.notes["mode"] == "extractive"
    assert (final.n_prompt, final.n_generated) == (0, 0)


def test_a_refusal_is_an_ordinary_answer_without_sources(models):
    *_, final = events = ask(models(TRUE), UNKNOWN)

    assert text_of(events).startswith("No answer to this question was found in the collection")
    assert "Sources:" not in text_of(events)
    assert (final.done_reason, final.notes["mode"]) == ("stop", "refused")
    assert final.notes["citations"] == final.notes["annotations"] == []


def test_what_was_counted_is_what_the_model_read_and_wrote(models):
    *_, final = ask(models(TRUE), BORN)

    assert (final.n_prompt, final.n_reused) == (40, 8)
    assert final.n_generated == len(range(0, len(TRUE), 5))
    assert final.total_ns > 0


def test_a_chore_of_the_front_end_asks_neither_documents_nor_model(models, library):
    task = '### Task:\nTags.\n{ "tags": ["a"] }\n<chat_history>\nUSER: Hi\n</chat_history>'

    *_, final = events = ask(models(TRUE), task)

    assert text_of(events) == '{"tags": []}'
    assert final.notes == {"citations": [], "mode": "chore"}
    assert library.asked == []


# What is shown while it is written


def test_sentences_are_shown_as_they_are_borne_out(models):
    motor = "Tesla built an induction motor in 1887."
    events = ask(models(f"{TRUE} {motor}"), f"{BORN} What did he build?", kb_sources=False)

    shown = [event.text for event in events[:-1] if event.text]
    assert shown[0] == f"{TRUE} [1]"
    assert "".join(shown) == f"{TRUE} [1] {motor} [2]"


def test_marks_that_the_model_made_up_are_never_shown(models):
    events = ask(models(f"{TRUE[:-1]} [7]. [3]"), BORN, kb_sources=False)

    assert text_of(events) == f"{TRUE} [1]"


def test_nothing_is_shown_before_a_sentence_holds(models):
    *_, final = events = ask(models(f"{FALSE} {FALSE}"), BORN)

    assert FALSE not in text_of(events)
    assert final.notes["mode"] in ("extractive", "refused")


def test_a_sentence_in_doubt_is_named_below_the_text(models):
    events = ask(models(f"{TRUE} {FALSE}"), BORN)

    assert FALSE in text_of(events)
    assert "\n\nNot verified: sentence 2 (not found in the documents)." in text_of(events)


def test_what_was_shown_and_does_not_stand_is_withdrawn(models):
    *_, final = events = ask(models(f"{TRUE} Not found in the sources."), BORN)

    before, told, after = text_of(events).partition("The text above is withdrawn")
    assert before.strip() == f"{TRUE} [1]"
    assert told
    assert "No answer to this question was found" in after
    assert final.notes["mode"] == "refused"


# The conversation


def test_the_last_message_of_the_user_is_asked_the_rest_is_history():
    question, history = conversation_of(
        (
            Message("system", "You are a pirate."),
            Message("user", BORN),
            Message("assistant", f"{TRUE} [1]\n\nSources:\n- [1] Nikola Tesla, tesla.md"),
            Message("tool", "42"),
            Message("user", " "),
            Message("user", "And his father?"),
            Message("assistant", "His"),
        )
    )

    assert question == "And his father?"
    assert history == (Turn("user", BORN), Turn("assistant", TRUE))


def test_a_follow_up_is_understood_from_the_history(models):
    events = ask(models(), BORN, f"{TRUE} [1]", "What was the job of his father?")

    assert "priest" in text_of(events)


def test_the_system_message_reaches_no_model(models):
    made = models(TRUE)
    chat = made.find("kb/facts").beats.chat
    messages = (Message("system", "Talk like a pirate."), Message("user", BORN))

    list(made.find("kb/facts").chat(ChatRequest("kb/facts", messages)))

    assert "pirate" not in str(chat.requests)


@pytest.mark.parametrize("messages", [(), (Message("system", "x"),), (Message("assistant", "x"),)])
def test_nobody_asking_is_refused(messages):
    with pytest.raises(RequestError, match="the question is empty"):
        conversation_of(messages)


# Options


@pytest.mark.parametrize(
    "options",
    [
        {"kb_sources": "no"},
        {"num_predict": "9"},
        {"num_predict": True},
        {"num_predict": float("inf")},
        {"num_predict": float("nan")},
    ],
)
def test_a_wrong_option_is_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        wishes_of(options)


def test_an_option_without_a_value_is_as_if_not_given():
    assert wishes_of({"kb_sources": None, "num_predict": None}) == wishes_of({})
    assert wishes_of({"num_predict": 10**400}).n_predict == 10**400


def test_options_of_models_and_of_their_loading_change_nothing(models):
    plain = text_of(ask(models(TRUE), BORN))

    assert text_of(ask(models(TRUE), BORN, temperature=1.0, num_ctx=64, top_p=1.0)) == plain


def test_num_predict_bounds_what_the_model_may_write(models):
    made = models(TRUE)
    chat = made.find("kb/facts").beats.chat

    *_, final = ask(made, BORN, num_predict=4)
    ask(made, BORN, num_predict=-1)

    assert chat.limits[0] == 4
    assert chat.limits[1] > MAX_CONDENSED_TOKENS
    assert final.done_reason == "length"


# When something goes wrong


@pytest.mark.parametrize(("question", "words"), [(" ", "is empty"), ("a" * 9_000, "8,000")])
def test_what_cannot_be_asked_is_a_wrong_request(models, question, words):
    with pytest.raises(RequestError, match=words):
        ask(models(TRUE), question)


def test_a_collection_deleted_while_it_is_asked_is_not_found(models, kb, library):
    def dense(collection, query, k, ids):
        kb.names.remove(collection)
        kb.collection(collection)

    with pytest.raises(ModelNotFoundError, match="model 'kb/facts' not found"):
        ask(models(TRUE, dense=dense), BORN)


@pytest.mark.parametrize(
    "error", [ModelMissingError("facts", "bag:latest"), RerankerError("no reranker")]
)
def test_what_the_library_cannot_do_now_is_a_failure(models, error):
    def dense(collection, query, k, ids):
        raise error

    with pytest.raises(RuntimeFailedError):
        ask(models(TRUE, dense=dense), BORN)


# Closing


@pytest.mark.parametrize("is_small", [True, False])
def test_closing_between_two_events_closes_the_model(models, is_small):
    made = models(f"{TRUE} {TRUE}", is_small=is_small)
    chat = made.find("kb/facts").beats.chat
    events = made.find("kb/facts").chat(ChatRequest("kb/facts", (Message("user", BORN),)))
    for _ in events:
        if chat.n_characters_said:
            break

    events.close()
    events.close()

    assert chat.is_closed
    assert list(events) == []


@pytest.mark.parametrize("is_small", [True, False])
def test_closing_from_another_thread_stops_a_model_that_is_writing(models, is_small):
    made = models(TRUE, is_small=is_small)
    model = made.find("kb/facts")
    writing, is_told, ended = threading.Event(), threading.Event(), threading.Event()

    def endless(messages, n_predict, name):
        try:
            while True:
                writing.set()
                assert is_told.wait(10)
                yield "word "
        finally:
            ended.set()

    model = replace(model, beats=replace(model.beats, chat=endless))
    events = model.chat(ChatRequest("kb/facts", (Message("user", BORN),)))
    outcome = []

    def read():
        try:
            outcome.extend(events)
        except CancelledError as error:
            outcome.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert writing.wait(10)
    events.close()
    is_told.set()
    reader.join(10)

    assert ended.is_set()
    assert not reader.is_alive()
    assert not any(isinstance(one, Final) for one in outcome)


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_a_client_that_goes_away_stops_the_model_behind_the_pipeline(kb, library, tmp_path, path):
    writing, ended = threading.Event(), threading.Event()

    def endless(messages, n_predict, name):
        try:
            yield f"{TRUE} "
            while True:
                writing.set()
                ended.wait(0.01)  # a model takes its time
                yield "Word "
        finally:
            ended.set()

    beats = library.beats(endless, check_collection=kb.collection)
    asked = {"model": "kb/facts", "messages": [{"role": "user", "content": BORN}], "stream": True}
    with Engine(EngineSettings(models_dir=tmp_path / "models")) as engine:
        engine.virtual = KbModels(kb, beats)
        with served(build_app(engine)) as url:
            with httpx.stream("POST", url + path, json=asked, timeout=10) as reply:
                first = next(reply.iter_text())
            assert writing.wait(10)
            assert ended.wait(10)

    assert "Smiljan" in first
