"""Real models with tokens tried ahead: the same answers under every sampler, and a second model."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from engine.config import EngineSettings
from engine.engine import Engine
from engine.errors import LoadError, ModelNotFoundError, RuntimeFailedError
from engine.runtime.batch_native import Batch
from engine.runtime.draft import CATCH_UP, DraftModel, check_vocabulary
from engine.runtime.gate import Gate
from engine.runtime.llama import Context, Model
from engine.runtime.media import as_prompt
from engine.runtime.runners import ChatRunner
from engine.runtime.sampler_native import Sampler
from engine.runtime.slots import Generation
from engine.runtime.stream import TextStream
from engine.runtime.worker import Worker
from engine.types import ChatRequest, Final, Message, Options, Piece
from tests.engine.runtime import tiny_models
from tests.engine.runtime.conftest import GREEDY, plan_of

PROMPT = "the hello hello hello the x the x the x the hello hello"
LONG = '{"the": "the", "hello": "hello", "the": "the", "hello": "hello"}'


class CountedContext(Context):
    """Counts its steps as time: whatever their size they take as long, and drafting takes none."""

    n_steps = 0

    def decode(self, batch):
        super().decode(batch)
        self.n_steps += 1


def worker_of(model, *, n_ctx=256, n_slots=2, draft_model=None, look=None):
    """Start a worker that tries what it can, for that seems to cost nothing."""
    context = CountedContext(model, n_ctx=n_ctx, n_sequences=n_slots, n_batch=128, n_threads=1)
    worker = Worker(
        model,
        context,
        n_slots=n_slots,
        n_ctx=n_ctx,
        max_queue=8,
        gate=Gate(),
        look=look,
        draft_model=draft_model,
        clock=lambda: context.n_steps,
    )
    return worker, context


@pytest.fixture(scope="module")
def eager(tiny):
    with Model(tiny / "chat.gguf", GREEDY) as model:
        worker, context = worker_of(model)
        yield worker
        worker.close()
        context.close()


def tell(worker, text, options=GREEDY, limit=60, prompt=None, **more):
    bound = {name: more.pop(name) for name in ("grammar", "grammar_after") if name in more}
    if prompt is None:
        prompt = worker.model.tokenize(text, add_special=True, parse_special=True)
    sampler = Sampler(worker.model, options, n_ctx=worker.n_ctx, **bound)
    sampler.accept_prompt(as_prompt(prompt).text_tokens)
    work = Generation(prompt, options, sampler, TextStream(options.stop), limit, **more)
    events = list(worker.stream(work))
    assert isinstance(events[-1], Final)
    pieces = [one for one in events if isinstance(one, Piece)]
    logprobs = [one for piece in pieces for one in piece.logprobs]
    return events[-1], "".join(one.text for one in pieces), logprobs


def both(worker, text, options=GREEDY, **more):
    plain = tell(worker, text, replace(options, draft_num=0), **more)
    return plain, tell(worker, text, options, **more)


WARM = replace(GREEDY, temperature=0.8, seed=11)
JSON_LIKE = 'root ::= "{" pair ("," pair)* "}"\npair ::= "\\"" [a-c]+ "\\":" [0-9]+'


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (GREEDY, {}),
        (WARM, {}),
        (replace(WARM, repeat_penalty=1.3, frequency_penalty=0.2, repeat_last_n=-1), {}),
        (replace(GREEDY, dry_multiplier=0.8, dry_base=1.75), {}),
        (replace(WARM, mirostat=1), {}),
        (replace(WARM, mirostat=2), {}),
        (replace(WARM, adaptive_target=0.3), {}),
        (replace(WARM, xtc_probability=0.5, xtc_threshold=0.05), {}),
        (GREEDY, {"grammar": JSON_LIKE}),
        (WARM, {"grammar": 'root ::= ("the" | "x")+'}),
        (GREEDY, {"grammar": 'root ::= ("ab" | "cd"){9}', "grammar_after": "x"}),
        (replace(GREEDY, stop=("x ",)), {}),
        (GREEDY, {"n_top_logprobs": 3}),
        (WARM, {"n_top_logprobs": 0}),
        (GREEDY, {"limit": 400, "is_shifting": True}),
        (GREEDY, {"limit": 400}),
    ],
)
def test_every_sampler_says_what_it_says_without(eager, options, more):
    for text in (PROMPT, LONG):
        plain, tried = both(eager, text, options, **more)

        assert tried[0].context == plain[0].context
        assert tried[1] == plain[1]
        assert tried[0].done_reason == plain[0].done_reason
        assert [one.token for one in tried[2]] == [one.token for one in plain[2]]
        for one, other in zip(tried[2], plain[2], strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
            assert [rival.token for rival in one.top] == [rival.token for rival in other.top]


def test_something_was_tried_and_was_right(eager):
    told = tell(eager, PROMPT, limit=120)[0]

    assert told.n_drafted >= told.n_accepted > 0
    assert eager.stats().n_accepted_tokens >= told.n_accepted


@pytest.mark.parametrize(
    "names", [("chat.gguf", "mlp.gguf"), ("mrope.gguf", "qwen2vl_merger.gguf")]
)
def test_pictures_in_the_prompt_change_nothing(tiny, load, names):
    runner = load(names[0], projectors=(tiny / names[1],))
    prompt = runner.prompt(f"[img-0] {PROMPT}", (tiny_models.picture(),), add_special=True)
    worker, context = worker_of(runner.model, look=runner._projector.look)

    plain, tried = both(worker, "", prompt=prompt)
    worker.close()
    context.close()

    assert tried[0].context == plain[0].context
    assert tried[0].n_accepted > 0


# -- a second model ---------------------------------------------------------------------------


def open_draft(path, target, *, n_ctx=256, n_slots=2, n_batch=128):
    model = Model(path, GREEDY)
    context = Context(model, n_ctx=n_ctx, n_sequences=n_slots, n_batch=n_batch, n_threads=1)
    return DraftModel(model, context, n_vocab=target.n_vocab)


@pytest.fixture(scope="module")
def other_tiny(tmp_path_factory):
    return tiny_models.write_chat(tmp_path_factory.mktemp("draft") / "other.gguf", seed=2)


@pytest.mark.parametrize("is_itself", [True, False])
def test_a_second_model_changes_when_tokens_come_not_which(tiny, other_tiny, is_itself):
    text = "a quick brown fox said nothing that was said before"
    with Model(tiny / "chat.gguf", GREEDY) as model:
        draft = open_draft(tiny / "chat.gguf" if is_itself else other_tiny, model)
        worker, context = worker_of(model, draft_model=draft)
        try:
            for options in (GREEDY, WARM):
                plain, tried = both(worker, text, options, limit=80)
                assert tried[0].context == plain[0].context
                assert tried[0].n_drafted > 0
                if is_itself and options is GREEDY:
                    assert tried[0].n_accepted > 0.9 * tried[0].n_drafted
        finally:
            worker.close()
            draft.close()
            context.close()


def test_a_draft_is_what_the_model_itself_would_say(tiny):
    with Model(tiny / "chat.gguf", GREEDY) as model:
        draft = open_draft(tiny / "chat.gguf", model)
        worker, context = worker_of(model)
        try:
            prompts = {at: model.tokenize(text, add_special=True, parse_special=False)
                       for at, text in enumerate((PROMPT, LONG))}  # fmt: skip
            for at, prompt in prompts.items():
                assert draft.catch_up(at, prompt)
            drafted = draft.draft({at: (prompt, 6) for at, prompt in prompts.items()})
            for at, prompt in prompts.items():
                said = tell(worker, "", replace(GREEDY, draft_num=0), 6, prompt=prompt)[0]
                assert drafted[at] == list(said.context[len(prompt) :])

            # It said all that; now something else follows.
            changed = [*prompts[0], drafted[0][0], 300, 301]
            assert draft.catch_up(0, changed)
            again = draft.draft({0: (changed, 3)})[0]
            said = tell(worker, "", replace(GREEDY, draft_num=0), 3, prompt=changed)[0]
            assert again == list(said.context[len(changed) :])
        finally:
            worker.close()
            draft.close()
            context.close()


def test_a_long_prompt_is_caught_up_with_in_parts(tiny):
    with Model(tiny / "chat.gguf", GREEDY) as model:
        draft = open_draft(tiny / "chat.gguf", model, n_ctx=1024, n_batch=512)
        tokens = [260 + at % 90 for at in range(2 * CATCH_UP + 50)]

        assert [draft.catch_up(0, tokens) for _ in range(3)] == [False, False, True]
        assert len(draft.draft({0: (tokens, 2)})[0]) == 2
        draft.close()


class BrokenDraft:
    """Fails at its first step."""

    def catch_up(self, sequence, tokens):
        return True

    def draft(self, wanted):
        raise RuntimeFailedError("no memory for this step")


def test_a_second_model_that_fails_is_done_without(tiny):
    with Model(tiny / "chat.gguf", GREEDY) as model:
        worker, context = worker_of(model, draft_model=BrokenDraft())
        plain, tried = both(worker, PROMPT)
        worker.close()
        context.close()

    assert tried[0].context == plain[0].context


def test_another_vocabulary_is_refused_and_both_are_named(starter_engine, tiny, starter_models):
    from engine.library.store import Library

    path = Library(starter_models).find("smollm2:135m").model_path
    with Model(path, GREEDY) as target, Model(tiny / "chat.gguf", GREEDY) as draft:
        with pytest.raises(LoadError, match=r'"tiny" cannot draft for "smollm2": it has .* tokens'):
            check_vocabulary(target, draft, "smollm2", "tiny")
        check_vocabulary(target, target, "a", "b")


def test_a_model_that_drafts_for_itself_is_nearly_always_right(starter_models):
    from engine.library.store import Library

    path = Library(starter_models).find("smollm2:135m").model_path
    with Model(path, Options()) as model:
        draft = open_draft(path, model, n_slots=1)
        worker, context = worker_of(model, n_slots=1, draft_model=draft)
        told = tell(worker, "The capital of France is", Options(temperature=0), limit=24)[0]
        worker.close()
        draft.close()
        context.close()

    assert told.n_drafted > 10
    assert told.n_accepted >= 0.9 * told.n_drafted


def test_the_option_loads_a_second_model_and_keeps_it_with_the_first(starter_models):
    settings = EngineSettings(models_dir=starter_models, n_ctx=256, n_parallel=1)
    messages = (Message("user", "Count from one to ten."),)
    options = {"temperature": 0, "num_predict": 12, "draft_model": "smollm2:135m"}
    with Engine(settings) as engine:
        told = list(engine.chat(ChatRequest("smollm2:135m", messages, options=options)))

        assert isinstance(told[-1], Final)
        assert told[-1].n_generated > 0
        with pytest.raises(ModelNotFoundError, match="nothing-such"):
            list(engine.chat(ChatRequest(
                "smollm2:135m", messages, options={"draft_model": "nothing-such"},
            )))  # fmt: skip


def test_a_second_model_that_cannot_draft_leaves_nothing_behind(tiny, tmp_path):
    plan = replace(plan_of(tiny / "chat.gguf"), draft_path=tiny / "bert.gguf")

    with pytest.raises(LoadError):
        ChatRunner(plan, Gate())


# -- agreement --------------------------------------------------------------------------------

SUBJECTS = ["sun", "moon", "sea", "bread", "horse", "winter", "piano", "river", "glass", "clock"]


def scores_after(model, tokens, n_rows):
    """Compute the scores after `tokens`, the last `n_rows` of them in one step."""
    context = Context(model, n_ctx=512, n_sequences=1, n_batch=256, n_threads=2)
    batch = Batch(256)
    try:
        for begin, end in ((0, len(tokens) - n_rows), (len(tokens) - n_rows, len(tokens))):
            batch.clear()
            batch.extend(tokens[begin:end], begin, 0, n_outputs=1)
            context.decode(batch)
        return context.logits(end - begin - 1).copy()
    finally:
        context.close()


@pytest.mark.parametrize(
    "subjects", [SUBJECTS[:4], pytest.param(SUBJECTS[4:], marks=pytest.mark.slow)], ids=["few", ""]
)
def test_greedy_answers_agree_or_part_where_two_tokens_tie(starter_models, subjects):
    from engine.library.store import Library

    path = Library(starter_models).find("smollm2:135m").model_path
    with Model(path, Options()) as model:
        context = Context(model, n_ctx=512, n_sequences=1, n_batch=256, n_threads=2)
        worker = Worker(model, context, n_slots=1, n_ctx=512, max_queue=8, gate=Gate(),
                        clock=itertools.count().__next__)  # fmt: skip
        n_accepted = 0
        try:
            for one in subjects:
                for text in (f"The {one} is", f"The {one}, the {one}s, the {one}. The {one}, the"):
                    plain, tried = both(worker, text, Options(temperature=0), limit=10)
                    n_accepted += tried[0].n_accepted
                    check_parting(model, plain[0].context, tried[0].context)
        finally:
            worker.close()
            context.close()

    assert n_accepted > 2 * len(subjects)


def check_parting(model, plain, tried):
    at = next(
        (at for at, pair in enumerate(zip(plain, tried, strict=False)) if pair[0] != pair[1]), None
    )
    if at is None:
        assert len(plain) == len(tried)
        return
    single = scores_after(model, plain[:at], 1)
    tolerance = max(
        float(np.abs(scores_after(model, plain[:at], n_rows) - single).max())
        for n_rows in (2, 4, 8, min(17, at - 1))
    )
    gap = abs(float(single[plain[at]] - single[tried[at]]))
    assert gap <= 2 * tolerance  # either score may be off
