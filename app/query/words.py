"""Text → words that carry meaning, its script, its numbers and its names; pure.

Chinese has no blanks between words, so a run of CJK characters counts as its overlapping pairs,
and whether a text holds such a pair is a question of substrings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ingest.han import simplified

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK_ONE = re.compile(rf"[{CJK}]")
_CJK_RUN = re.compile(rf"[{CJK}]+")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(rf"[^\W_{CJK}]+(?:['\u2019.\-_/][^\W_{CJK}]+)*|[{CJK}]+")
# A time of day is one number: the 08 of 08:30 is nobody's eighth of March.
_NUMBER = re.compile(r"(?<![\w.:])(?:\d{1,2}(?::\d{2}){1,2}(?![\d:])|[-\u2212]?\d+(?:[.,]\d+)*)")
_NAME = re.compile(r"\b[A-Z][^\W\d_]*(?:['\u2019-][^\W\d_]+)*|\b[^\W_]*\d[^\W_]*[A-Z][^\W_]*")
_ENDINGS = (
    ("iest", "y"), ("ies", "y"), ("ied", "y"), ("sses", "ss"), ("ings", ""), ("ing", ""),
    ("edly", ""), ("ed", ""), ("ly", ""), ("es", "e"), ("s", ""),
)  # fmt: skip

STOP_EN = frozenset(
    re.findall(
        r"\w+",
        """
        a about above after again all also am an and any are as at be because been before being
        below between both but by can could did do does doing done down during each few for from
        further had has have having he her here hers him his how i if in into is it its itself
        just may me might more most much must my no nor not now of off on once one only or other
        our ours out over own please same shall she should so some such tell than that the their
        theirs them then there these they this those through to too under until up us very was we
        were what when where which while who whom whose why will with would you your yours many
        give according known called name call named whether upon within d ll m re s t ve don doesn
        didn isn aren wasn weren
        """,
    )
)
_STOP_ZH = re.compile(
    "为什么|什么时候|是什么|什么样|有什么|什么|有哪些|哪些|哪一|哪里|哪儿|哪个|哪位|哪种|哪年"
    "|哪几|哪|是谁|谁|有多少|多少|多大|多长|多久|"
    "怎么办|怎么做|怎么样|怎么|怎样|如何|为何|是否|有没有|请问|告诉我|介绍一下|吗|呢|吧|啊|的|了|是|它们|他们"
    "|她们|它|他|她|这个|那个|"
    "这些|那些|这|那|其中|以及|并且|而且|或者|因为|所以|但是|然后|就|也|还|都|与|和|及|在|被|把|几"
)


@dataclass(frozen=True, slots=True)
class Held:
    """What a text holds, ready to be asked many times."""

    folded: str
    words: frozenset[str]

    def has(self, term: str) -> bool:
        """Tell whether the text holds a term of `content_terms`."""
        return term in self.folded if is_cjk(term) else term in self.words


def fold(text: str) -> str:
    """Make spellings equal: full and half width, upper and lower case, traditional characters."""
    return simplified(unicodedata.normalize("NFKC", text).casefold())


def is_cjk(term: str) -> bool:
    """Tell whether a term begins with a CJK character."""
    return bool(term) and _CJK_ONE.match(term) is not None


def cjk_share(text: str) -> float:
    """Share of the letters that are CJK, from 0 to 1."""
    n_letters = len(_LETTER.findall(text))
    return len(_CJK_ONE.findall(text)) / n_letters if n_letters else 0.0


def stem(word: str) -> str:
    """Cut common English endings, so that forms of one word meet."""
    if not word.isascii() or not word.isalpha() or len(word) < 4:
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


@lru_cache(maxsize=4096)
def content_terms(text: str) -> tuple[str, ...]:
    """List the terms that carry meaning, in order, each once."""
    found: list[str] = []
    for word in _WORD.findall(fold(text)):
        if is_cjk(word):
            found += [pair for run in _STOP_ZH.split(word) if run for pair in _pairs(run)]
        else:
            found += [stem(part) for part in _parts(word) if part not in STOP_EN]
    return tuple(dict.fromkeys(found))


def content_words(text: str) -> list[str]:
    """List the words as written that carry meaning: what a lexical search should look for."""
    found: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text)):
        if is_cjk(word):
            found += [run for run in _STOP_ZH.split(word) if run]
        elif any(part not in STOP_EN for part in _parts(word.casefold())):
            found.append(word)
    return list(dict.fromkeys(found))


@lru_cache(maxsize=4096)
def hold(text: str) -> Held:
    """Read a text once, to ask it for terms."""
    folded = fold(text)
    words: set[str] = set()
    for word in _WORD.findall(folded):
        if not is_cjk(word):
            words.update(stem(part) for part in _parts(word))
    return Held(folded, frozenset(words))


@lru_cache(maxsize=4096)
def numbers(text: str) -> frozenset[str]:
    """Collect the numbers, spelled alike: 1,000 = 1000, \uff11\uff12 = 12, 3.50 = 3.5."""
    return frozenset(_plain(found) for found in _NUMBER.findall(_apart(text)))


def names(text: str) -> frozenset[str]:
    """Collect words that look like names: capitals inside a sentence, codes like X9."""
    plain = unicodedata.normalize("NFKC", text)
    found = {
        match.group()
        for match in _NAME.finditer(plain)
        if match.start() > 0 or _is_code(match.group())
    }
    return frozenset(fold(name) for name in found if fold(name) not in STOP_EN)


def share_held(terms: Iterable[str], held: Held) -> float:
    """Share of the terms that the text holds; 1 if there are none."""
    terms = list(terms)
    return sum(held.has(term) for term in terms) / len(terms) if terms else 1.0


def _apart(text: str) -> str:
    """Put blanks around CJK, so that 第41届 shows its number."""
    return _CJK_RUN.sub(" ", unicodedata.normalize("NFKC", text))


def _parts(word: str) -> list[str]:
    """Give a compound whole as well as in parts: e-mail, O'Neill, v1.2."""
    if word.endswith(("n't", "n\u2019t")):
        return ["not"]
    parts = [part for part in re.split(r"['\u2019.\-_/]", word) if part]
    return [word, *parts] if len(parts) > 1 and not word.endswith(("'s", "\u2019s")) else parts


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _plain(number: str) -> str:
    """Spell a number plainly: no thousands commas, no idle zeros."""
    number = number.replace("\u2212", "-")
    grouped = re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", number)
    number = number.replace(",", "") if grouped else number.replace(",", ".")
    whole, point, rest = number.partition(".")
    rest = rest.rstrip("0") if point and "." not in rest else rest
    return f"{whole}.{rest}" if rest else whole


def _is_code(word: str) -> bool:
    return any(letter.isdigit() for letter in word) or (len(word) > 1 and word.isupper())
