"""A sentence → its clauses: ordered words, quantities, polarity, ready to compare; pure.

Two sentences that say the same in other forms become alike: the passive as the active, "Saturn's
moon" as "moon of Saturn", an adverbial in front as one behind, common synonyms as one word. Chinese
is compared character by character, without the particles.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from app.query.polarity import OF_SENTENCE, Mark, Polarity, apart
from app.query.quantities import MASK, Quantity, masked
from app.query.synonyms import PARTICIPLES, one_wording, same_word
from app.query.turns_en import Word
from app.query.words import CJK, STOP_EN

MAX_HEAD = 6  # words, or characters of Chinese, that name what a sentence is about
MAX_ADVERBIAL = 5  # words of "In the spring of 2019,"
MIN_WEIGHT = 2  # a piece that holds less belongs to the piece before it

_TOKEN = re.compile(
    rf"[\ue000-\uf8ff]|[{CJK}]"
    rf"|[^\W_{CJK}\ue000-\uf8ff]+(?:['\u2019.\-/&][^\W_{CJK}\ue000-\uf8ff]+)*|[,()]"
)
_BREAK = re.compile(
    r"\s?[,;\uff0c\uff1b\u3002\uff01]\s*|\s(?:and|but|while|whereas|which|who)\s|\u5e76\u4e14"
    r"|\u800c\u4e14|\u4f46\u662f?|(?<![\u56e0\u4ece\u53cd\u7136])\u800c"
)
_FRONTED = re.compile(
    r"^\s*((?:In|On|At|During|Since|Until|By|After|Before|Within|For|From|As "
    r"of)\b[^,]{1,60}),\s*(\S.*?)([.!]*)\s*$",
    re.DOTALL,
)
_RELATIONS = frozenset(
    re.findall(
        r"\w+",
        """
        above after before below between against down fewer first further last least
        less more most off over since under  until up without same each
        """,
    )
)
_CONNECTIVES = frozenset(
    re.findall(
        r"\w+",
        """
        additionally also finally furthermore however moreover overall similarly
        specifically therefore thus yes
        """,
    )
)
_STOP = (STOP_EN - _RELATIONS) | _CONNECTIVES | {"there"}
_AUXILIARIES = frozenset(
    re.findall(
        r"\w+",
        """
        is are was were be been being has have had do does did lies lay takes gets costs
        lives runs says means
        """,
    )
)
_BE = frozenset(("is", "are", "was", "were", "be", "been", "being"))
_PREPOSITIONS = frozenset(
    re.findall(
        r"\w+",
        """
        in on at by for from to with between into during under over after before as
        since until
        """,
    )
)
_PRONOUN_EN = re.compile(
    r"\W*(?:it|he|she|they|its|his|her|their|this|these|those|both)\b", re.IGNORECASE
)
_OWN_SUBJECT = re.compile(
    r"\W*(?:[A-Z]|(?:the|a|an|it|he|she|they|its|his|her|their|this|these)\b)"
)
_PRONOUN_INSIDE = re.compile(r"\b(?:it|him|her|them|its|his|their)\b|[它他她其该此]", re.IGNORECASE)
# Her daughter Irene is somebody else than she.
_OWNED = re.compile(
    r"^\W*(?:its|his|her|their)\s+(?=(?:[a-z]+\s+){1,3}(?-i:[A-Z]))|^\W*[它他她其](?:们)?的",
    re.IGNORECASE,
)
_PASSIVE_ZH = re.compile(r"(?<![理自经缘])由(?![于来此])|被(?!子)")
_PARTICLES = frozenset(
    "的了着过地得于在是有为被把由与和及并且而但也还就则即其它他她们此该这那之所已曾都均个名位将至到"
)
_HEAD_END_ZH = re.compile(r"[\ue000-\uf8ff在于由与和是有为被把将的历负生死发享]|$")
_CJK_ONE = re.compile(rf"[{CJK}]")


@dataclass(frozen=True, slots=True)
class Clause:
    """One statement."""

    tokens: tuple[str, ...]  # content words in order; quantities as their masks
    quantities: tuple[Quantity, ...]  # by mask
    polarity: Polarity
    names: frozenset[str]
    opening: str  # the first content word as written, before anything was moved
    has_own_subject: bool
    has_pronoun: bool
    words: tuple[tuple[str, str], ...]  # token → as written, to say what is missing
    text: str  # as it stands, but for its quantities, which are masks

    @property
    def mentioned(self) -> tuple[Quantity, ...]:
        """The quantities that stand in this clause."""
        return tuple(self.quantities[ord(one) - MASK] for one in self.tokens if is_mask(one))


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence in clauses."""

    clauses: tuple[Clause, ...]
    head: tuple[str, ...]  # what it is about; empty if a pronoun says so
    has_pronoun: bool
    is_cjk: bool
    fronted: tuple[Quantity, ...]  # dates in front hold for every clause


def is_mask(token: str) -> bool:
    """Tell whether a token stands for a quantity."""
    return "\ue000" <= token <= "\uf8ff"


@lru_cache(maxsize=8192)
def claim_of(text: str) -> Claim:
    """Read a sentence."""
    plain, quantities = masked(one_wording(unicodedata.normalize("NFKC", text)))
    fronted = _FRONTED.match(plain)
    if fronted and _is_adverbial(fronted.group(1)):
        front, rest, stop = fronted.groups()
        plain = f"{rest} {front[0].lower()}{front[1:]}{stop}"
    else:
        fronted = None
    whole = apart(plain)[1]
    spread = whole.marks & OF_SENTENCE
    clauses = tuple(_clause(plain[begin:end], quantities, spread) for begin, end in _pieces(plain))
    pronoun = bool(_PRONOUN_EN.match(plain) or _PRONOUN_INSIDE.search(plain))
    is_cjk = len(_CJK_ONE.findall(plain)) * 2 > len(re.findall(r"\w", plain))
    dates = [
        quantities[ord(one) - MASK] for one in (fronted.group(1) if fronted else "") if is_mask(one)
    ]
    return Claim(
        clauses,
        _head(plain, is_cjk),
        pronoun,
        is_cjk,
        tuple(one for one in dates if one.kind == "date"),
    )


@lru_cache(maxsize=8192)
def placed(clause: Clause) -> tuple[Word, ...]:
    """List the words of a clause as they stand, those that carry nothing among them."""
    found = ((one, tuple(form for form, _ in _words([one]))) for one in _TOKEN.findall(clause.text))
    return tuple(
        Word(written, forms if set(forms) <= set(clause.tokens) else ()) for written, forms in found
    )


def headed(clause: Clause, head: Sequence[str]) -> Clause:
    """Put the subject of the sentence before one of its later clauses."""
    return replace(
        clause, tokens=(*(one for one in head if one not in clause.tokens), *clause.tokens)
    )


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut a masked sentence into clauses."""
    cuts = [0]
    for found in _BREAK.finditer(text):
        cuts.append(found.start())
    cuts.append(len(text))
    begin = 0
    for at in range(1, len(cuts)):
        piece, rest = text[begin : cuts[at]], text[cuts[at] :]
        if (
            at + 1 < len(cuts)
            and (_weight(piece) < MIN_WEIGHT or _weight(text[cuts[at] : cuts[at + 1]]) < MIN_WEIGHT)
            and (_weight(piece) < MIN_WEIGHT or _weight(rest) < MIN_WEIGHT or at + 2 < len(cuts))
        ):
            continue
        if _weight(piece):
            yield begin, cuts[at]
        begin = cuts[at]


def _weight(piece: str) -> float:
    tokens = _tokens(apart(piece)[0])
    n_cjk = sum(_is_cjk(one) for one in tokens)
    return len(tokens) - n_cjk + min(1, n_cjk) + (n_cjk >= 4)


def _clause(piece: str, quantities: tuple[Quantity, ...], spread: frozenset[Mark]) -> Clause:
    rest, polarity = apart(piece)
    marks = (polarity.marks - OF_SENTENCE) | spread
    plain = _tokens(rest)
    words = _words(_turned(rest))
    tokens = tuple(token for token, _ in words)
    names = frozenset(token for at, (token, written) in enumerate(words) if written[:1].isupper())
    return Clause(
        tokens,
        quantities,
        Polarity(frozenset(marks), polarity.is_negated),
        names,
        next((one for one in plain if not is_mask(one)), ""),
        _OWN_SUBJECT.match(_BREAK.sub("", piece, count=1) if _BREAK.match(piece) else piece)
        is not None,
        _PRONOUN_INSIDE.search(piece) is not None,
        tuple(words),
        piece,
    )


def _tokens(text: str) -> list[str]:
    return [token for token, _ in _words(_TOKEN.findall(text))]


def _words(found: Sequence[str]) -> list[tuple[str, str]]:
    """Pair each content word's common form with the word as written."""
    words: list[tuple[str, str]] = []
    for word in found:
        if is_mask(word):
            words.append((word, word))
        elif _is_cjk(word):
            if word not in _PARTICLES:
                words.append((word, word))
        elif word[0].isalnum():
            words += [(form, word) for form in _forms(word)]
    return words


def _forms(word: str) -> list[str]:
    plain = re.sub(r"['\u2019]s?$", "", word)
    if plain.isupper() and (len(plain) > 1 or plain not in "AI"):
        return [plain.casefold()]  # WHO is no pronoun, the K of vitamin K no letter
    folded = plain.casefold()
    if any(one.isdigit() for one in folded):
        return [folded]
    parts = [part for part in re.split(r"['\u2019.\-/&]", folded) if part]
    return [same_word(part) for part in parts if part not in _STOP]


def _turned(text: str) -> list[str]:
    """List the words of a clause with agents before their verbs and owners behind what they own."""
    found = _TOKEN.findall(text)
    if passive := _PASSIVE_ZH.search(text):
        return [*_TOKEN.findall(text[passive.end() :]), *_TOKEN.findall(text[: passive.start()])]
    found = _active(found)
    for at, word in enumerate(found):
        if re.search(r"\w(?:['\u2019]s|s['\u2019])$", word):
            end = at + 1
            while (
                end < len(found)
                and found[end].islower()
                and found[end] not in STOP_EN - {"same", "own", "only"}
            ):
                end += 1
            if end > at + 1:
                return [*found[:at], *found[at + 1 : end], word, *found[end:]]
    return found


def _active(found: list[str]) -> list[str]:
    """Turn "the vaccine was tested by Merck" into "Merck tested the vaccine"."""
    for at, word in enumerate(found):
        if word != "by" or not 0 < at < len(found) - 1 or is_mask(found[at + 1]):
            continue
        if not _is_participle(found[at - 1]):
            continue
        end = at + 1
        while end < len(found) and found[end].casefold() not in _PREPOSITIONS and found[end] != ",":
            if is_mask(found[end]):
                break
            end += 1
        passive = [one for one in range(at) if found[one].casefold() in _BE]
        verb = passive[-1] if passive else at - 1
        return [*found[at + 1 : end], *found[verb:at], *found[:verb], *found[end:]]
    return found


def _is_adverbial(front: str) -> bool:
    """Tell "in the winter of 2019" from "in 2019 the company sold its boats"."""
    words = re.findall(r"[^\W\d_]+", front)
    return len(words) <= MAX_ADVERBIAL and not any(
        _is_participle(word) or word.casefold() in _AUXILIARIES for word in words
    )


def _is_participle(word: str) -> bool:
    folded = word.casefold()
    return (folded.endswith("ed") and len(folded) > 3) or folded in PARTICIPLES


def _head(text: str, is_cjk: bool) -> tuple[str, ...]:
    """Take the words that name what a sentence is about."""
    rest = _OWNED.sub("", apart(text)[0])
    if is_cjk:
        end = _HEAD_END_ZH.search(rest, 1 if rest[:1] in "在于" else 0)
        return tuple(_tokens(rest[: end.start() if end else 0]))[: MAX_HEAD * 2]
    if _PRONOUN_EN.match(rest):
        return ()
    head: list[str] = []
    words = _TOKEN.findall(rest)
    for at, word in enumerate(words):
        folded = word.casefold()
        # The first president, Manuel de Arriaga, resigned: both name him.
        if word == "," and head and words[at + 1 : at + 2] and words[at + 1][0].isupper():
            continue
        if is_mask(word) and not head:
            continue
        if (
            is_mask(word)
            or word == ","
            or folded in _AUXILIARIES
            or (head and folded in _PREPOSITIONS)
        ):
            break
        if head and not word[0].isupper() and (_is_participle(word) or len(head) >= 3):
            break
        head += [token for token, _ in _words([word])]
    return tuple(head[:MAX_HEAD])


def _is_cjk(token: str) -> bool:
    return _CJK_ONE.match(token) is not None


def _is_code(word: str) -> bool:
    return any(one.isdigit() for one in word) or (len(word) > 1 and word.isupper())
