"""Streaming slots in, the same with tokens to try ahead out; learns from how they fare."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.errors import EngineError
from engine.runtime.draft import DraftModel
from engine.runtime.media import as_prompt
from engine.runtime.ngrams import Match, Ngrams
from engine.runtime.slots import Generation, Slot
from engine.runtime.speculation import (
    MODEL,
    Guess,
    Outcomes,
    Speculation,
    class_of,
    longest_draft,
)

_log = logging.getLogger(__name__)

_SURE_ALIKE = 9  # a match so long is better than what a draft model writes, and costs nothing


@dataclass(slots=True)
class Ahead:
    """What is known of one request for trying tokens ahead."""

    work: Generation
    ngrams: Ngrams
    outcomes: Outcomes = field(default_factory=Outcomes)
    kind: int = MODEL  # of the draft under way
    match: Match | None = None


class Drafting:
    """Tokens tried ahead of the answers of one context."""

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        n_ctx: int,
        is_on: bool,
        draft_model: DraftModel | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin without knowing what a step costs.

        Args:
            n_ctx: tokens of one request.
            is_on: whether to try at all; the context must be able to drop what was in vain.
            clock: the one that steps are measured with.
        """
        self._slots, self._n_ctx, self._model = slots, n_ctx, draft_model
        self._clock = clock
        self.is_on = is_on
        self.speculation = Speculation()
        self._ahead: dict[int, Ahead] = {}
        self._draft_s = 0.0  # what the draft model took for this step
        self._token_s = 0.0  # what it takes for a token; 0 = not known yet

    def propose(self, room: int) -> None:
        """Append drafts to the pending tokens of slots that stream, where it pays.

        Args:
            room: tokens of a step.
        """
        self._draft_s = 0.0
        streaming = [one for one in self._slots if one.work is not None and one.work.generated]
        if not self.is_on or not streaming:
            return
        guesses = [one for slot in streaming if (one := self._guess(slot)) is not None]
        if not guesses:
            return
        lengths = self.speculation.lengths(guesses, len(streaming), room)
        by_model = {slot: n for slot, n in lengths.items() if self._ahead[slot].kind == MODEL}
        drafts = self._by_model(by_model)
        for number, length in lengths.items():
            slot, ahead = self._slots[number], self._ahead[number]
            if ahead.match is not None:
                drafts[number] = ahead.ngrams.draft(ahead.match, length)
            slot.draft(drafts.get(number, []))

    def note(self, slot: int, n_drafted: int, n_accepted: int) -> None:
        """Remember how many of a slot's drafted tokens were right."""
        ahead = self._ahead[slot]
        self.speculation.note_draft(ahead.outcomes, ahead.kind, n_drafted, n_accepted)

    def note_step(self, lengths: Sequence[int], n_tokens: int, seconds: float) -> None:
        """Remember a step that computed answers only.

        Args:
            lengths: rows of each.
            n_tokens: how many of them became part of an answer.
        """
        self.speculation.note_step(lengths, n_tokens, seconds, self._draft_s)

    def _guess(self, slot: Slot) -> Guess | None:
        """Tell what could be tried ahead of one answer; None if nothing."""
        work = slot.work
        assert work is not None
        n_most = longest_draft(
            work.options.draft_num,
            n_limit_left=work.n_limit - len(work.generated),
            n_cells_free=self._n_ctx - 2 - slot.n_cells,
        )
        if n_most <= 0 or len(slot.pending) != 1 or slot.media:
            return None
        ahead = self._known(slot.number, work)
        ahead.match = ahead.ngrams.match()
        n_alike = ahead.match.n_alike if ahead.match is not None else 0
        if self._model is not None and n_alike < _SURE_ALIKE and not slot.has_media:
            ahead.kind, ahead.match = MODEL, None
            token_s = self._token_s
        elif ahead.match is None:
            return None
        else:
            ahead.kind, token_s = class_of(n_alike), 0.0
        chance = self.speculation.chance(ahead.outcomes, ahead.kind)
        return Guess(slot.number, n_most, chance, token_s)

    def _known(self, number: int, work: Generation) -> Ahead:
        ahead = self._ahead.get(number)
        if ahead is None or ahead.work is not work:
            ahead = self._ahead[number] = Ahead(work, Ngrams(as_prompt(work.prompt).tokens))
        n_seen = len(ahead.ngrams) - len(as_prompt(work.prompt).tokens)
        ahead.ngrams.extend(work.generated[n_seen:])
        return ahead

    def _by_model(self, lengths: dict[int, int]) -> dict[int, list[int]]:
        """Let the draft model write; where it fails it is not asked again."""
        if self._model is None or not lengths:
            return {}
        wanted, began_s = {}, 0.0
        try:
            for number, length in lengths.items():
                tokens = [*self._slots[number].cached, *self._slots[number].pending]
                if self._model.catch_up(number, tokens):
                    wanted[number] = (tokens, length)
            began_s = self._clock()
            drafts = self._model.draft(wanted)
        except EngineError as error:
            _log.warning("draft model given up error=%s", error)
            self._model = None
            return {}
        n_written = max((len(one) for one in drafts.values()), default=0)
        if n_written:
            self._draft_s = self._clock() - began_s
            token_s = self._draft_s / n_written
            self._token_s = 0.8 * (self._token_s or token_s) + 0.2 * token_s
        return drafts
