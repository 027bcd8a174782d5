"""What drafts were worth so far in, how many tokens are tried ahead out; pure, no clock in here."""

from __future__ import annotations

import bisect
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MAX_DRAFT = 16  # tokens tried ahead of one answer in a step
_LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, MAX_DRAFT)  # among which is chosen
MAX_ROWS = 32  # rows of all answers in a step, drafts included
WORTH = 1.1  # the least that a draft must promise: tokens per time against a step without
EARNED = 0.01  # share of its time that a step without drafts pays for trying again
SAVED_MOST = 3.0  # losses that are borne at once, in steps without drafts
_START = 1.0
_TRIED = 2  # tokens of a draft that only shall show whether it pays by now
_PLAIN_BETWEEN = 16  # steps at least between two such drafts: without them no step is as before
_RESERVE = 0.7  # savings that such drafts leave to those that promise something
_LEAST_RISK = 0.25  # of a draft being wrong, whatever was seen
_N_MEDIAN = 9  # step times of a size that are remembered
_ROW_GUESS = 0.25  # what a further row is taken to cost where none was seen, in steps of one
_FORGET = 0.85  # what a draft's outcome still counts after the next one
_PRIOR_WEIGHT = 2.0  # tokens that others' outcomes count for
_COMMON_FORGET = 0.98
_EXACT_SIZES = 8  # steps of so many rows or fewer are told apart one by one
_SIZES = (12, 16, 24, 32, 48, 64, 96, 128, 256, 512)

MODEL = 0  # who drafted: a draft model; else the shortest match of a class, in tokens
_CLASSES = (2, 3, 5, 9)
# How often a drafted token is right, before anything was seen.
_FIRST_CHANCE = {MODEL: 0.6, 2: 0.3, 3: 0.5, 5: 0.7, 9: 0.9}


def class_of(n_alike: int) -> int:
    """Sort matches by length: the longer, the likelier they go on alike."""
    return max(one for one in _CLASSES if one <= max(n_alike, _CLASSES[0]))


class StepCosts:
    """How long steps take by their number of rows: running medians."""

    def __init__(self) -> None:
        self._seen: dict[int, deque[float]] = {}
        self._sizes: list[int] = []
        self._medians: dict[int, float] = {}

    def note(self, n_rows: int, seconds: float) -> None:
        """Remember one step."""
        size = _size(n_rows)
        if size not in self._seen:
            self._seen[size] = deque(maxlen=_N_MEDIAN)
            bisect.insort(self._sizes, size)
        self._seen[size].append(seconds)
        self._medians[size] = statistics.median(self._seen[size])

    def of(self, n_rows: int) -> float | None:
        """Tell the seconds of a step, between and beyond the sizes that were seen by a line.

        Returns:
            None if no step was seen at all.
        """
        if not self._sizes:
            return None
        size = _size(n_rows)
        if size in self._medians:
            return self._medians[size]
        at = bisect.bisect(self._sizes, size)
        if at == 0:
            first = self._sizes[0]
            return self._medians[first] * _guess(size) / _guess(first)
        low = self._sizes[at - 1]
        if at < len(self._sizes):
            high = self._sizes[at]
            slope = (self._medians[high] - self._medians[low]) / (high - low)
        elif at > 1:
            first = self._sizes[0]
            slope = max(0.0, (self._medians[low] - self._medians[first]) / (low - first))
        else:
            slope = self._medians[low] / _guess(low) * _ROW_GUESS
        return self._medians[low] + slope * (size - low)

    @property
    def reach(self) -> int:
        """Tell the rows that a step may have: twice those of the largest one that was seen."""
        return 2 * self._sizes[-1] if self._sizes else 0

    def of_step(self, lengths: Iterable[int]) -> float | None:
        """Tell the seconds of a step with so many rows of each sequence.

        llama.cpp computes together what is equally long: of 5, 1 and 1 rows first one of each, then
        the four that are left (src/llama-batch.cpp, `split_equal`).
        """
        total, done = 0.0, 0
        ordered = sorted(lengths)
        for at, length in enumerate(ordered):
            if length > done:
                part = self.of((len(ordered) - at) * (length - done))
                if part is None:
                    return None
                total, done = total + part, length
        return total


def _size(n_rows: int) -> int:
    if n_rows <= _EXACT_SIZES:
        return n_rows
    return next((size for size in _SIZES if n_rows <= size), n_rows)


def _guess(n_rows: int) -> float:
    return 1 + _ROW_GUESS * (n_rows - 1)


@dataclass(slots=True)
class Outcome:
    """How often drafted tokens of one class were right, later ones counting more."""

    n_right: float = 0.0
    n_wrong: float = 0.0

    def note(self, n_drafted: int, n_accepted: int, forget: float) -> None:
        """Add one draft: what stands behind the first wrong token says nothing."""
        self.n_right = self.n_right * forget + n_accepted
        self.n_wrong = self.n_wrong * forget + (n_accepted < n_drafted)

    def chance(self, prior: float) -> float:
        """Tell the probability that the next drafted token is right if those before it are."""
        n_seen = self.n_right + self.n_wrong
        return (self.n_right + _PRIOR_WEIGHT * prior) / (n_seen + _PRIOR_WEIGHT)


@dataclass(slots=True)
class Outcomes:
    """Outcomes by class."""

    by_class: dict[int, Outcome] = field(default_factory=dict)

    def note(self, kind: int, n_drafted: int, n_accepted: int, forget: float = _FORGET) -> None:
        """Add one draft."""
        self.by_class.setdefault(kind, Outcome()).note(n_drafted, n_accepted, forget)

    def chance(self, kind: int, prior: float) -> float:
        """Tell the probability of a class; `prior` where nothing was seen."""
        found = self.by_class.get(kind)
        return found.chance(prior) if found is not None else prior


@dataclass(frozen=True, slots=True)
class Guess:
    """What could be tried ahead of one answer."""

    slot: int
    n_most: int  # tokens that there are, or may be
    chance: float  # that one is right if those before it are
    token_s: float = 0.0  # what drafting one costs


class Speculation:
    """What one model's drafts cost and bring, over all its answers.

    Whatever the text, drafts lose little in all: what they lose is taken from savings, which grow
    by what they gain, up to `SAVED_MOST` steps, and by `EARNED` of every step without them; and
    only what the savings cover is risked.
    """

    def __init__(self) -> None:
        self.costs = StepCosts()
        self.common = Outcomes()  # of all answers: what a new one starts from
        self.saved = _START  # in steps without drafts
        self._n_since = 0  # steps since the last draft that promised nothing

    def chance(self, own: Outcomes, kind: int) -> float:
        """Tell the probability that a drafted token is right.

        The bad luck of other answers warns a new one; their good luck promises it nothing, for they
        may have quoted where this one does not.
        """
        first = _FIRST_CHANCE[kind]
        return own.chance(kind, min(first, self.common.chance(kind, first)))

    def note_draft(self, own: Outcomes, kind: int, n_drafted: int, n_accepted: int) -> None:
        """Remember how a draft fared."""
        own.note(kind, n_drafted, n_accepted)
        self.common.note(kind, n_drafted, n_accepted, _COMMON_FORGET)

    def note_step(
        self, lengths: Sequence[int], n_tokens: int, seconds: float, draft_s: float = 0.0
    ) -> None:
        """Remember a step of answers alone.

        Args:
            lengths: rows of each answer.
            n_tokens: how many of them became part of an answer.
            draft_s: what the draft model took before it.
        """
        if len(set(lengths)) == 1:
            self.costs.note(sum(lengths), seconds)
        n_plain = len(lengths)
        plain_s, step_s = self.costs.of(n_plain), self.costs.of_step(lengths)
        self._n_since += 1
        if not plain_s or step_s is None:
            return
        step_s = max(step_s, plain_s)  # fewer rows never take longer; the measurement errs
        if sum(lengths) == n_plain:
            gain = EARNED
        else:
            gain = n_tokens / n_plain - (step_s + draft_s) / plain_s
        self.saved = min(SAVED_MOST, self.saved + gain)

    def lengths(self, guesses: Sequence[Guess], n_answers: int, room: int) -> dict[int, int]:
        """Choose how many tokens are tried ahead, by slot.

        Args:
            n_answers: all that stream, also those without a guess.
            room: rows of the step at most.
        """
        plain_s = self.costs.of(n_answers)
        if not plain_s:
            return {}
        room = min(room, MAX_ROWS, self.costs.reach)
        table = _Table(self.costs, n_answers, plain_s, room, self.saved)
        for guess in sorted(guesses, key=lambda one: -one.chance):
            table.add(guess)
        if not table.chosen and guesses and self._n_since >= _PLAIN_BETWEEN:
            table.try_one(max(guesses, key=lambda one: one.chance))
            self._n_since = 0 if table.chosen else self._n_since
        return table.chosen


class _Table:
    """The lengths chosen so far for one step."""

    def __init__(
        self, costs: StepCosts, n_answers: int, plain_s: float, room: int, saved: float
    ) -> None:
        self._costs, self._n_answers, self._plain_s = costs, n_answers, plain_s
        self._room, self._saved = room, saved
        self.chosen: dict[int, int] = {}
        self._expected, self._draft_s, self._best = float(n_answers), 0.0, n_answers / plain_s

    def add(self, guess: Guess) -> None:
        """Take the length at which the step brings most tokens a second, if that pays."""
        best, best_rate = 0, self._best * (1.0 if self.chosen else WORTH)
        for length in _LENGTHS[: bisect.bisect(_LENGTHS, self._n_most(guess))]:
            seconds = self._seconds(guess, length)
            risk = max(_LEAST_RISK, 1 - guess.chance)
            if risk * (seconds / self._plain_s - 1) > self._saved:
                continue  # a larger step may be cheaper: processors like whole tiles
            rate = (self._expected + expected(guess.chance, length)) / seconds
            if rate > best_rate:
                best, best_rate = length, rate
        if best:
            self._draft_s += best * guess.token_s
            self._expected += expected(guess.chance, best)
            self.chosen[guess.slot], self._best = best, best_rate

    def try_one(self, guess: Guess) -> None:
        """Try a short draft that promises nothing, if it can be afforded."""
        length = min(_TRIED, self._n_most(guess))
        if length > 0:
            loss = self._seconds(guess, length) / self._plain_s - 1
            if loss <= self._saved - _RESERVE:
                self.chosen[guess.slot] = length

    def _n_most(self, guess: Guess) -> int:
        taken = self._n_answers + sum(self.chosen.values())
        return min(guess.n_most, MAX_DRAFT, self._room - taken)

    def _seconds(self, guess: Guess, length: int) -> float:
        drafts = [*self.chosen.values(), length]
        rows = [1 + one for one in drafts] + [1] * (self._n_answers - len(drafts))
        step_s = max(self._costs.of_step(rows) or 0.0, self._plain_s)
        return step_s + self._draft_s + length * guess.token_s


def expected(chance: float, n_drafted: int) -> float:
    """Tell how many drafted tokens will be right, the first wrong one ending it.

    Source: Leviathan et al. 2023, arXiv:2211.17192, equation 1 (without the token that always
    comes).
    """
    return sum(chance**length for length in range(1, n_drafted + 1))


def longest_draft(wanted: int, *, n_limit_left: int, n_cells_free: int) -> int:
    """Tell how many tokens may be tried ahead at most.

    Args:
        wanted: the option draft_num; 0 = none, negative = the engine chooses.
        n_limit_left: tokens that the answer may still have.
        n_cells_free: cells of the context behind the next token; one stays free, so that a draft
            never meets the moment when the context shifts.
    """
    most = MAX_DRAFT if wanted < 0 else min(wanted, MAX_DRAFT)
    return max(0, min(most, n_limit_left - 1, n_cells_free - 1))
