"""Numbers in words → digits, English and Chinese; pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_EN_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_EN_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
)  # fmt: skip
_EN = {word: value for value, word in enumerate(_EN_ONES)} | {
    word: 10 * value for value, word in enumerate(_EN_TENS, 2)
}
_EN_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_ZH = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_ZH_TENS = {"十": 10, "百": 100, "千": 1000}
_ZH_SCALES = {"万": 10**4, "亿": 10**8}

_ONE_EN = rf"(?:{'|'.join(sorted((*_EN, *_EN_SCALES), key=len, reverse=True))})"
# "one" alone is a pronoun, "second" a time: neither is a number by itself.
ENGLISH = (
    rf"\b(?!one\b(?![ -]?(?:hundred|thousand|million|billion)))(?:{_ONE_EN}(?:[ -](?:and "
    rf")?(?={_ONE_EN}\b))?)+\b"
)
ORDINAL = rf"\b(?:{'|'.join(word for word in _EN_ORDINALS if word != 'second')})\b"
CHINESE = "[〇零一二三四五六七八九十百千万亿两]+"


def english(words: str) -> Decimal | None:
    """Read an English number in words: "two hundred and five"; None if it is none."""
    total, group, is_read = 0, 0, False
    for word in re.findall(r"[a-z]+", words.casefold()):
        if word in _EN:
            group += _EN[word]
        elif word == "hundred":
            group = max(1, group) * 100
        elif word in _EN_SCALES:
            total, group = total + max(1, group) * _EN_SCALES[word], 0
        elif word == "and":
            continue
        else:
            return None
        is_read = True
    return Decimal(total + group) if is_read else None


def ordinal(word: str) -> Decimal:
    """Read an English ordinal in words, up to the twelfth."""
    return Decimal(_EN_ORDINALS.index(word.casefold()) + 1)


def chinese(text: str) -> Decimal | None:
    """Read a Chinese number in digits or words: 三十, 二〇二一, 1.2亿; None if it is none."""
    if not text:
        return None
    if all(one in _ZH for one in text):
        return Decimal(int("".join(str(_ZH[one]) for one in text)))
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([十百千]?)([万亿]*)", text.replace(",", "")):
        value = Decimal(found.group(1)) * _ZH_TENS.get(found.group(2), 1)
        for scale in found.group(3):
            value *= _ZH_SCALES[scale]
        return value
    total, group, digit = 0, 0, 0
    for one in text:
        if one in _ZH:
            digit = _ZH[one]
        elif one in _ZH_TENS:
            group, digit = group + max(1, digit) * _ZH_TENS[one], 0
        elif one in _ZH_SCALES:
            total, group, digit = (total + group + digit) * _ZH_SCALES[one], 0, 0
        else:
            return None
    return Decimal(total + group + digit)


def digits(text: str) -> Decimal | None:
    """Read a number in digits: 1,000 and 1 000 are a thousand, 3,5 and 3.50 three and a half."""
    plain = text.replace("\u2212", "-").replace("\u00a0", "").replace(" ", "")
    if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain):
        plain = plain.replace(",", "")
    try:
        return Decimal(plain.replace(",", "."))
    except InvalidOperation:
        return None  # 1.2.3: a version or a section
