"""A prompt and what the slots hold in, where it is computed and what it reuses out; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Fewer tokens than these are not worth a copy, nor a place in memory. On two busy cores 1,500
# tokens of a 135M model took 30 to 80 ms to write down and read back, and 20 to 35 s to compute.
MIN_GAIN = 32
MIN_KEPT = 64
_PICTURE_TOKENS = 256  # its encoder takes longer than its few positions
_MAX_COPIED = 8  # a copy moves the whole source: at most so many times what is gained by it


@dataclass(frozen=True, slots=True)
class Place:
    """What one slot holds."""

    slot: int
    cached: Sequence[int]  # what another request may take over
    last_used: int = 0  # step
    is_free: bool = True
    coming: Sequence[int] = ()  # the whole prompt that it computes right now, if it does


@dataclass(frozen=True, slots=True)
class Seat:
    """Which slot a request takes and where the beginning of its prompt comes from."""

    slot: int
    n_reused: int  # tokens
    source: int | None = None  # slot that is copied from; None = the slot's own content serves
    saved: int | None = None  # the same as an index of the saved prefixes
    follows: int | None = None  # slot that is computing this prompt's beginning: wait for it


def choose_seat(
    prompt: Sequence[int],
    places: Sequence[Place],
    saved: Sequence[Sequence[int]] = (),
    *,
    is_whole_only: bool = False,
    n_window: int = 0,
) -> Seat | None:
    """Start from the longest beginning that is held anywhere, and overwrite what is worth least.

    At least the last token of the prompt is computed again, since its scores are needed.

    Args:
        saved: tokens of the prefixes in host memory.
        is_whole_only: what is held can be taken over whole or not at all (recurrent memories).
        n_window: positions that a sliding window sees; 0 = there is none. A copy holds no more of
            a longer sequence, so that is taken over whole or not at all.
    Returns:
        None if no slot is free.
    """

    def copied(held: Sequence[int]) -> int:
        return usable(prompt, held, is_whole_only=is_whole_only or 0 < n_window < len(held))

    shared = {one.slot: usable(prompt, one.cached, is_whole_only=is_whole_only) for one in places}
    slot = _choose_slot(prompt, [one for one in places if one.is_free], shared)
    if slot is None:
        return None
    own = Seat(slot, shared[slot])
    choices = [
        (Seat(slot, copied(one.cached), source=one.slot), len(one.cached))
        for one in places
        if one.slot != slot
    ]
    choices += [(Seat(slot, copied(one), saved=at), len(one)) for at, one in enumerate(saved)]
    paying = []
    for seat, n_copied in choices:
        n_gained = _gain(prompt, own.n_reused, seat.n_reused)
        if n_gained >= MIN_GAIN and n_copied <= _MAX_COPIED * n_gained:
            paying.append(seat)
    best = max(paying, key=lambda seat: seat.n_reused, default=own)
    if is_whole_only:
        return best
    soon = [(copied(one.coming), one) for one in places if one.coming and one.slot != slot]
    return _following(prompt, soon, best) or best


def _following(prompt: Sequence[int], soon: Sequence[tuple[int, Place]], best: Seat) -> Seat | None:
    """Wait for a slot that computes more of this prompt's beginning than is held anywhere.

    Not for one that has got so far: what it holds was worth no copy, and grows less so.
    """
    ahead = [(n_soon, one.slot) for n_soon, one in soon if n_soon > len(one.cached)]
    n_soon, slot = max(ahead, default=(0, -1))
    n_gained = _gain(prompt, best.n_reused, n_soon)
    if n_gained < MIN_KEPT or n_soon > _MAX_COPIED * n_gained:
        return None
    return Seat(best.slot, n_soon, follows=slot)


def usable(prompt: Sequence[int], held: Sequence[int], *, is_whole_only: bool = False) -> int:
    """Count the tokens of a prompt that need not be computed where `held` is."""
    n_shared = min(common_prefix(prompt, held), len(prompt) - 1)
    return 0 if is_whole_only and n_shared < len(held) else max(0, n_shared)


def is_worth_keeping(n_held: int, n_shared: int) -> bool:
    """Whether what a slot loses to a request is saved: most of it, and not little.

    Source: llama.cpp, tools/server/server-context.cpp (`get_available_slot`).
    """
    n_lost = n_held - n_shared
    return n_lost >= MIN_KEPT and n_lost > n_shared


def _gain(prompt: Sequence[int], begin: int, end: int) -> int:
    """Count the tokens that need not be computed; a picture is worth a long text."""
    has_media = any(one < 0 for one in prompt[begin:end])
    return max(0, end - begin) + _PICTURE_TOKENS * has_media


def _choose_slot(
    prompt: Sequence[int], free: Sequence[Place], shared: dict[int, int]
) -> int | None:
    """Take the free slot that this prompt continues, else an empty one, else the longest unused."""
    continued = [one for one in free if _continues(len(prompt), len(one.cached), shared[one.slot])]
    if continued:
        return max(continued, key=lambda one: (shared[one.slot], one.last_used, -one.slot)).slot
    # Neighbours are computed together, so the lowest numbers go first: llama.cpp splits a step
    # where the numbers have a gap (src/llama-batch.cpp, `split_equal`).
    oldest = min(free, key=lambda one: (bool(one.cached), one.last_used, one.slot), default=None)
    return oldest.slot if oldest else None


def _continues(n_prompt: int, n_cached: int, n_shared: int) -> bool:
    # Less than half is no more than a system prompt in common with another conversation; and one
    # that would lose much is copied instead, so that both can go on.
    is_same = n_shared > 0 and 2 * n_shared >= min(n_prompt, n_cached)
    return is_same and n_cached - n_shared <= max(MIN_KEPT, n_shared // 4)


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Count the tokens that two sequences share from their beginning."""
    least, most = 0, min(len(left), len(right))
    if list(left[:most]) == list(right[:most]):
        return most
    while least + 1 < most:  # slices are compared fast: the first `least` are equal, `most` not
        middle = (least + most) // 2
        if list(left[least:middle]) == list(right[least:middle]):
            least = middle
        else:
            most = middle
    return least
