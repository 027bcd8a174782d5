"""Devices, a model's sizes and wishes in, where each part goes out; pure.

Source of the rules: Ollama's scheduler (server/sched.go, llm/memory.go) for the choice of devices,
the reserve and the steps of the context; llama.cpp (src/llama-model.cpp) for how layers are dealt.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from engine.config import CacheType
from engine.errors import LoadError, OutOfMemoryError
from engine.runtime.devices import Device, Machine
from engine.runtime.sizes import CTX_UNIT, GIB, HOST, MIB, Share, Sizer, Wish, human
from engine.runtime.weights import Weights

GPU_MARGIN_BYTES, METAL_MARGIN_BYTES = 457 * MIB, 512 * MIB  # Ollama's
LEAST_HOST_MARGIN_BYTES, MOST_HOST_MARGIN_BYTES = 128 * MIB, GIB
PROJECTOR_ROOM_BYTES = GIB  # free beside a projector on a GPU, for the pictures
STEPS_CTX = tuple(1 << bits for bits in range(18, 10, -1))  # of an automatic context: 262,144 …
_TIERS = ((48 * GIB, 262_144), (24 * GIB, 32_768))  # GPU memory from which a context is tried
DEFAULT_CTX = 4096  # tokens per request where nothing else is said
MIN_CTX = 4
_BLOCK = 32  # values of a head that one block of a quantized cache holds
_NO_FLASH = frozenset({"grok"})  # llama.cpp switches it off for these


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model goes and how it is loaded."""

    n_ctx: int  # tokens per request
    n_slots: int
    n_gpu_layers: int  # the head counts as one
    n_all_layers: int  # the head included
    tensor_split: tuple[float, ...]  # layers by GPU in llama.cpp's order; empty = one GPU or none
    main_gpu: int
    cache_type: CacheType
    flash_attention: bool | None
    uses_mmap: bool
    is_projector_on_gpu: bool
    shares: tuple[Share, ...]  # main memory first

    @property
    def split_mode(self) -> Literal["none", "layer"]:
        """Whether the layers go to one GPU or to several."""
        return "layer" if self.tensor_split else "none"

    def needs(self) -> dict[str, int]:
        """Give the bytes by device."""
        return {one.device: one.size_bytes for one in self.shares}

    @property
    def rank(self) -> tuple[int, int]:
        """Compare placements of one wish: layers on GPUs, then tokens.

        Slots do not count: for them a chat and an embedding model would drive each other out at
        every question.
        """
        return self.n_gpu_layers, self.n_ctx


def host_margin(total_bytes: int) -> int:
    """Tell what main memory keeps free for everything else: a twentieth of it, within bounds."""
    return min(MOST_HOST_MARGIN_BYTES, max(LEAST_HOST_MARGIN_BYTES, total_bytes // 20))


def choose_ctx(wanted: int, default: int, n_ctx_train: int) -> int:
    """Decide the tokens per request: what is asked, never above what the model was trained on.

    Args:
        wanted: the option num_ctx; 0 = not said.
        default: the engine's setting; 0 = not said.
        n_ctx_train: the model's own limit; 0 = unknown.
    """
    chosen = max(MIN_CTX, wanted or default or DEFAULT_CTX)
    return min(chosen, n_ctx_train) if n_ctx_train else chosen


def usual_ctx(gpus: Sequence[Device]) -> int:
    """Decide the context to try first where nobody said one: the more GPU memory, the longer."""
    total = sum(one.total_bytes for one in gpus)
    # Cards report a little less than they are sold as.
    return next((n_ctx for least, n_ctx in _TIERS if total >= least * 0.95), DEFAULT_CTX)


def choose_cache_type(
    wanted: CacheType, flash_attention: bool | None, weights: Weights
) -> tuple[CacheType, bool | None]:
    """Decide type of the cache and flash attention.

    A quantized cache needs flash attention: llama.cpp refuses it otherwise. Where attention was
    switched off, or the heads do not fill whole blocks, the cache stays f16, as in Ollama.
    """
    has_cache = any(one.n_key for one in weights.memories)
    if wanted == "f16" or not has_cache:
        return "f16", flash_attention
    is_whole = not any(size % _BLOCK for size in weights.head_sizes)
    if flash_attention is False or not is_whole or weights.architecture in _NO_FLASH:
        return "f16", flash_attention
    return wanted, True


def place(weights: Weights, machine: Machine, wish: Wish) -> Placement:
    """Decide where a model goes.

    All of it on one GPU, else on all GPUs in proportion to what is free, else as many layers as
    fit; a context that nobody asked for is stepped down before layers leave the GPU. A model gets
    fewer slots before it is refused, and before its context falls below the usual one.

    Raises:
        OutOfMemoryError: main memory has no room for what must be there.
        LoadError: there is no such GPU.
    """
    cache_type, flash = choose_cache_type(wish.cache_type, wish.flash_attention, weights)
    wish = replace(wish, cache_type=cache_type, flash_attention=flash)
    chosen = _Choice(weights, machine, wish).best()
    if chosen is None:
        raise OutOfMemoryError(refusal(weights, machine, wish))
    return chosen


def largest_ctx(weights: Weights, machine: Machine, wish: Wish) -> int:
    """Tell the longest context that fits with one slot; 0 if none does."""
    most = (weights.n_ctx_train or 1 << 24) // CTX_UNIT
    return CTX_UNIT * bisect_right(
        range(1, most + 1),
        False,
        key=lambda units: (
            _Choice(weights, machine, replace(wish, n_ctx=units * CTX_UNIT, n_slots=1)).best()
            is None
        ),
    )


def retreat(placement: Placement, wish: Wish) -> Wish | None:
    """Ask for less after a load that failed for memory: half the layers on GPUs, then none.

    Returns:
        None if there is nothing left to give but the context.
    """
    if not placement.n_gpu_layers:
        return None
    half = placement.n_gpu_layers // 2
    return replace(wish, most_gpu_layers=half, n_gpu_layers=min(wish.n_gpu_layers, half))


def step_down(n_ctx: int) -> int | None:
    """Give the next shorter automatic context; None if there is none."""
    return next((step for step in STEPS_CTX if step < n_ctx), None)


def refusal(weights: Weights, machine: Machine, wish: Wish) -> str:
    """Say why nothing fits: what is needed, what there is, what would help."""
    one_slot = replace(wish, n_slots=1, n_ctx=wish.n_ctx or STEPS_CTX[-1])
    need = Sizer(weights, one_slot).on_host()
    free = machine.host.free_bytes - host_margin(machine.host.total_bytes)
    text = (
        f"the model needs {human(need.size_bytes)} of memory ({human(need.weights_bytes)} weights, "
        f"{human(need.cache_bytes)} cache for {one_slot.n_ctx:,} tokens, "
        f"{human(need.compute_bytes)} to compute), {human(max(0, free))} can be had"
    )
    text += "".join(f"; {one.name} has {human(one.free_bytes)} free" for one in machine.gpus)
    largest = largest_ctx(weights, machine, wish)
    if not largest:
        return f"{text}; take a smaller model or quantization, or unload others (`quire stop`)"
    helps = "" if wish.cache_type != "f16" else ", or set OLLAMA_KV_CACHE_TYPE=q8_0"
    return f"{text}; the largest num_ctx that fits is {largest}: lower num_ctx{helps}"


class _Choice:
    """All ways to place one model on one machine, the best first."""

    def __init__(self, weights: Weights, machine: Machine, wish: Wish) -> None:
        self._weights, self._machine, self._wish = weights, machine, wish
        self._n_all = weights.n_layers + 1
        self._pools = list(device_sets(machine.gpus, wish))

    def best(self) -> Placement | None:
        wish, most = self._wish, min(self._wish.most_gpu_layers, self._n_all)
        if wish.n_gpu_layers >= 0 or not self._pools:
            fixed = min(max(0, wish.n_gpu_layers), most) if self._pools else 0
            return self._first([fixed], is_checked=False)
        if most == self._n_all:  # a shorter context on one GPU goes before a longer one on many
            for devices in self._pools:
                whole = self._first([most], (devices,))
                if whole is not None:
                    return whole
        return self._first(range(most, 0, -1)) or self._first([0])

    def _contexts(self) -> Iterator[tuple[int, int]]:
        """Give (context, slots), the most wanted first."""
        n_ctx, n_slots = self._wish.n_ctx, self._wish.n_slots
        least = n_ctx
        if not n_ctx:
            trained = self._weights.n_ctx_train or STEPS_CTX[0]
            n_ctx = min(usual_ctx(self._machine.gpus), trained)
            least = min(n_ctx, DEFAULT_CTX)
        yield n_ctx, n_slots
        yield from ((step, n_slots) for step in STEPS_CTX if least <= step < n_ctx)
        while n_slots > 1:
            n_slots //= 2
            yield least, n_slots
        if not self._wish.n_ctx:
            yield from ((step, n_slots) for step in STEPS_CTX if step < least)

    def _first(
        self,
        n_gpu_layers: Sequence[int],
        pools: Sequence[tuple[Device, ...]] = (),
        *,
        is_checked: bool = True,
    ) -> Placement | None:
        for n_ctx, n_slots in self._contexts():
            if not pools and not self._wish.n_ctx and n_ctx > DEFAULT_CTX:
                continue  # layers on a GPU go before tokens that nobody asked for
            sizer = Sizer(self._weights, replace(self._wish, n_ctx=n_ctx, n_slots=n_slots))
            for n_layers in n_gpu_layers:
                found = self._laid(sizer, n_layers, pools or self._pools, is_checked=is_checked)
                if found is not None:
                    return found
        return None

    def _laid(
        self,
        sizer: Sizer,
        n_layers: int,
        pools: Sequence[tuple[Device, ...]],
        *,
        is_checked: bool,
    ) -> Placement | None:
        """Lay so many layers on the first set of GPUs that has room, the rest in main memory."""
        if not n_layers:
            return self._placement(sizer, 0, (), [], has_projector_on_gpu=False)
        for devices in pools:
            beside = self._beside(sizer, devices, n_layers)
            costs = sizer.costs()[self._n_all - n_layers :]
            rooms = [
                usable(one, self._machine, self._wish) - sizer.compute_bytes for one in devices
            ]
            rooms[0] -= beside
            counts = deal(costs, rooms, is_checked=is_checked)
            if counts is None:
                continue
            found = self._placement(
                sizer, n_layers, devices, counts, has_projector_on_gpu=beside > 0
            )
            if found is not None:
                return found
        return None

    def _beside(self, sizer: Sizer, devices: Sequence[Device], n_layers: int) -> int:
        """Tell what the first GPU holds beside layers: projector and draft, if there is room."""
        wish = self._wish
        if n_layers < self._n_all:
            return 0
        free = usable(devices[0], self._machine, wish) - sum(sizer.costs()) - sizer.compute_bytes
        fits = free >= wish.projector_bytes + PROJECTOR_ROOM_BYTES
        return wish.projector_bytes * fits + wish.draft_bytes

    def _placement(
        self,
        sizer: Sizer,
        n_layers: int,
        devices: Sequence[Device],
        counts: Sequence[int],
        *,
        has_projector_on_gpu: bool,
    ) -> Placement | None:
        is_there = has_projector_on_gpu and bool(self._wish.projector_bytes)
        shares = [sizer.on_host(n_layers, has_projector=not is_there)]
        begin = self._n_all - n_layers
        beside = self._beside(sizer, devices, n_layers) if devices else 0
        for number, (device, count) in enumerate(zip(devices, counts, strict=True)):
            more = 0 if number else beside
            shares.append(sizer.on_gpu(device.name, begin, begin + count, beside=more))
            begin += count
        unified = {one.name for one in devices if one.is_unified}
        in_main = sum(one.size_bytes for one in shares if one.device in {HOST, *unified})
        host = self._machine.host
        if in_main > host.free_bytes - host_margin(host.total_bytes):
            return None
        names = [one.name for one in self._machine.gpus]
        split = [0.0] * len(names)
        for device, count in zip(devices, counts, strict=True):
            split[names.index(device.name)] = float(count)
        is_split = len(devices) > 1
        return Placement(
            n_ctx=sizer.wish.n_ctx,
            n_slots=sizer.wish.n_slots,
            n_gpu_layers=n_layers,
            n_all_layers=self._n_all,
            tensor_split=tuple(split) if is_split else (),
            main_gpu=names.index(devices[0].name) if devices else 0,
            cache_type=sizer.wish.cache_type,
            flash_attention=sizer.wish.flash_attention,
            uses_mmap=sizer.wish.uses_mmap,
            is_projector_on_gpu=is_there,
            shares=tuple(shares),
        )


def device_sets(gpus: Sequence[Device], wish: Wish) -> Iterator[tuple[Device, ...]]:
    """Give the sets of GPUs to try, the best first: the one with most room, then all.

    Several are of one backend, the one with most memory free. They stand in llama.cpp's order.

    Raises:
        LoadError: `main_gpu` names a GPU that is not there.
    """
    if not gpus or wish.n_gpu_layers == 0:
        return
    if wish.main_gpu > 0:
        if wish.main_gpu >= len(gpus):
            names = ", ".join(f"{number}: {one.name}" for number, one in enumerate(gpus))
            raise LoadError(f"main_gpu is {wish.main_gpu}, but there are only {names}")
        yield (gpus[wish.main_gpu],)
        return
    groups: dict[str, list[Device]] = {}
    for one in gpus:
        groups.setdefault(one.backend, []).append(one)
    best = max(groups.values(), key=lambda group: sum(one.free_bytes for one in group))
    if not wish.is_spread or len(best) == 1:
        yield (max(best, key=lambda one: one.free_bytes),)
    if len(best) > 1:
        yield tuple(best)


def usable(device: Device, machine: Machine, wish: Wish) -> int:
    """Tell the bytes of a GPU that a model may take."""
    is_metal = device.backend in ("Metal", "MTL")
    margin = METAL_MARGIN_BYTES if is_metal else GPU_MARGIN_BYTES
    room = device.free_bytes - margin - wish.gpu_overhead_bytes
    if device.is_unified:
        room = min(room, machine.host.free_bytes - host_margin(machine.host.total_bytes))
    return max(0, room)


def deal(costs: Sequence[int], rooms: Sequence[int], *, is_checked: bool) -> list[int] | None:
    """Deal layers, in order, to devices in proportion to their room.

    Args:
        is_checked: False deals also what does not fit.
    Returns:
        layers by device; None if they do not fit, neither in proportion nor filled one by one.
    """
    total, room = sum(costs), max(1, sum(max(0, one) for one in rooms))
    ends = [one / room for one in accumulate(max(0, one) for one in rooms)]
    middles = [(sum(costs[:at]) + cost / 2) / max(1, total) for at, cost in enumerate(costs)]
    owners = [min(bisect_right(ends, one), len(rooms) - 1) for one in middles]
    counts = [owners.count(device) for device in range(len(rooms))]
    if not is_checked or _fits(costs, counts, rooms):
        return counts
    counts = [0] * len(rooms)
    device = left = 0
    for at, cost in enumerate(costs):
        left = rooms[device] if at == 0 else left
        while cost > left:
            device += 1
            if device == len(rooms):
                return None
            left = rooms[device]
        counts[device] += 1
        left -= cost
    return counts


def _fits(costs: Sequence[int], counts: Sequence[int], rooms: Sequence[int]) -> bool:
    ends = list(accumulate(counts))
    held = [sum(costs[end - count : end]) for end, count in zip(ends, counts, strict=True)]
    return all(one <= room for one, room in zip(held, rooms, strict=True))
