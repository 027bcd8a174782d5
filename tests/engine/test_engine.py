"""The engine's verbs on the real starter models."""

import shutil
import threading

import numpy as np
import pytest

from engine.config import EngineSettings
from engine.engine import Engine
from engine.errors import (
    CapabilityError,
    LibraryError,
    LoadError,
    ModelNotFoundError,
    ModelRequiredError,
    OptionError,
    PromptTooLongError,
    RequestError,
    RuntimeFailedError,
)
from engine.library.create.model import create
from engine.types import (
    ChatRequest,
    CreateRequest,
    Final,
    GenerateRequest,
    Message,
    Piece,
    Priority,
    ToolChoice,
)

CHAT, EMBED = "smollm2:135m", "all-minilm:latest"
GREEDY = {"temperature": 0, "num_predict": 24}


HELPFUL = "You are a helpful assistant."  # the model's own system text makes it babble


def user(text):
    return (Message("system", HELPFUL), Message("user", text))


def said(events):
    return "".join(event.text for event in events if isinstance(event, Piece))


def test_chat_answers_and_counts(starter_engine):
    events = list(
        starter_engine.chat(
            ChatRequest(CHAT, user("What is the capital of France?"), options=GREEDY)
        )
    )

    assert "Paris" in said(events)
    final = events[-1]
    assert isinstance(final, Final)
    assert (final.done_reason, final.n_prompt > 10, final.n_generated > 3) == ("stop", True, True)


def test_generate_puts_the_prompt_into_the_models_template(starter_engine):
    events = list(
        starter_engine.generate(
            GenerateRequest(CHAT, "What is the capital of France?", system=HELPFUL, options=GREEDY)
        )
    )

    assert "Paris" in said(events)
    assert len(events[-1].context) == events[-1].n_prompt + events[-1].n_generated


def test_raw_generation_continues_the_bare_text(starter_engine):
    request = GenerateRequest(CHAT, "The capital of France is", is_raw=True, options=GREEDY)
    events = list(starter_engine.generate(request))

    assert "Paris" in said(events)
    assert events[-1].context == ()


def test_the_context_of_one_answer_continues_in_the_next(starter_engine):
    first = list(starter_engine.generate(GenerateRequest(CHAT, "My name is Ada.", options=GREEDY)))

    request = GenerateRequest(CHAT, "Say hello.", context=first[-1].context, options=GREEDY)
    second = list(starter_engine.generate(request))

    assert second[-1].n_prompt > first[-1].n_prompt + first[-1].n_generated


@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_context_with_foreign_tokens_is_refused(starter_engine, token):
    request = GenerateRequest(CHAT, "Say hello.", context=(1, token), options=GREEDY)

    with pytest.raises(RequestError, match=f"{token} is no token"):
        next(starter_engine.generate(request))


def test_an_empty_request_loads_and_keep_alive_zero_unloads(starter_models):
    with Engine(EngineSettings(starter_models, n_ctx=512, n_parallel=1)) as engine:
        loaded = list(engine.chat(ChatRequest(CHAT)))
        assert [event.done_reason for event in loaded] == ["load"]
        assert [one.entry.name for one in engine.running()] == [CHAT]

        unloaded = list(engine.chat(ChatRequest(CHAT, keep_alive_s=0)))

        assert [event.done_reason for event in unloaded] == ["unload"]
        assert engine.running() == []


def test_embeddings_have_length_one_keep_order_and_mean_something(starter_engine):
    texts = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose."]

    found = starter_engine.embed(EMBED, texts)

    assert found.vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    assert found.vectors[0] @ found.vectors[1] > found.vectors[0] @ found.vectors[2] + 0.3


def test_embedding_a_text_alone_or_among_others_gives_the_same(starter_engine):
    texts = [f"sentence number {n} about subject {n % 7} " * (1 + n % 9) for n in range(40)]

    together = starter_engine.embed(EMBED, texts).vectors
    alone = np.stack([starter_engine.embed(EMBED, [text]).vectors[0] for text in texts[:10]])

    assert np.allclose(together[:10], alone, atol=2e-3)


def test_long_texts_are_cut_at_the_end_or_refused(starter_engine):
    long_text = "word " * 2000

    cut = starter_engine.embed(EMBED, [long_text])

    assert cut.n_tokens == 256
    with pytest.raises(RequestError, match="the input length exceeds the context length"):
        starter_engine.embed(EMBED, [long_text], is_truncating=False)


def test_fewer_dimensions_are_normalised_again(starter_engine):
    short = starter_engine.embed(EMBED, ["hello"], n_dimensions=64).vectors

    assert short.shape == (1, 64)
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-5)


def test_no_texts_no_vectors(starter_engine):
    assert starter_engine.embed(EMBED, []).vectors.shape == (0, 384)


def test_a_chat_model_can_embed_too(starter_engine):
    assert starter_engine.embed(CHAT, ["hello"]).vectors.shape == (1, 576)


def test_an_embedding_model_cannot_chat(starter_engine):
    with pytest.raises(CapabilityError, match='"all-minilm" does not support chat'):
        next(starter_engine.chat(ChatRequest("all-minilm", user("hi"))))


def test_unknown_and_missing_models_are_told_apart(starter_engine):
    with pytest.raises(ModelNotFoundError, match="model 'nope' not found"):
        next(starter_engine.chat(ChatRequest("nope", user("hi"))))
    with pytest.raises(ModelRequiredError):
        next(starter_engine.chat(ChatRequest("", user("hi"))))


def test_wrong_options_are_refused(starter_engine):
    with pytest.raises(OptionError, match="num_ctx"):
        next(starter_engine.chat(ChatRequest(CHAT, user("hi"), options={"num_ctx": "big"})))


def test_a_last_message_longer_than_the_context_is_refused(starter_engine):
    with pytest.raises(PromptTooLongError, match="tokens, room for"):
        next(starter_engine.chat(ChatRequest(CHAT, user("word " * 5000))))


def test_old_turns_are_dropped_to_make_room(starter_engine):
    old = [Message("user", "chatter " * 900), Message("assistant", "ok " * 2200)]

    events = list(
        starter_engine.chat(
            ChatRequest(CHAT, (*old, *user("What is the capital of France?")), options=GREEDY)
        )
    )

    assert "Paris" in said(events)
    assert events[-1].n_prompt < 200


def test_tokens_turn_back_into_the_text(starter_engine):
    text = "Hello, 世界! 1234 <tag>"
    tokens = starter_engine.tokenize(CHAT, text)

    assert len(tokens) == starter_engine.count_tokens(CHAT, [text])[0]
    assert len(tokens) > 5


def test_chatting_while_embedding_in_the_background_goes_on(starter_engine):
    texts = ["some text about the weather in the north " * 12] * 64
    thread = threading.Thread(
        target=starter_engine.embed, args=(EMBED, texts), kwargs={"priority": Priority.BACKGROUND}
    )
    thread.start()

    events = list(
        starter_engine.chat(
            ChatRequest(CHAT, user("What is the capital of France?"), options=GREEDY)
        )
    )
    thread.join(60)

    assert "Paris" in said(events)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda data: data[: len(data) // 3], LibraryError),  # cut short
        (lambda data: data[: len(data) // 100].ljust(len(data), b"\xff"), LoadError),
        (lambda data: b"GGUF".ljust(len(data), b"\xff"), (LoadError, LibraryError)),
    ],
)
def test_a_damaged_model_is_refused_and_the_process_lives(starter_models, tmp_path, damage, error):
    folder = tmp_path / "models"
    shutil.copytree(starter_models, folder)
    with Engine(EngineSettings(folder)) as engine:
        path = engine.library.find(CHAT).model_path
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(damage(data))

        with pytest.raises(error) as caught:
            next(engine.chat(ChatRequest(CHAT, user("hi"))))

        assert path.name.removeprefix("sha256-") in str(caught.value)
        assert engine.embed(EMBED, ["still alive"]).vectors.shape == (1, 384)


@pytest.mark.parametrize("verb", ["chat", "generate"])
def test_an_embedding_model_can_be_unloaded_by_an_empty_request(starter_models, verb):
    empty = ChatRequest if verb == "chat" else GenerateRequest
    with Engine(EngineSettings(starter_models)) as engine:
        engine.embed(EMBED, ["hello"])

        events = list(getattr(engine, verb)(empty(EMBED, keep_alive_s=0)))

        assert [event.done_reason for event in events] == ["unload"]
        assert engine.running() == []


@pytest.mark.parametrize("texts", [[""], ["hello", ""]])
def test_an_empty_text_without_any_token_is_refused_by_name(starter_engine, texts):
    with pytest.raises(RequestError, match="the input is empty"):
        starter_engine.embed(CHAT, texts)


def test_an_empty_text_is_embedded_where_the_model_marks_its_ends(starter_engine):
    assert starter_engine.embed(EMBED, [""]).vectors.shape == (1, 384)


def test_minus_one_looks_back_over_the_whole_context(starter_engine):
    def answer(n_back):
        options = {"temperature": 0, "num_predict": 12, "repeat_penalty": 1.8}
        request = ChatRequest(
            CHAT,
            user("What is the capital of France?"),
            options={**options, "repeat_last_n": n_back},
        )
        return said(starter_engine.chat(request))

    assert answer(-1) == answer(10**9) == answer(2048) != answer(0)


def test_closing_ends_a_stream_and_frees_the_model_after_its_last_user(starter_models):
    options = {"num_predict": 400, "temperature": 1.5, "seed": 1}
    engine = Engine(EngineSettings(starter_models, n_ctx=512, n_parallel=1))
    stream = engine.chat(ChatRequest(CHAT, user("Write a long story."), options=options))
    next(stream)
    failed = []

    def read_on():
        try:
            list(stream)
        except RuntimeFailedError as error:
            failed.append(str(error))

    reader = threading.Thread(target=read_on)
    reader.start()
    engine.close()
    reader.join(10)

    assert failed == ["the model is being unloaded"]
    assert engine.running() == []


THINKER = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n"
    "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ if .Tools }}{{ end }}"
)
FILLER = "{{ if .Suffix }}{{ .System }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>{{ end }}"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def engine_of_ours(starter_models, tmp_path_factory):
    """An engine with models whose templates think, call and fill."""
    folder = tmp_path_factory.mktemp("ours") / "models"
    shutil.copytree(starter_models, folder)
    with Engine(EngineSettings(folder, keep_alive_s=-1, n_ctx=1024, n_parallel=1)) as engine:
        for name, template in {
            "thinker": THINKER,
            "opener": THINKER + "<think>\n",
            "filler": FILLER,
        }.items():
            request = CreateRequest(name, from_model=CHAT, template=template, system="Be brief.")
            list(create(engine.library, request))
        yield engine


def logprobs_of(events):
    return [one for event in events if isinstance(event, Piece) for one in event.logprobs]


@pytest.mark.parametrize("think", [None, True, False])
def test_an_opened_thought_is_told_apart_and_no_logprob_is_lost(engine_of_ours, think):
    request = ChatRequest("opener", user("Hi"), think=think, options=GREEDY, n_top_logprobs=1)
    events = list(engine_of_ours.chat(request))

    thought = "".join(event.thinking for event in events[:-1])
    assert (bool(thought), said(events)) == (True, "")
    assert len(logprobs_of(events)) == events[-1].n_generated


@pytest.mark.parametrize("think", [None, True, False])
def test_a_forced_call_comes_also_where_a_format_is_asked_for(engine_of_ours, think):
    request = ChatRequest(
        "thinker",
        user("What is the weather in Oslo?"),
        tools=(WEATHER,),
        tool_choice=ToolChoice("named", "get_weather"),
        format="json",
        think=think,
        options=GREEDY | {"num_predict": 60},
        n_top_logprobs=0,
    )
    events = list(engine_of_ours.chat(request))

    calls = [call for event in events[:-1] for call in event.tool_calls]
    assert ([call.name for call in calls], said(events)) == (["get_weather"], "")
    assert len(logprobs_of(events)) == events[-1].n_generated


def test_a_control_token_that_is_a_stop_string_stops(starter_engine):
    (token,) = starter_engine.tokenize(CHAT, "<|im_start|>", add_special=True)
    options = {**GREEDY, "stop": ["<|im_start|>"], "logit_bias": {str(token): 100}}
    request = GenerateRequest(CHAT, "Hi", is_raw=True, options=options)

    events = list(starter_engine.generate(request))

    assert (events[-1].done_reason, events[-1].stop_string) == ("stop", "<|im_start|>")
    assert said(events) == ""


def test_a_gap_sees_no_system_text(engine_of_ours):
    request = GenerateRequest("filler", "a", suffix="b")

    assert engine_of_ours.render(request).text == "<PRE>a<SUF>b<MID>"


def test_the_prompt_shown_begins_with_the_earlier_exchange(starter_engine):
    context = tuple(starter_engine.tokenize(CHAT, "Earlier words."))

    shown = starter_engine.render(GenerateRequest(CHAT, "Hi", context=context))

    assert shown.text.startswith("Earlier words.<|im_start|>")
    assert shown.n_tokens == len(starter_engine.tokenize(CHAT, shown.text, add_special=True))


@pytest.mark.parametrize("request_of", [ChatRequest, GenerateRequest])
def test_no_prompt_is_written_for_a_model_that_only_embeds(starter_engine, request_of):
    with pytest.raises(CapabilityError, match='"all-minilm" does not support'):
        starter_engine.render(request_of("all-minilm"))


@pytest.mark.parametrize("system", [None, ""])
def test_an_empty_system_text_leaves_the_models_own(engine_of_ours, system):
    shown = engine_of_ours.render(GenerateRequest("thinker", "Hi", system=system))

    assert shown.text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n")
