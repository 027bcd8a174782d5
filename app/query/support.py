"""A clause of an answer + a sentence of a passage → whether the one bears out the other; pure.

Borne out is a clause whose every word, in the same order, stands in one clause of the evidence
(or in what that clause is about), with the same quantities, the same denial and the same limits.
Whatever differs is named, and nothing is made up for by other words that agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.query.amounts import torn
from app.query.claims import Claim, Clause, is_mask, placed
from app.query.quantities import MASK, Quantity, held_by, missing
from app.query.turns_en import left_out_english
from app.query.turns_zh import left_out_chinese
from app.query.words import is_cjk

Fault = Literal[
    "", "number", "date", "name", "opposite", "limit", "order", "word", "question", "left_out"
]

PARTLY = 0.5  # share of a clause's words that must stand in the evidence for a part of it to hold
_GRAVE: frozenset[Fault] = frozenset({"number", "date", "name", "opposite", "question"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one clause stands to one sentence of a passage."""

    fault: Fault  # the gravest; empty: borne out
    about: str = ""  # the number, name or word that the fault is about
    share: float = 1.0  # of the words that the evidence holds

    @property
    def is_borne_out(self) -> bool:
        """Whether the evidence says all of it."""
        return not self.fault

    @property
    def is_near(self) -> bool:
        """Whether the evidence says a good part of it and nothing against it."""
        return not self.fault or (self.fault not in _GRAVE and self.share >= PARTLY)

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Order verdicts, the best highest."""
        return self.is_borne_out, self.is_near, self.share


def weigh(told: Clause, given: Claim, lent: Sequence[tuple[str, ...]]) -> Verdict:
    """Judge a clause by the clause of the evidence that holds it best.

    Args:
        lent: what the evidence is about by its place: the subject of the sentence before it when
            it begins with a pronoun, the document's title, its headings.
    """
    verdicts = []
    for at, clause in enumerate(given.clauses):
        topics = tuple(lent)
        if at and given.head:
            # A later clause is about the subject of the first, whatever the document is about.
            topics = (given.head, *lent) if clause.has_pronoun else (given.head,)
        verdicts.append(_weigh(told, clause, given, topics))
    return max(verdicts, key=lambda one: one.rank, default=Verdict("word", "", 0.0))


def _weigh(told: Clause, clause: Clause, given: Claim, lent: Sequence[tuple[str, ...]]) -> Verdict:
    wanted = [one for one in told.tokens if not is_mask(one)]
    around = {one for head in lent for one in head}
    held = set(clause.tokens) | around
    absent = [one for one in wanted if one not in held]
    share = 1 - len(absent) / len(wanted) if wanted else 1.0
    lost = missing(told.mentioned, (*clause.mentioned, *given.fronted))
    if lost:
        return Verdict("date" if lost[0].kind == "date" else "number", lost[0].text, share)
    if names := [one for one in absent if one in told.names]:
        return Verdict("name", _written(told, names[0]), share)
    if absent:
        return Verdict("word", _written(told, absent[0]), share)
    if told.polarity.is_negated != clause.polarity.is_negated:
        return Verdict("opposite", "", share)
    if told.polarity.differing(clause.polarity):
        return Verdict("limit", "", share)
    if not _in_order(told, clause, lent):
        return Verdict("order", "", share)
    if dropped := _left_out(told, clause):
        return Verdict("left_out", dropped, share)
    return Verdict("", "", share)


def _left_out(told: Clause, clause: Clause) -> str:
    """Name what stands in the evidence, not in the answer, and makes another statement of it."""
    if fellow := torn(told.text, clause.text, told.quantities, clause.quantities):
        return fellow.text.strip()
    if any(is_cjk(one) for one in clause.tokens):
        return left_out_chinese(told.text, clause.text)
    return left_out_english(placed(told), placed(clause), frozenset(told.tokens))


def _in_order(told: Clause, clause: Clause, lent: Sequence[tuple[str, ...]]) -> bool:
    one_date = sum(one.kind in ("date", "time") for one in clause.mentioned) < 2
    wanted = _ordered(told, is_free=one_date)
    given = _ordered(clause, is_free=one_date)
    if _is_within(wanted, given):
        return True
    if clause.opening and clause.opening not in told.tokens:
        return False  # the clause has a subject of its own: it is not about what is lent
    for head in lent:
        wanted = _without(wanted, head)
        if wanted and _is_within(wanted, given):
            return True
    return False


def _ordered(clause: Clause, *, is_free: bool) -> list[str | Quantity]:
    """List words and quantities in order; a date that stands alone may stand anywhere."""
    found: list[str | Quantity] = []
    for token in clause.tokens:
        if not is_mask(token):
            found.append(token)
            continue
        quantity = clause.quantities[ord(token) - MASK]
        if not (is_free and quantity.kind in ("date", "time")):
            found.append(quantity)
    return found


def _is_within(wanted: Sequence[str | Quantity], given: Sequence[str | Quantity]) -> bool:
    """Tell whether one list is the other with some of its members left out."""
    rest = iter(given)
    return all(any(_same(one, other) for other in rest) for one in wanted)


def _same(one: str | Quantity, other: str | Quantity) -> bool:
    if isinstance(one, Quantity):
        return isinstance(other, Quantity) and held_by(one, other)
    return one == other


def _without(wanted: list[str | Quantity], head: Sequence[str]) -> list[str | Quantity]:
    """Take out the longest run of words that a subject has too: one word, or two characters."""
    best, at_best, begin_best = 0, 0, 0
    for at in range(len(wanted)):
        for begin in range(len(head)):
            n = 0
            while (
                at + n < len(wanted) and begin + n < len(head) and wanted[at + n] == head[begin + n]
            ):
                n += 1
            if n > best:
                best, at_best, begin_best = n, at, begin
    is_short = best < min(2, len(head)) and not head[0].isascii()
    if not best or (is_short and (at_best or begin_best)):
        return wanted  # one character in common is chance, unless both begin with it
    return wanted[:at_best] + wanted[at_best + best :]


def _written(clause: Clause, token: str) -> str:
    """Give a word as it was written; of Chinese, the run of characters around it."""
    if not token.isascii() and len(token) == 1:
        at = clause.tokens.index(token)
        return "".join(one for one in clause.tokens[max(0, at - 1) : at + 2] if not is_mask(one))
    return dict(clause.words).get(token, token)
