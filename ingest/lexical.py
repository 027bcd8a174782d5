"""Text in, search terms for SQLite's FTS5 out; pure.

FTS5's own `porter unicode61` stems English words. What it cannot do is done here: folding of
widths, cases and traditional Chinese, pairs of characters for scripts that do not mark words
(Chinese, Japanese, Korean, Thai ...), identifiers kept whole beside their parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ingest.han import simplified

# Raise this when `terms` or TOKENIZE changes: the index is then made anew when the store opens.
LEXICAL_VERSION = 2

TOKENIZE = "porter unicode61 remove_diacritics 2 categories 'L* N* M* Co' tokenchars '-_.@+#'"

# A query of a whole page still asks for its first terms only.
_MAX_QUERY_TERMS = 128
_MAX_QUERY_CHARACTERS = 20_000
_MAX_TERM_CHARACTERS = 64

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(
    rf"(?P<unspaced>[{_UNSPACED}]+)"
    rf"|(?P<word>[^\W_{_UNSPACED}](?:[^\W{_UNSPACED}]|[-.@](?=[^\W{_UNSPACED}]))*"
    r"(?:\+\+|\#)?)"
    rf"|(?P<private>_+[^\W{_UNSPACED}]+)"
)
_PART = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"(?<=\w)['’ʼ]s\b")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")

_ENGLISH = (
    "a about after again all also am an and any are as at be because been before being between "
    "both but by can could did do does doing down during each either else ever few for from "
    "further get give had has have having he her here hers him his how i if in into is it its "
    "itself just let many may me might more most much must my no nor not of off on once only "
    "or other our out over own please s same shall she should so some such t tell than that the "
    "their them then there these they this those through to too under until up us very was we were "
    "what when where whether which while who whom whose why will with would you your"
)
_STOP_WORDS = frozenset(_ENGLISH.split())
_QUESTION_WORDS = re.compile(
    "请问|什么时候|为什么|什么|怎么办|怎么做|怎么样|怎么|怎样|如何|哪些|哪个|哪里|哪一|多少|是否|有没有|吗|呢|"
    "請問|什麼時候|為什麼|什麼|怎麼辦|怎麼做|怎麼樣|怎麼|怎樣|哪裡|嗎"
)


def terms(text: str) -> list[str]:
    """List the terms under which a text is found, in order, repeated as often as they occur."""
    found: list[str] = []
    for kind, run in _runs(text):
        if kind == "unspaced":
            # The last character stands alone too, so that a prefix search finds any character.
            found += [*_pairs(run), run[-1]]
        else:
            found += _with_parts(run)
    return [_storable(term) for term in found]


def match_expression(query: str) -> str:
    """Turn any text into a valid FTS5 query: one of its terms must occur.

    Returns:
        Quoted terms joined by OR; empty if the text holds none.
    """
    query = query[:_MAX_QUERY_CHARACTERS]
    wanted = list(_query_terms(_QUESTION_WORDS.sub(" ", query), is_strict=True))
    if not wanted:
        wanted = list(_query_terms(query, is_strict=False))
    return " OR ".join(list(dict.fromkeys(wanted))[:_MAX_QUERY_TERMS])


def _query_terms(query: str, *, is_strict: bool) -> Iterator[str]:
    for kind, run in _runs(query):
        if kind == "unspaced":
            pairs = _pairs(run)
            yield from (_quoted(pair) for pair in pairs)
            if not pairs:
                yield _quoted(run) + "*"
        else:
            for term in _with_parts(run):
                if not (is_strict and term in _STOP_WORDS):
                    yield _quoted(term)


def _runs(text: str) -> Iterator[tuple[str, str]]:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    for match in _RUN.finditer(_POSSESSIVE.sub("", simplified(folded))):
        yield match.lastgroup or "", match.group()


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def _with_parts(word: str) -> list[str]:
    if word.isalnum() and len(word) <= _MAX_TERM_CHARACTERS:
        return [word]  # as most are
    parts = [part[:_MAX_TERM_CHARACTERS] for part in _PART.findall(word)]
    if parts == [word]:
        return parts
    return [word[:_MAX_TERM_CHARACTERS], *parts]


def _storable(term: str) -> str:
    # FTS5's tables of characters end early above U+FFFF, and what they miss would be dropped.
    if term.isascii():
        return term
    return _ASTRAL.sub(lambda match: f"x{ord(match.group()):x}", term)


def _quoted(term: str) -> str:
    return '"' + _storable(term).replace('"', '""') + '"'
