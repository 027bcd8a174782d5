"""What llama.cpp is told, and that it follows; no GPU was asked."""

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import LoadError
from engine.library.gguf import read_header
from engine.library.store import Library
from engine.runtime.batch_native import Batch
from engine.runtime.devices_native import this_machine
from engine.runtime.gate import Gate
from engine.runtime.llama import Context, Model
from engine.runtime.params_native import LoadWatch, context_params, model_params
from engine.runtime.placement import place
from engine.runtime.runners import ChatRunner, LoadPlan
from engine.runtime.sizes import Wish
from engine.runtime.weights import MAX_ITEMS, weights_of
from engine.types import Options
from tests.engine.runtime.machines import LARGE, NO_GPU, SEVENTY, UNEQUAL

CHAT = Wish(n_slots=2, n_ctx=512)


def told(placement):
    params, kept = model_params(Options(), placement, has_extra_buffers=True, watch=LoadWatch(0))
    return params, kept


def test_layers_are_split_as_the_placement_says():
    placement = place(SEVENTY, UNEQUAL, CHAT)

    params, _kept = told(placement)

    assert params.n_gpu_layers == placement.n_gpu_layers
    assert params.split_mode == 1
    assert tuple(params.tensor_split[:2]) == placement.tensor_split


def test_one_gpu_gets_everything_without_a_split():
    params, _kept = told(place(SEVENTY, LARGE, CHAT))

    assert (params.split_mode, params.main_gpu, bool(params.tensor_split)) == (0, 0, False)
    assert not params.devices


def test_without_layers_on_it_no_gpu_is_touched():
    placement = place(SEVENTY, replace(NO_GPU, host=replace(NO_GPU.host, free_bytes=1 << 40)), CHAT)

    params, _kept = told(placement)

    assert params.devices
    assert not context_params(placement).op_offload
    assert not context_params(placement).offload_kqv


def test_a_load_that_crawls_goes_on_and_one_that_stands_still_ends():
    now = [0.0]
    watch = LoadWatch(10, clock=lambda: now[0])

    answers = []
    for at, done in ((9, 0.1), (18, 0.2), (27, 0.2), (29, 0.2)):
        now[0] = at
        answers.append(watch.goes_on(done))

    assert answers == [True, True, True, False]
    assert watch.is_stalled


def test_a_load_that_stands_still_names_the_setting(tiny):
    with pytest.raises(LoadError, match=r"made no progress .* OLLAMA_LOAD_TIMEOUT"):
        Model(tiny / "chat.gguf", Options(), load_timeout_s=1e-9)


@pytest.fixture(scope="module")
def smol(starter_models):
    path = Library(starter_models).find("smollm2:135m").model_path
    return path, weights_of(read_header(path, max_items=MAX_ITEMS))


def scores(model, weights, **settings):
    placement = place(weights, this_machine(), replace(CHAT, **settings))
    context = Context(model, n_ctx=512, n_sequences=1, n_batch=64, n_threads=2, placement=placement)
    batch = Batch(64)
    tokens = model.tokenize("The capital of France is", add_special=True, parse_special=False)
    for position, token in enumerate(tokens):
        batch.add(token, position, 0, wants_output=position == len(tokens) - 1)
    context.decode(batch)
    found = context.logits(len(tokens) - 1).copy()
    context.close()
    return found


def test_cache_types_and_flash_attention_change_the_scores_little(smol):
    path, weights = smol
    with Model(path, Options()) as model:
        plain = scores(model, weights)
        others = {
            "off": scores(model, weights, flash_attention=False),
            "q8_0": scores(model, weights, cache_type="q8_0"),
            "q4_0": scores(model, weights, cache_type="q4_0"),
        }

    similar = {
        name: float(one @ plain / np.linalg.norm(one) / np.linalg.norm(plain))
        for name, one in others.items()
    }
    assert similar["off"] > 0.995  # seen: 0.9987, 0.9974, 0.9859
    assert similar["q8_0"] > 0.99
    assert similar["q4_0"] > 0.95
    assert len({int(one.argmax()) for one in (plain, others["off"], others["q8_0"])}) == 1


def test_a_quantized_cache_takes_what_was_foretold(smol):
    path, weights = smol

    for kind in ("f16", "q8_0", "q4_0"):
        placement = place(weights, this_machine(), replace(CHAT, cache_type=kind))
        plan = LoadPlan(path, Options(), 512, 2, 8, has_extra_buffers=True, placement=placement)
        runner = ChatRunner(plan, Gate())
        (main,), (foretold,) = runner.memory, placement.shares
        runner.close()

        assert main.cache_bytes == pytest.approx(foretold.cache_bytes, rel=0.01)
        assert main.weights_bytes == pytest.approx(foretold.weights_bytes, rel=0.01)
        assert main.compute_bytes <= foretold.compute_bytes < 1.5 * main.compute_bytes
