"""The worker on the real starter model: batching, reuse, cancellation, limits."""

import re
import threading
import time
from dataclasses import replace

import pytest

from engine.errors import BusyError, CancelledError, FormatError, RequestError, RuntimeFailedError
from engine.runtime.gate import Gate
from engine.runtime.grammar import grammar_of
from engine.runtime.runners import ChatRunner, LoadPlan
from engine.runtime.sampler_native import Sampler
from engine.runtime.stream import TextStream
from engine.runtime.worker import Generation
from engine.types import Final, Options, Piece

GREEDY = Options(temperature=0, num_predict=24)


@pytest.fixture(scope="module")
def runner(starter_models):
    from engine.library.store import Library

    path = Library(starter_models).find("smollm2:135m").model_path
    plan = LoadPlan(path, GREEDY, n_ctx=512, n_slots=4, max_queue=8, has_extra_buffers=True)
    made = ChatRunner(plan, Gate())
    yield made
    made.close()


def ask(runner, question, options=GREEDY, grammar=None):
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    tokens = runner.model.tokenize(text, add_special=True, parse_special=True)
    sampler = Sampler(runner.model, options, grammar=grammar)
    limit = options.num_predict
    return Generation(tokens, options, sampler, TextStream(options.stop), limit)


def run(runner, work):
    events = list(runner.worker.stream(work))
    said = "".join(event.text for event in events if isinstance(event, Piece))
    assert isinstance(events[-1], Final)
    return said, events[-1]


def test_answers_a_simple_question(runner):
    said, final = run(runner, ask(runner, "What is the capital of France?"))

    assert "Paris" in said
    assert final.done_reason == "stop"
    assert final.n_generated > 0
    assert final.total_ns >= final.prompt_ns > 0


def test_many_at_once_say_the_same_as_one_alone(runner):
    questions = [f"Name a fruit that begins with the letter {one}." for one in "ABCDEF"]
    alone = [run(runner, ask(runner, question))[0] for question in questions]

    together: dict[int, str] = {}

    def work(at):
        together[at] = run(runner, ask(runner, questions[at]))[0]

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    # llama.cpp's scores differ in the last digits between batch shapes, so a near tie may part two
    # greedy runs; most must agree and all must begin alike.
    agreeing = sum(together[at] == alone[at] for at in range(len(questions)))
    assert agreeing >= len(questions) - 2
    assert all(together[at] for at in range(len(questions)))


def test_a_follow_up_reuses_the_prompt_it_shares(runner):
    run(runner, ask(runner, "Tell me about the river Rhine. " * 8))

    _, final = run(runner, ask(runner, "Tell me about the river Rhine. " * 8))

    assert final.n_reused == final.n_prompt - 1


def test_the_limit_ends_with_length(runner):
    said, final = run(runner, ask(runner, "Count to 100.", replace(GREEDY, num_predict=3)))

    assert (final.done_reason, final.n_generated) == ("length", 3)
    assert said


def test_the_context_ends_with_length(runner):
    options = replace(GREEDY, num_predict=10_000, temperature=1.5, seed=3)

    _, final = run(runner, ask(runner, "Write a very long story about a ship.", options))

    assert final.done_reason in ("length", "stop")
    assert final.n_prompt + final.n_generated <= 512


def test_a_stop_string_ends_the_answer_and_is_not_shown(runner):
    options = replace(GREEDY, stop=("capital",))

    said, final = run(runner, ask(runner, "What is the capital of France?", options))

    assert "capital" not in said
    assert final.done_reason == "stop"


def test_a_grammar_is_obeyed(runner):
    said, _ = run(runner, ask(runner, "Say yes or no.", grammar='root ::= "yes" | "no"'))

    assert said in ("yes", "no")


def test_json_format_gives_json(runner):
    import json

    options = replace(GREEDY, num_predict=80)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    said, _ = run(runner, ask(runner, "Give an integer a.", options, grammar_of(schema)))

    assert isinstance(json.loads(said)["a"], int)


def test_a_broken_grammar_is_refused(runner):
    with pytest.raises(FormatError, match="grammar"):
        ask(runner, "x", grammar="root ::= (")


def test_the_same_seed_says_the_same(runner):
    options = replace(GREEDY, temperature=0.9, seed=42)
    first = run(runner, ask(runner, "Invent a name for a cat.", options))[0]

    assert run(runner, ask(runner, "Invent a name for a cat.", options))[0] == first


def test_closing_the_stream_frees_the_slot(runner):
    options = replace(GREEDY, num_predict=400, temperature=1.0)
    streams = [runner.worker.stream(ask(runner, f"A long story {n}", options)) for n in range(4)]
    for stream in streams:
        next(stream)
    for stream in streams:
        stream.close()

    said, _ = run(runner, ask(runner, "What is the capital of France?"))

    assert "Paris" in said


def test_a_full_queue_is_refused_in_ollamas_words(runner):
    options = replace(GREEDY, num_predict=300, temperature=1.0)
    works = [ask(runner, f"Story {n}", options) for n in range(40)]

    def submit_all():
        for work in works:
            runner.worker.submit(work)

    with pytest.raises(BusyError, match="server busy, please try again.  maximum pending"):
        submit_all()

    for work in works:
        runner.worker.cancel(work)


@pytest.mark.parametrize(
    "options",
    [
        replace(GREEDY, repeat_penalty=-1.0),
        replace(GREEDY, temperature=1.0, top_p=-1.0, min_p=5.0, typical_p=-1.0, seed=1),
    ],
)
def test_no_option_overrules_the_grammar(runner, options):
    said, _ = run(runner, ask(runner, "Give an integer a.", options, 'root ::= "{" [0-9]+ "}"'))

    assert re.match(r"\{[0-9]*\}?", said)[0] == said
    assert "Paris" in run(runner, ask(runner, "What is the capital of France?"))[0]


def test_an_unforeseen_error_ends_one_step_not_the_worker(runner, monkeypatch):
    work = ask(runner, "Hello")
    monkeypatch.setattr(work.sampler, "sample", lambda *_: 1 // 0)

    with pytest.raises(RuntimeFailedError, match="ZeroDivisionError"):
        run(runner, work)

    assert "Paris" in run(runner, ask(runner, "What is the capital of France?"))[0]


def test_an_empty_prompt_is_refused_instead_of_waiting_for_ever(runner):
    work = ask(runner, "Hello")
    work.prompt = []

    with pytest.raises(RequestError, match="empty"):
        run(runner, work)

    assert work.sampler._chain is None


def fill(runner):
    """Take every slot with a long answer."""
    options = replace(GREEDY, num_predict=400, temperature=1.5, seed=1)
    works = [ask(runner, f"A long story {n}", options) for n in range(4)]
    streams = [runner.worker.stream(work) for work in works]
    for work, stream in zip(works, streams, strict=True):
        while not work.generated:  # an empty piece alone says nothing: it may wait for a slot
            next(stream)
    return streams


def test_who_waits_behind_others_is_not_given_up_while_they_go_on(runner, monkeypatch):
    streams = fill(runner)
    monkeypatch.setattr("engine.runtime.worker.EVENT_TIMEOUT_S", 1.0)
    late = runner.worker.stream(ask(runner, "Late"))
    began_s = time.monotonic()
    try:
        while time.monotonic() - began_s < 1.5:
            assert next(late) == Piece("")
    finally:
        for stream in (late, *streams):
            stream.close()


def test_a_prompt_after_which_nothing_can_be_drawn_is_refused(runner):
    work = ask(runner, "Hello")
    work.prompt = [*work.prompt, -7]

    with pytest.raises(RequestError, match="put text after it"):
        run(runner, work)


def test_who_leaves_the_queue_makes_room_at_once(runner):
    streams = fill(runner)
    try:
        waiting = [ask(runner, f"Story {n}") for n in range(8)]
        for work in waiting:
            runner.worker.submit(work)
        for work in waiting:
            runner.worker.cancel(work)

        runner.worker.submit(late := ask(runner, "Late"))
        runner.worker.cancel(late)
    finally:
        for stream in streams:
            stream.close()

    assert all(isinstance(work.events.get(timeout=5), CancelledError) for work in waiting)
    assert all(work.sampler._chain is None for work in waiting)


def test_who_is_refused_leaves_no_sampler_behind(runner):
    streams = fill(runner)
    works = [ask(runner, f"Story {n}") for n in range(9)]
    try:
        for work in works[:8]:
            runner.worker.submit(work)
        with pytest.raises(BusyError):
            runner.worker.submit(works[8])
        assert works[8].sampler._chain is None
    finally:
        for work in works:
            runner.worker.cancel(work)
            work.sampler.close()
        for stream in streams:
            stream.close()


def test_closing_ends_the_running_and_the_waiting_and_frees_their_samplers(starter_models):
    from engine.library.store import Library

    path = Library(starter_models).find("smollm2:135m").model_path
    plan = LoadPlan(path, GREEDY, n_ctx=512, n_slots=1, max_queue=8, has_extra_buffers=True)
    runner = ChatRunner(plan, Gate())
    options = replace(GREEDY, num_predict=400, temperature=1.5, seed=1)
    works = [ask(runner, f"Story {n}", options) for n in range(3)]
    for work in works:
        runner.worker.submit(work)
    while not works[0].generated:
        time.sleep(0.01)

    runner.close()

    for work in works:
        while not isinstance(event := work.events.get(timeout=1), RuntimeFailedError):
            pass
        assert "being unloaded" in str(event)
        assert work.sampler._chain is None
