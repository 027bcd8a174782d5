"""A placement, what it was chosen for, where in; sentences with the numbers out; pure."""

from __future__ import annotations

from collections.abc import Iterator

from engine.runtime.devices import Device, Machine
from engine.runtime.placement import Placement, host_margin, usable, usual_ctx
from engine.runtime.sizes import HOST, Wish, human
from engine.runtime.weights import Weights


def explain(placement: Placement, weights: Weights, machine: Machine, wish: Wish) -> list[str]:
    """Say where each part goes and why."""
    return [
        *_model(placement, weights),
        *_context(placement, machine, wish),
        *_machine(machine, wish),
        *_layers(placement, machine, wish),
        *_shares(placement),
        *_settings(placement, wish),
    ]


def _model(placement: Placement, weights: Weights) -> Iterator[str]:
    cache = sum(one.cache_bytes for one in placement.shares)
    n_states = sum(bool(one.state_bytes) for one in weights.memories)
    yield (
        f"The model is a {weights.architecture} of {weights.n_layers} layers "
        f"and {human(weights.size_bytes)} of weights."
    )
    if not cache:
        yield "It remembers nothing between texts, so it has no KV cache."
        return
    states = f" ({n_states} layers keep a state of fixed size instead)" if n_states else ""
    yield (
        f"Its KV cache takes {human(cache)}: {placement.n_slots} x {placement.n_ctx:,} tokens "
        f"in {placement.cache_type}{states}."
    )


def _context(placement: Placement, machine: Machine, wish: Wish) -> Iterator[str]:
    usual = usual_ctx(machine.gpus)
    if wish.n_ctx:
        yield f"A context of {wish.n_ctx:,} tokens was asked for."
    elif placement.n_ctx < usual:
        yield (
            f"Nobody asked for a context: {placement.n_ctx:,} tokens is what the model was "
            f"trained for, or what fits; {usual:,} are tried first on this machine."
        )
    else:
        yield f"Nobody asked for a context: {usual:,} tokens are usual on this machine."
    if placement.n_slots < wish.n_slots:
        yield (
            f"Only {placement.n_slots} of {wish.n_slots} requests are answered at once: the cache "
            "for more does not fit."
        )


def _machine(machine: Machine, wish: Wish) -> Iterator[str]:
    host = machine.host
    yield (
        f"Main memory has {human(host.free_bytes)} free of {human(host.total_bytes)}; "
        f"{human(host_margin(host.total_bytes))} of it stay free."
    )
    for one in machine.gpus:
        shared = ", which is main memory" if one.is_unified else ""
        room = human(usable(one, machine, wish))
        yield (
            f"{one.name} ({one.description or one.backend}) has {human(one.free_bytes)} free of "
            f"{human(one.total_bytes)}{shared}; a model may take {room}."
        )


def _layers(placement: Placement, machine: Machine, wish: Wish) -> Iterator[str]:
    n_layers, n_all = placement.n_gpu_layers, placement.n_all_layers
    if not n_layers:
        yield f"All layers are computed on the processor{_why_not(machine, wish)}."
        return
    names = [one.device for one in placement.shares[1:]]
    how_many = f"All {n_all} layers" if n_layers == n_all else f"{n_layers} of {n_all} layers"
    yield f"{how_many} (the head counts as one) go to {' and '.join(names)}{_why(wish, names)}."
    if placement.tensor_split:
        counts = ", ".join(f"{one:.0f}" for one in placement.tensor_split)
        yield f"They are split by layers in proportion to the memory free: {counts}."
    if n_layers < n_all and wish.n_gpu_layers < 0:
        yield "No more layers fit on the GPU; the rest is computed on the processor."


def _why_not(machine: Machine, wish: Wish) -> str:
    if not machine.gpus:
        return ": this build of llama.cpp sees no GPU"
    if wish.n_gpu_layers == 0:
        return ", because num_gpu is 0"
    return ": not one fits on a GPU"


def _why(wish: Wish, names: list[str]) -> str:
    if wish.n_gpu_layers >= 0:
        return f", because num_gpu is {wish.n_gpu_layers}"
    if wish.main_gpu > 0:
        return f", because main_gpu is {wish.main_gpu}"
    if len(names) > 1:
        return ", because OLLAMA_SCHED_SPREAD is set" if wish.is_spread else ": one is not enough"
    return ""


def _shares(placement: Placement) -> Iterator[str]:
    for one in placement.shares:
        where = "Main memory" if one.device == HOST else one.device
        yield (
            f"{where} holds {human(one.size_bytes)}: {human(one.weights_bytes)} weights, "
            f"{human(one.cache_bytes)} cache, {human(one.compute_bytes)} to compute."
        )


def _settings(placement: Placement, wish: Wish) -> Iterator[str]:
    chosen = {None: "chosen by llama.cpp", True: "on", False: "off"}[placement.flash_attention]
    yield f"Flash attention is {chosen}; the file is {'' if placement.uses_mmap else 'not '}mapped."
    has_cache = any(one.cache_bytes for one in placement.shares)
    if has_cache and wish.cache_type != placement.cache_type:
        yield (
            f"OLLAMA_KV_CACHE_TYPE={wish.cache_type} is not followed: it needs flash attention and "
            f"heads of a multiple of 32 values; the cache is {placement.cache_type}."
        )
    if wish.projector_bytes:
        where = "the GPU" if placement.is_projector_on_gpu else "the processor"
        yield f"Pictures and sounds are read on {where}."


def described(gpu: Device) -> str:
    """Name a GPU with its memory."""
    return f"{gpu.name}: {gpu.description or gpu.backend}, {human(gpu.total_bytes)}"
