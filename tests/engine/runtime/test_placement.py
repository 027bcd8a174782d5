"""Where models go on machines that nobody has here. No GPU was asked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LoadError, OutOfMemoryError
from engine.runtime.explain import explain
from engine.runtime.placement import (
    GPU_MARGIN_BYTES,
    deal,
    largest_ctx,
    place,
    retreat,
    step_down,
    usual_ctx,
)
from engine.runtime.sizes import GIB, HOST, MIB, Wish
from engine.runtime.weights import LayerMemory
from tests.engine.runtime.machines import (
    EIGHT,
    EMBEDDING,
    LARGE,
    MIXTURE,
    NO_GPU,
    SEVEN,
    SEVENTY,
    SMALL,
    TAKEN,
    TINY,
    UNEQUAL,
    gpu,
    mac,
    machine,
)

CHAT = Wish(n_slots=4)
POOLING = Wish(n_ctx=512, is_pooling=True)


@pytest.mark.parametrize(
    ("where", "model", "layers", "devices", "n_ctx"),
    [
        (NO_GPU, TINY, 0, [], 4096),
        (NO_GPU, SEVEN, 0, [], 4096),
        (SMALL, TINY, 31, ["CUDA0"], 4096),
        (SMALL, SEVEN, 29, ["CUDA0"], 4096),
        (LARGE, SEVEN, 29, ["CUDA0"], 32_768),
        (LARGE, SEVENTY, 43, ["CUDA0"], 4096),
        (UNEQUAL, SEVEN, 29, ["CUDA1"], 65_536),
        (UNEQUAL, SEVENTY, 61, ["CUDA0", "CUDA1"], 4096),
        (EIGHT, SEVEN, 29, ["CUDA0"], 131_072),
        (EIGHT, SEVENTY, 81, ["CUDA0"], 32_768),
        (EIGHT, MIXTURE, 61, ["CUDA0"], 65_536),
        (mac(16), SEVEN, 29, ["Metal"], 4096),
        (mac(64), SEVENTY, 81, ["Metal"], 4096),
        (TAKEN, TINY, 31, ["CUDA0"], 8192),
        (TAKEN, SEVEN, 9, ["CUDA0"], 4096),
    ],
)
def test_a_chat_model_goes_to_the_fewest_gpus_that_hold_it(where, model, layers, devices, n_ctx):
    found = place(model, where, CHAT)

    assert (found.n_gpu_layers, found.n_ctx) == (layers, n_ctx)
    assert [one.device for one in found.shares[1:]] == devices
    assert (found.split_mode == "layer") == (len(devices) > 1)


@pytest.mark.parametrize("where", [NO_GPU, SMALL, UNEQUAL, EIGHT, mac(16), TAKEN])
def test_an_embedding_model_fits_anywhere_and_has_no_cache(where):
    found = place(EMBEDDING, where, POOLING)

    assert (found.n_gpu_layers, found.n_ctx) == (31 if where.gpus else 0, 512)
    assert not any(one.cache_bytes for one in found.shares)


@pytest.mark.parametrize("where", [SMALL, LARGE, UNEQUAL, EIGHT, TAKEN, mac(16), mac(64)])
@pytest.mark.parametrize("model", [TINY, SEVEN, SEVENTY, MIXTURE])
def test_no_gpu_holds_more_than_is_free_less_the_margin(where, model):
    try:
        found = place(model, where, CHAT)
    except OutOfMemoryError:
        assert model.size_bytes > sum(one.free_bytes for one in where.gpus) * 0.8
        return

    free = where.free()
    for share in found.shares[1:]:
        assert share.size_bytes <= free[share.device] - GPU_MARGIN_BYTES
    assert sum(one.size_bytes for one in found.shares if one.device == HOST) <= free[HOST]


def test_what_is_too_large_for_all_memory_is_refused_with_the_numbers():
    with pytest.raises(OutOfMemoryError) as caught:
        place(SEVENTY, NO_GPU, CHAT)

    text = str(caught.value)
    assert "needs 40" in text
    assert "31.0 GiB can be had" in text
    assert "smaller model or quantization" in text


def test_a_context_beyond_memory_is_refused_and_the_largest_that_fits_is_named():
    wish = replace(CHAT, n_ctx=1_000_000)

    with pytest.raises(OutOfMemoryError) as caught:
        place(SEVEN, NO_GPU, wish)

    largest = largest_ctx(SEVEN, NO_GPU, wish)
    assert f"the largest num_ctx that fits is {largest}: lower num_ctx" in str(caught.value)
    assert "OLLAMA_KV_CACHE_TYPE=q8_0" in str(caught.value)
    assert place(SEVEN, NO_GPU, replace(wish, n_ctx=largest)).n_ctx == largest
    if largest < SEVEN.n_ctx_train:
        with pytest.raises(OutOfMemoryError):
            place(SEVEN, NO_GPU, replace(wish, n_ctx=largest + 256))


def test_a_context_that_was_asked_for_costs_slots_and_is_never_cut():
    found = place(SEVEN, NO_GPU, replace(CHAT, n_ctx=131_072))

    assert (found.n_ctx, found.n_slots) == (131_072, 2)


def test_slots_are_given_up_before_the_usual_context_is():
    sizes = [place(SEVEN, machine(gib), CHAT) for gib in (16, 5.5, 5.1)]
    alone = replace(CHAT, n_slots=1)

    assert [one.n_ctx for one in sizes] == [4096] * 3
    assert [one.n_slots for one in sizes] == [4, 2, 1]
    assert {place(SEVEN, machine(4.9), one).n_ctx for one in (CHAT, alone)} == {2048}


def test_nobody_needs_to_leave_for_more_slots():
    many, one = (place(SEVEN, machine(gib), CHAT) for gib in (16, 5.1))

    assert many.n_slots > one.n_slots
    assert many.rank == one.rank


def test_a_context_that_nobody_asked_for_is_stepped_down_before_layers_leave_the_gpu():
    roomy, short = machine(64, gpu(0, 24)), machine(64, gpu(0, 24, 7.5))

    assert [place(SEVEN, one, CHAT).n_ctx for one in (roomy, short)] == [32_768, 8192]
    assert place(SEVEN, short, CHAT).n_gpu_layers == 29
    assert [step_down(one) for one in (262_144, 131_072, 4096, 2048)] == [
        131_072,
        65_536,
        2048,
        None,
    ]


@pytest.mark.parametrize(
    ("gpus", "n_ctx"),
    [((), 4096), ((8,), 4096), ((23.9,), 32_768), ((24, 24), 262_144), ((80,), 262_144)],
)
def test_the_context_to_try_first_grows_with_gpu_memory(gpus, n_ctx):
    assert usual_ctx([gpu(number, one) for number, one in enumerate(gpus)]) == n_ctx


def test_unequal_gpus_take_layers_in_proportion_to_what_is_free():
    found = place(SEVENTY, machine(64, gpu(0, 16), gpu(1, 32)), CHAT)

    first, second = found.tensor_split
    assert first + second == found.n_gpu_layers
    assert 1.7 < second / first < 2.4


def test_all_gpus_share_if_the_setting_says_so():
    found = place(SEVEN, EIGHT, replace(CHAT, n_ctx=4096, is_spread=True))

    assert sum(found.tensor_split) == 29
    assert min(found.tensor_split) >= 3


def test_a_gpu_that_is_named_is_the_only_one():
    found = place(SEVEN, UNEQUAL, replace(CHAT, n_ctx=4096, main_gpu=1))

    assert (found.main_gpu, found.tensor_split) == (1, ())
    with pytest.raises(LoadError, match="main_gpu is 2, but there are only 0: CUDA0, 1: CUDA1"):
        place(SEVEN, UNEQUAL, replace(CHAT, main_gpu=2))


@pytest.mark.parametrize(("said", "layers"), [(0, 0), (7, 7), (999, 81)])
def test_num_gpu_goes_before_what_fits(said, layers):
    roomy = machine(128, gpu(0, 24))

    assert place(SEVENTY, roomy, replace(CHAT, n_gpu_layers=said)).n_gpu_layers == layers


def test_the_overhead_of_every_gpu_is_left_alone():
    plain = place(SEVENTY, LARGE, CHAT)
    less = place(SEVENTY, LARGE, replace(CHAT, gpu_overhead_bytes=5 * GIB))

    assert 8 <= plain.n_gpu_layers - less.n_gpu_layers <= 12


def test_memory_that_is_shared_is_counted_once():
    tight = machine(16, gpu(0, 10.5, backend="Metal"), free_gib=4)
    separate = machine(16, gpu(0, 10.5), free_gib=4)

    assert place(SEVEN, separate, CHAT).n_gpu_layers == 29
    with pytest.raises(OutOfMemoryError):
        place(SEVEN, tight, CHAT)


def test_gpus_of_two_backends_are_not_mixed():
    both = machine(64, gpu(0, 24), gpu(1, 24), gpu(0, 16, backend="Vulkan"))

    found = place(SEVENTY, both, CHAT)

    assert [one.device for one in found.shares] == ["CPU", "CUDA0", "CUDA1"]
    assert len(found.tensor_split) == 3
    assert found.tensor_split[2] == 0


def test_a_projector_goes_to_the_gpu_only_beside_a_whole_model_with_room():
    wish = replace(CHAT, n_ctx=4096, projector_bytes=800 * MIB)

    assert place(SEVEN, LARGE, wish).is_projector_on_gpu
    assert not place(SEVEN, machine(32, gpu(0, 7)), wish).is_projector_on_gpu
    assert not place(SEVENTY, LARGE, wish).is_projector_on_gpu
    assert not place(SEVEN, LARGE, replace(wish, n_gpu_layers=0)).is_projector_on_gpu


@pytest.mark.parametrize(
    ("wanted", "flash", "model", "given"),
    [
        ("q8_0", None, SEVEN, ("q8_0", True)),
        ("q4_0", True, SEVEN, ("q4_0", True)),
        ("q8_0", False, SEVEN, ("f16", False)),
        ("q8_0", None, replace(SEVEN, head_sizes=(80, 80)), ("f16", None)),
        ("q8_0", None, replace(SEVEN, architecture="grok"), ("f16", None)),
        ("f16", None, SEVEN, ("f16", None)),
    ],
)
def test_a_quantized_cache_needs_flash_attention_and_whole_blocks(wanted, flash, model, given):
    found = place(model, NO_GPU, replace(CHAT, cache_type=wanted, flash_attention=flash))

    assert (found.cache_type, found.flash_attention) == given


def test_a_quantized_cache_takes_about_half_and_a_quarter():
    sizes = [
        sum(one.cache_bytes for one in place(SEVEN, NO_GPU, replace(CHAT, cache_type=kind)).shares)
        for kind in ("f16", "q8_0", "q4_0")
    ]

    assert [round(sizes[0] / one, 2) for one in sizes] == [1.0, 1.88, 3.56]


def test_a_recurrent_layer_takes_the_same_for_every_context():
    state = replace(SEVEN, memories=(LayerMemory(state_bytes=MIB),) * 28)

    sizes = [
        place(state, NO_GPU, replace(CHAT, n_ctx=n_ctx)).shares[0].cache_bytes
        for n_ctx in (2048, 32_768)
    ]

    assert sizes == [28 * 4 * MIB] * 2


def test_after_a_failed_load_half_the_layers_stay_on_the_gpu_then_none():
    wish, tried = CHAT, []
    while wish is not None:
        found = place(SEVEN, LARGE, wish)
        tried.append(found.n_gpu_layers)
        wish = retreat(found, wish)

    assert tried == [29, 14, 7, 3, 1, 0]


@given(
    costs=st.lists(st.integers(1, 1000), min_size=1, max_size=90),
    rooms=st.lists(st.integers(0, 20_000), min_size=1, max_size=8),
)
def test_layers_are_dealt_in_order_without_a_loss_and_only_where_they_fit(costs, rooms):
    counts = deal(costs, rooms, is_checked=True)

    if counts is None:
        return
    assert (len(counts), sum(counts)) == (len(rooms), len(costs))
    begin = 0
    for count, room in zip(counts, rooms, strict=True):
        assert sum(costs[begin : begin + count]) <= room
        begin += count


def test_the_placement_explains_itself_with_the_numbers():
    wish = replace(CHAT, cache_type="q8_0", flash_attention=False)

    said = " ".join(explain(place(SEVENTY, UNEQUAL, wish), SEVENTY, UNEQUAL, wish))

    assert "80 layers and 39.4 GiB of weights" in said
    assert "CUDA0 (CUDA) has 12.0 GiB free of 24.0 GiB" in said
    assert "of 81 layers (the head counts as one) go to CUDA0 and CUDA1: one is not enough" in said
    assert "OLLAMA_KV_CACHE_TYPE=q8_0 is not followed" in said
    lone = " ".join(explain(place(TINY, NO_GPU, CHAT), TINY, NO_GPU, CHAT))
    assert "All layers are computed on the processor: this build of llama.cpp sees no GPU." in lone
