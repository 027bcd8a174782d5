"""Sequences that are copied, saved and restored by llama.cpp say what computed ones say."""

import gguf
import numpy as np
import pytest

from engine.runtime.gate import Gate
from engine.runtime.runners import ChatRunner, LoadPlan
from engine.types import Options
from tests.engine.runtime import tiny_models
from tests.engine.runtime.conftest import generation, say

PASSAGES = "The river Rhine rises in the Alps and flows into the North Sea. " * 3
MEMORY = 64 << 20


def cold(load, text, name="chat.gguf", **more):
    """Ask a model that never computed anything."""
    return say(load(name, n_ctx=512), text, **more)


def first_pieces(runner, work):
    """Start a request and wait for its first token."""
    stream = runner.worker.stream(work)
    while not work.generated:
        next(stream)
    return stream


@pytest.mark.parametrize("name", ["chat.gguf", "mrope.gguf"])
def test_another_slot_takes_over_what_a_busy_one_holds(load, name):
    runner = load(name, n_ctx=512)
    stream = first_pieces(runner, generation(runner, PASSAGES + "One?", limit=200))

    said = say(runner, PASSAGES + "Two?")
    stream.close()

    expected = cold(load, PASSAGES + "Two?", name)
    assert said.text == expected.text
    assert said.final.n_reused == said.final.n_prompt - len("Two?")
    assert expected.final.n_reused == 0


@pytest.mark.parametrize(
    ("model", "projector"), [("chat.gguf", "mlp.gguf"), ("mrope.gguf", "qwen2vl_merger.gguf")]
)
def test_an_equal_picture_is_taken_over_by_another_slot_and_no_other_is(
    tiny, load, model, projector
):
    def seeing():
        return load(model, n_ctx=512, projectors=(tiny / projector,))

    red, black = tiny_models.picture(), tiny_models.picture(color=(0, 0, 0))
    text = PASSAGES + "What is [img-0] "
    runner = seeing()
    stream = first_pieces(runner, generation(runner, text + "One?", images=[red], limit=150))

    other = say(runner, text + "Two?", images=[black])
    same = say(runner, text + "Two?", images=[red])
    stream.close()

    begin = runner.prompt(text, [red], add_special=True).media[0].begin
    assert other.final.n_reused == begin
    assert same.final.n_reused == same.final.n_prompt - len("Two?")
    assert same.text == say(seeing(), text + "Two?", images=[red]).text


def test_a_conversation_that_lost_its_slot_is_restored(load):
    runner = load("chat.gguf", n_ctx=512, n_slots=1, prefix_cache_bytes=MEMORY)
    say(runner, PASSAGES + "One?")
    say(runner, "Something else altogether. " * 5)
    assert runner.worker.stats().n_cached_prefixes == 1

    said = say(runner, PASSAGES + "Two?")

    assert said.text == cold(load, PASSAGES + "Two?").text
    assert said.final.n_reused == said.final.n_prompt - len("Two?")


def test_saved_prefixes_keep_within_their_memory(load):
    tight = load("chat.gguf", n_ctx=512, n_slots=1, prefix_cache_bytes=200_000)
    none = load("chat.gguf", n_ctx=512, n_slots=1)
    for runner in (tight, none):
        for letter in "abcd":
            say(runner, letter * 200, limit=1)

    assert 0 < tight.worker.stats().cached_bytes <= 200_000
    assert none.worker.stats().cached_bytes == 0


def test_a_shifted_conversation_can_be_saved_and_its_beginning_restored(load):
    runner = load("chat.gguf", n_ctx=256, n_slots=1, prefix_cache_bytes=MEMORY)
    options = Options(temperature=0, num_thread=1, num_keep=150)
    assert say(runner, PASSAGES, options, limit=120, is_shifting=True).final.n_generated == 120
    say(runner, "Something else altogether. " * 5)

    said = say(runner, PASSAGES)

    assert 100 < said.final.n_reused < said.final.n_prompt - 1
    assert said.text == say(load("chat.gguf", n_ctx=256), PASSAGES).text


def write_mamba(path):
    """Write a recurrent model, whose memory cannot be cut."""
    n_inner, n_state, n_rank, n_conv = 64, 8, 4, 4
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_context_length(tiny_models.N_CTX_TRAIN)
    writer.add_embedding_length(tiny_models.N_EMBD)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(2)
    writer.add_ssm_conv_kernel(n_conv)
    writer.add_ssm_inner_size(n_inner)
    writer.add_ssm_state_size(n_state)
    writer.add_ssm_time_step_rank(n_rank)
    writer.add_layer_norm_rms_eps(1e-5)
    n_vocab = tiny_models._chat_tokenizer(writer)
    weights = tiny_models._Weights(writer, 3)
    weights.add("token_embd.weight", n_vocab, tiny_models.N_EMBD, scale=1.0)
    weights.ones("output_norm.weight", tiny_models.N_EMBD)
    for layer in range(2):
        name = f"blk.{layer}"
        weights.ones(f"{name}.attn_norm.weight", tiny_models.N_EMBD)
        weights.add(f"{name}.ssm_in.weight", 2 * n_inner, tiny_models.N_EMBD)
        weights.add(f"{name}.ssm_conv1d.weight", n_inner, n_conv)
        weights.zeros(f"{name}.ssm_conv1d.bias", n_inner)
        weights.add(f"{name}.ssm_x.weight", n_rank + 2 * n_state, n_inner)
        weights.add(f"{name}.ssm_dt.weight", n_inner, n_rank)
        weights.zeros(f"{name}.ssm_dt.bias", n_inner)
        writer.add_tensor(f"{name}.ssm_a", -np.ones((n_inner, n_state), np.float32))
        weights.ones(f"{name}.ssm_d", n_inner)
        weights.add(f"{name}.ssm_out.weight", tiny_models.N_EMBD, n_inner)
    tiny_models._save(writer)
    return path


def test_a_recurrent_memory_is_taken_over_whole_or_not_at_all(tiny, load):
    write_mamba(tiny / "mamba.gguf")
    runner = load("mamba.gguf", n_ctx=512, prefix_cache_bytes=MEMORY)
    first = say(runner, PASSAGES, limit=1)
    assert not runner.model.can_trim

    other = say(runner, PASSAGES[:-5] + "Two?")
    longer = say(runner, PASSAGES + "Two?")

    assert (first.final.n_reused, other.final.n_reused) == (0, 0)
    assert longer.final.n_reused == first.final.n_prompt
    assert other.text == cold(load, PASSAGES[:-5] + "Two?", "mamba.gguf").text
    assert longer.text == cold(load, PASSAGES + "Two?", "mamba.gguf").text


def write_windowed(path, n_window):
    """Write a model of which every second layer sees only what came just before (gemma3)."""
    n_head = tiny_models.N_EMBD // tiny_models.N_HEAD
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_context_length(tiny_models.N_CTX_TRAIN)
    writer.add_embedding_length(tiny_models.N_EMBD)
    writer.add_block_count(tiny_models.N_LAYERS)
    writer.add_feed_forward_length(tiny_models.N_FF)
    writer.add_head_count(tiny_models.N_HEAD)
    writer.add_head_count_kv(tiny_models.N_HEAD)
    writer.add_key_length(n_head)
    writer.add_value_length(n_head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_sliding_window(n_window)
    writer.add_sliding_window_pattern(2)
    n_vocab = tiny_models._chat_tokenizer(writer)
    weights = tiny_models._Weights(writer, 5)
    weights.add("token_embd.weight", n_vocab, tiny_models.N_EMBD, scale=1.0)
    weights.ones("output_norm.weight", tiny_models.N_EMBD)
    weights.add("output.weight", n_vocab, tiny_models.N_EMBD, scale=0.5)
    for layer in range(tiny_models.N_LAYERS):
        name = f"blk.{layer}"
        tiny_models._chat_layer(weights, name, "qwen3")
        weights.ones(f"{name}.post_attention_norm.weight", tiny_models.N_EMBD)
        weights.ones(f"{name}.post_ffw_norm.weight", tiny_models.N_EMBD)
    tiny_models._save(writer)
    return path


def test_behind_a_sliding_window_what_a_slot_holds_is_not_lost_to_a_useless_copy(tiny, load):
    write_windowed(tiny / "windowed.gguf", 32)
    runner = load("windowed.gguf", n_ctx=512)
    stream = first_pieces(runner, generation(runner, PASSAGES + "One?", limit=200))

    short = say(runner, PASSAGES[:100] + "Two?", limit=1)
    longer = say(runner, PASSAGES[:150] + "Two?")
    stream.close()

    assert short.final.n_reused == 0
    assert longer.final.n_reused == short.final.n_prompt - len("Two?")
    assert longer.text == cold(load, PASSAGES[:150] + "Two?", "windowed.gguf").text


def test_behind_a_sliding_window_a_conversation_is_restored_to_go_on(tiny, load):
    write_windowed(tiny / "windowed.gguf", 32)
    runner = load("windowed.gguf", n_ctx=512, n_slots=1, prefix_cache_bytes=MEMORY)
    first = say(runner, PASSAGES, limit=1)
    say(runner, "Something else altogether. " * 5)

    said = say(runner, PASSAGES + "Two?")

    assert said.final.n_reused == first.final.n_prompt
    assert said.text == cold(load, PASSAGES + "Two?", "windowed.gguf").text


@pytest.fixture(scope="module")
def starter(starter_models):
    from engine.library.store import Library

    path = Library(starter_models).find("smollm2:135m").model_path
    greedy = Options(temperature=0)
    plan = LoadPlan(path, greedy, 512, 2, 8, has_extra_buffers=True, prefix_cache_bytes=MEMORY)
    made = ChatRunner(plan, Gate())
    yield made
    made.close()


def test_the_starter_model_answers_from_a_copied_and_a_restored_beginning(starter):
    def prompt(question):
        facts = "Facts: the capital of France is Paris; the capital of Italy is Rome. " * 3
        return f"<|im_start|>user\n{facts}{question}<|im_end|>\n<|im_start|>assistant\n"

    greedy = Options(temperature=0)
    question = prompt("What is the capital of France?")
    alone = say(starter, question, greedy, limit=8)
    stream = first_pieces(
        starter, generation(starter, prompt("Tell me a story."), greedy, limit=300)
    )
    copied = say(starter, prompt("And the capital of Italy?"), greedy, limit=14)
    stream.close()
    for letter in "xy":  # both slots go to others
        say(starter, f"{letter} " * 80, greedy, limit=1)
    restored = say(starter, question, greedy, limit=8)

    assert "Paris" in alone.text
    assert "Paris" in restored.text
    assert "Rome" in copied.text
    assert alone.final.n_reused == 0
    assert min(copied.final.n_reused, restored.final.n_reused) > 45


def test_a_state_that_is_cut_short_is_refused_and_the_sequence_can_be_used_again(load):
    runner = load("chat.gguf", n_ctx=512)
    expected = say(runner, PASSAGES)
    context = runner.worker._context
    state = context.save(0)

    for size in (0, 4, 100, len(state) - 1):
        assert not context.restore(1, state[:size].copy())
    assert context.restore(1, state)
    context.forget_all()
    for slot in runner.worker._slots:
        slot.clear()

    assert say(runner, PASSAGES).text == expected.text
