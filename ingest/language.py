"""A text in, its language out: Chinese, English or another, by scripts and small words; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Language = Literal["zh", "en", "other"]

_SAMPLE_CHARACTERS = 120  # at a place
_N_SAMPLES, _N_SAMPLES_OF_LONG, _LONG = 3, 24, 10_000  # places, and characters that make it long
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_OTHER_CJK = re.compile(r"[\u3041-\u30fa\uac00-\ud7a3]")  # kana and hangul
_WORD = re.compile(r"[^\W\d_\u3041-\u30fa\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]+")
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """
        the of and to is in that it was for on are with as be this by from at or have not an which
        you we they has had were been their but can will would there what when who
        """,
    )
)
_NEIGHBOURS = frozenset(  # small words of languages that share the script
    re.findall(
        r"\w+",
        """
        der die das und ist nicht ein eine den dem mit von auf für zu sich le la les des et est un
        une du que qui dans pour pas au el los las del y es una por con para no se en de il lo gli
        di che è e non per sono della o os do da em um uma não het een van op te zijn dat niet og
        det som på til av att och är
        """,
    )
)
_SMALL = {word.encode(): word for word in _ENGLISH | _NEIGHBOURS}
_ASCII_LETTERS = bytes(ord(chr(at).lower()) if chr(at).isalpha() else 32 for at in range(128)) * 2
_KANA_SHARE = 0.05  # of the CJK letters: Japanese is written with kana throughout
_CHINESE_SHARE = 0.3  # of the words, a Chinese letter counted as half a word
_ENGLISH_SHARE = 0.06  # of the words
_FEW_WORDS = 12


def language_of(text: str, default: Language = "other") -> Language:
    """Tell what a text is written in.

    Args:
        default: the answer where there is too little to tell: a name, a row of numbers.
    """
    sample = "\n".join(_samples(text))
    if sample.isascii():
        # As most are, and every chunk is asked: what parts words becomes a blank, in bytes.
        letters = sample.encode().translate(_ASCII_LETTERS).split()
        n_words = len(letters)
        small = [_SMALL[word] for word in filter(_SMALL.__contains__, letters)]
    else:
        small = _WORD.findall(sample.lower())
        n_words = len(small)
        n_han, n_other = len(_HAN.findall(sample)), len(_OTHER_CJK.findall(sample))
        if n_other > _KANA_SHARE * (n_han + n_other):
            return "other"
        if n_han / 2 > _CHINESE_SHARE * (n_han / 2 + n_words):
            return "zh"
    n_english = sum(map(_ENGLISH.__contains__, small))
    n_foreign = sum(map(_NEIGHBOURS.__contains__, small))
    if n_english > n_foreign and n_english >= _ENGLISH_SHARE * n_words:
        return "en"
    return default if n_words < _FEW_WORDS else "other"


def _samples(text: str) -> Iterator[str]:
    """Yield parts from evenly spread places, the first and the last among them."""
    n_samples = _N_SAMPLES if len(text) < _LONG else _N_SAMPLES_OF_LONG
    if len(text) <= n_samples * _SAMPLE_CHARACTERS:
        yield text
        return
    for number in range(n_samples):
        start = (len(text) - _SAMPLE_CHARACTERS) * number // (n_samples - 1)
        yield text[start : start + _SAMPLE_CHARACTERS]
