"""English clauses of answer and evidence → the word left out that turns the meaning; pure.

"The mayor opposed building the tunnel" holds every word of "the mayor was building the tunnel", and
"the king's brother was killed" those of "the king was killed". So what a sentence leaves out of its
evidence counts as much as what it takes over: who only wished, nearly did, was of lower rank, came
from there and not to there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a clause in its place."""

    written: str  # as it stands; a quantity as its mask
    forms: tuple[str, ...]  # its common form; several for a compound, none for what carries nothing

    @property
    def folded(self) -> str:
        """The word in lower case."""
        return self.written.casefold()

    @property
    def carries(self) -> bool:
        """Whether it carries meaning and is no number."""
        return bool(self.forms) and not self.is_quantity

    @property
    def is_quantity(self) -> bool:
        """Whether it stands for a number, a date or a time."""
        return "\ue000" <= self.written <= "\uf8ff"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What stands behind one of these in its clause did not happen by it, or only somebody says it did.
_BEFORE_ALL = _words(
    """
    stop stops stopped cease ceases ceased avoid avoids avoided oppose opposes opposed reject
    rejects rejected abandon abandons abandoned prevent prevents prevented decline declines declined
    cancel cancels cancelled canceled threaten threatens threatened promise promises promised try
    tries tried attempt attempts attempted attempting trying seek seeks sought hope hopes hoped want
    wants wanted wish wishes wished offer offers offered propose proposes proposed consider
    considers considered deny denies denied doubt doubts doubted fear fears feared warn warns warned
    predict predicts predicted pretend pretends pretended said says claim claims claimed argue
    argues argued
    suspect suspects suspected allege alleges alleged suggest suggests suggested urge urges urged
    demand demands demanded ask asks asked request requested recommend recommends recommended plan
    plans proposal proposals bid bids effort efforts application ruling allegation allegations
    accusation accusations intention overturned annulled reversed lifted repealed revoked overruled
    postponed suspended blocked halted delayed accused acquitted charged
    """
)
# What stands anywhere beside one of these is not so.
_BESIDE = _words(
    """
    myth hoax rumour rumor misconception false falsely untrue mistaken mistakenly erroneous
    erroneously wrongly incorrect incorrectly fictional hypothetical hypothetically being
    """
)
# These change the next word only.
_BEFORE_NEXT = _words(
    """
    former vice deputy acting assistant fake so-called would-be ex half semi quarter non anti pseudo
    quasi honorary step nearly almost virtually against despite unlike alleged supposed planned
    proposed attempted failed potential future self-styled self-proclaimed
    adoptive foster youth junior amateur mock under
    """
)
_CONTRASTS = frozenset(
    (
        *(("instead", "of"), ("rather", "than"), ("other", "than"), ("opposed", "to")),
        *(("but", "in"), ("but", "at"), ("but", "on"), ("but", "for")),
    )
)
# "Began to rise" is "rose"; "decided to rise" is not.
_DONE = _words(
    """
    began begun begins start started starts continue continued continues manage managed manages came
    comes come help helped helps used went go goes serve served serves able known grew led
    """
)
_ORDINALS = _words("second third fourth fifth sixth seventh eighth ninth tenth")
_IRREGULAR = _words(
    """
    bit shot made built held took gave led won lost ran wrote hit met found left sold bought sent
    brought caught taught fought drove broke spoke stole struck wore threw drew grew knew saw came
    went stood fell flew began became rose sank cut put set
    """
)
_COMPASS = _words("north south east west northern southern eastern western new upper lower")
_PARTS = _words(
    """
    city town village island river state kingdom republic province district county month year group
    number majority lot series set kind type sort one all most many some both each couple team name
    title post rank role office use capital
    """
)
_FROM, _TO = _words("from"), _words("to into toward towards onto")
_PREPOSITIONS = (
    _FROM
    | _TO
    | _words(
        "by in on at with of for as under over about around near behind beside before after"
        " against opposite"
    )
)
_RELATIVE = _words("who whom which that")
_PREDICATES = _words("is are was were has have had did does do will would may can must")
_POSSESSIVE = re.compile(r"\w(?:['\u2019]s|s['\u2019])$")


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two clauses, read once."""

    told: Sequence[Word]
    given: Sequence[Word]
    said: frozenset[str]  # words of the answer as written
    used: Sequence[bool]  # by word of the evidence: the answer takes it over

    def word(self, at: int) -> str:
        """Give a word of the evidence; empty behind its end."""
        return self.given[at].folded if 0 <= at < len(self.given) else ""

    def is_dropped(self, at: int) -> bool:
        """Whether the answer leaves a word out."""
        return not self.used[at] and self.given[at].folded not in self.said

    def is_used(self, at: int) -> bool:
        """Whether there is such a word and the answer takes it over."""
        return 0 <= at < len(self.given) and self.used[at]

    def after(self, at: int, n: int = 1) -> list[int]:
        """Find the next words that carry meaning."""
        return [one for one in range(at + 1, len(self.given)) if self.given[one].carries][:n]

    def before(self, at: int) -> int | None:
        """Find the word before that carries meaning."""
        return next((one for one in range(at - 1, -1, -1) if self.given[one].carries), None)

    def is_subject(self, word: Word) -> bool:
        """Whether the answer tells it of this word, with no preposition and no owner's s."""
        for at, one in enumerate(self.told):
            near = {other.folded for other in self.told[max(0, at - 3) : at]}
            is_same = one.forms == word.forms and not _POSSESSIVE.search(one.written)
            if is_same and not near & _PREPOSITIONS:
                return True
        return False


def left_out_english(told: Sequence[Word], given: Sequence[Word], kept: frozenset[str]) -> str:
    """Name the word of the evidence that was left out and turns the meaning; empty if none was.

    Args:
        kept: the forms of the answer's words, with what it is about.
    """
    used = [one.carries and kept.issuperset(one.forms) for one in given]
    pair = _Pair(told, given, frozenset(one.folded for one in told), used)
    found = (rule(pair, at) for at in range(len(given)) for rule in _RULES)
    return next((one for one in found if one), "") or _exchanged(told, given)


def _unreal(pair: _Pair, at: int) -> str:
    """They opposed, denied, tried, asked for it: it did not happen by that."""
    two = pair.word(at), pair.word(at + 1)
    is_found = two[0] in _BEFORE_ALL or two == ("about", "to")
    is_found = is_found and pair.is_dropped(at) and any(pair.used[at + 1 :])
    return pair.given[at].written if is_found else ""


def _untrue(pair: _Pair, at: int) -> str:
    """It is a myth that it happened."""
    is_found = pair.word(at) in _BESIDE and pair.is_dropped(at) and any(pair.used)
    return pair.given[at].written if is_found else ""


def _lower(pair: _Pair, at: int) -> str:
    """The former mayor, nearly drowned, the second largest."""
    is_found = pair.word(at) in _BEFORE_NEXT or (
        pair.word(at) == "second" and pair.word(at + 1).endswith("est")
    )
    is_found = is_found and pair.is_dropped(at) and any(pair.used[one] for one in pair.after(at))
    return pair.given[at].written if is_found else ""


def _compound(pair: _Pair, at: int) -> str:
    """The half-brother, the non-members, the second-deepest."""
    first, dash, _ = pair.word(at).partition("-")
    is_found = dash and not pair.used[at] and first in _BEFORE_NEXT | _ORDINALS
    is_last_used = pair.given[at].forms and _is_told(pair.told, pair.given[at].forms[-1])
    return pair.given[at].written if is_found and is_last_used else ""


def _is_told(told: Sequence[Word], form: str) -> bool:
    return any(form in one.forms for one in told)


def _infinitive(pair: _Pair, at: int) -> str:
    """Decided to cut is not cut; began to cut is."""
    if pair.word(at) != "to" or not at or not pair.is_used(at + 1):
        return ""
    before, verb = pair.given[at - 1], pair.given[at + 1]
    is_said_so = any(
        one.forms == verb.forms and place and pair.told[place - 1].folded == "to"
        for place, one in enumerate(pair.told)
    )
    is_found = verb.written.islower() and before.carries and not pair.used[at - 1]
    return before.written if is_found and before.folded not in _DONE and not is_said_so else ""


def _compass(pair: _Pair, at: int) -> str:
    """Northern Ireland is not Ireland."""
    is_found = pair.word(at) in _COMPASS and pair.is_dropped(at) and pair.is_used(at + 1)
    is_name = is_found and all(one.written[:1].isupper() for one in pair.given[at : at + 2])
    return pair.given[at].written if is_name else ""


def _contrast(pair: _Pair, at: int) -> str:
    """Chemistry instead of physics is not physics."""
    two = pair.word(at), pair.word(at + 1)
    if two not in _CONTRASTS or two[0] in pair.said:
        return ""
    last = at + 1 if pair.given[at + 1].carries else at
    return " ".join(two) if any(pair.used[one] for one in pair.after(last, 2)) else ""


def _either(pair: _Pair, at: int) -> str:
    """Smith or Jones is not Smith."""
    if pair.word(at) != "or" or "or" in pair.said:
        return ""
    before = pair.before(at)
    left = before is not None and pair.used[before]
    return "or" if [left] != [pair.used[one] for one in pair.after(at)] else ""


def _respectively(pair: _Pair, at: int) -> str:
    """Each has another number."""
    return "respectively" if pair.word(at) == "respectively" and pair.is_dropped(at) else ""


def _attached(pair: _Pair, at: int) -> str:
    """The mother of Tesla is not Tesla, the street behind the bank not the bank."""
    owned = pair.before(at)
    owner = next(iter(pair.after(at)), None)
    if pair.word(at) not in _PREPOSITIONS or owner is None or owned != at - 1:
        return ""
    is_found = not pair.used[owned] and pair.used[owner] and pair.word(owned) not in _PARTS
    return pair.given[owned].written if is_found and pair.is_subject(pair.given[owner]) else ""


def _owned(pair: _Pair, at: int) -> str:
    """The king's brother is not the king."""
    owned = next(iter(pair.after(at)), None)
    if owned is None or not pair.used[at] or not _POSSESSIVE.search(pair.word(at)):
        return ""
    is_end = not pair.is_used(owned + 1) or _begins_predicate(pair.word(owned + 1))
    is_found = not pair.used[owned] and is_end and pair.is_subject(pair.given[at])
    return pair.given[owned].written if is_found else ""


def _related(pair: _Pair, at: int) -> str:
    """The man who shot the president is not the president."""
    is_found = pair.word(at) in _RELATIVE and at and pair.given[at - 1].carries
    if not is_found or pair.used[at - 1]:
        return ""
    after = pair.word(at + 1)
    if pair.word(at) == "that" and after not in _IRREGULAR and not _begins_predicate(after):
        return ""
    first = next((one for one in pair.told if one.forms), None)
    is_told_of = first is not None and any(
        pair.used[one] and pair.given[one].forms == first.forms
        for one in range(at + 1, len(pair.given))
    )
    return pair.given[at - 1].written if is_told_of else ""


_RULES: tuple[Callable[[_Pair, int], str], ...] = (
    *(_unreal, _untrue, _lower, _compound, _infinitive, _compass, _contrast, _either),
    *(_respectively, _attached, _owned, _related),
)


def _begins_predicate(word: str) -> bool:
    return word in _PREDICATES or (word.endswith("ed") and len(word) > 3)


def _exchanged(told: Sequence[Word], given: Sequence[Word]) -> str:
    """Name a preposition that was exchanged: from there and to there."""
    for at, word in enumerate(told):
        mine = _role(told, at) if word.carries else ""
        roles = [_role(given, one) for one, other in enumerate(given) if other.forms == word.forms]
        if mine and roles and all(one and one != mine for one in roles):
            return roles[0]
    return ""


def _role(words: Sequence[Word], at: int) -> str:
    for place in range(at - 1, max(-1, at - 4), -1):
        word = words[place].folded
        if word in _FROM or (word == "of" and place and words[place - 1].folded == "out"):
            return "from"
        if word in _TO:
            return "to"
        if word in _PREPOSITIONS or word in (",", "and", "or") or words[place].is_quantity:
            return ""
    return ""
