"""Text → its numbers with units, its dates and its times, spelled alike in both languages; pure.

`3 March 2021`, `2021-03-03` and `2021年3月3日` are one date; `1.2 million`, `1,200,000` and
`120万` one number; `12 km` and `12 miles` are two. `held_by` compares two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from app.query import numerals
from app.query.units import BEFORE, MEASURE_WORDS, units_at
from app.query.words import CJK, stem

Kind = Literal["number", "date", "time", "ordinal"]
Bound = Literal["", "about", "above", "below"]

MASK = 0xE000  # first of the private characters that stand for quantities in a masked text
MAX_QUANTITIES = 256  # of one text; what is beyond stays text
_FIRST_YEAR, _LAST_YEAR = 1000, 2100  # a bare number between them may be a year
_PEOPLE = frozenset({stem("people"), "person", "人"})  # whoever counts women counts people

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<m>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?<![\d.,:])(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_N2 = r"(?:(?<!\d)\d{1,2}|[一二三四五六七八九十]{1,3})"
_ERAS = (
    "顺治|康熙|雍正|乾隆|嘉庆|道光|咸丰|同治|光绪|宣统|洪武|永乐|嘉靖|万历|崇祯|贞观|开元|天宝"
    "|民国|明治|大正|昭和"
    "|平成|令和"
)
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\d.,])(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)",
        r"(?<![\d.,/-])(?P<p>\d{1,2})[-/.](?P<q>\d{1,2})[-/.](?P<y>\d{4})(?!\d)",
        rf"(?P<e>{_ERAS})(?P<n>元|\d+"
        rf"|{numerals.CHINESE})年(?:(?P<m>{_N2})月)?(?:(?P<d>{_N2})[日号])?",
        rf"(?P<y>(?<!\d)\d{{4}}|[〇零一二三四五六七八九]{{4}})\s?年(?:\s?(?P<m>\d{{1,2}}"
        rf"|{_N2})\s?月"
        rf"(?:\s?(?P<d>\d{{1,2}}|{_N2})\s?[日号])?)?",
        rf"(?P<m>{_N2})\s?月\s?(?P<d>\d{{1,2}}|{_N2})\s?[日号]",
        rf"(?P<m>{_N2})月(?![亮球])",
        rf"(?P<d>{_N2})[日号](?=[前后起至到])",
        rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+(?P<y>\d{{4}})\b)?",
        rf"\b{_MONTH}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.]\d)(?:,?\s+(?P<y>\d{{4}})\b)?",
        rf"\b{_MONTH},?\s+(?P<y>\d{{4}})\b",
        rf"(?<=\bin ){_MONTH}(?!\s+[a-z])",
        r"(?:(?<=\bin )|(?<=\bsince )|(?<=\buntil )|(?<=\bduring ))"
        r"(?P<y>1\d{3}|20\d{2})\b(?!\s*(?:%|°|[,.]\d))",
        r"(?P<s>[春夏秋冬])[季天]",
    )
)
_TIME = re.compile(
    r"(?P<half>上午|下午|晚上|中午|早上|凌晨)?(?<![\d.:])(?P<h>\d{1,2})"
    r"(?::(?P<min>\d{2})(?::\d{2})?(?:\s?(?P<ap>[ap])\.?m\b\.?)?(?![\d:])|\s?(?P<ap2>[ap])\.?m\b\.?"
    r"|[点时](?:(?P<zmin>\d{1,2})分|(?P<zhalf>半)|整)?(?!\d|间|期|代|候))",
    re.IGNORECASE,
)
_BOUNDS: tuple[tuple[Bound, str], ...] = (
    ("above", r"more than|greater than|higher than|longer than|over|above|exceeding|at least|no "
              r"fewer than|"
     r"no less than|超过|多于|高于|大于|逾|至少|不少于|不低于"),
    ("below", r"less than|fewer than|lower than|shorter than|under|below|within|at most|up to|no "
              r"more than|"
     r"低于|少于|小于|不到|不足|至多|最多|不超过|不高于"),
    ("about", r"about|around|approximately|roughly|nearly|almost|circa|ca\.|some|约为|大约|约"
              r"|将近|近|大概"),
)  # fmt: skip
_BOUND = re.compile(
    "(?:" + "|".join(rf"(?P<{name}>{words})" for name, words in _BOUNDS) + r")\s*$", re.IGNORECASE
)
_AFTER = re.compile(
    r"\s?(?:(?P<about>左右|上下)|(?P<above>以上|余|多(?=[万亿%]|$))|(?P<below>以下))"
)
_SCALES = {
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "bn": 10**9,
    "百": 100, "千": 1000, "万": 10**4, "亿": 10**8,
}  # fmt: skip
_SCALE = re.compile(
    r"\s?(?:(thousand|million|billion|trillion|bn)\b|([百千]?[万亿]+|[百千](?!米|克|瓦|里|卡|兆)))",
    re.I,
)
_NUMBER = re.compile(
    rf"(?P<percent>百分之)?(?P<below0>零下|负)?(?P<ord>第)?(?:(?P<cur>{BEFORE})\s?)?"
    r"(?:(?<![A-Za-z\d.\-\u2212])(?P<num>[-\u2212]?\d+(?:[.,]\d+)*)(?P<th>st|nd|rd|th)?(?![\d])"
    rf"|(?P<zh>{numerals.CHINESE}(?:点[〇零一二三四五六七八九]+)?))"
    rf"|(?P<en>{numerals.ENGLISH})|(?P<ordinal>{numerals.ORDINAL})",
    re.IGNORECASE,
)
_NOUN_EN = re.compile(r"\s(?:[a-z]+ly\s)?([a-z][a-z-]+)(?:\s([a-z][a-z-]+))?", re.IGNORECASE)
_NOUN_ZH = re.compile(rf"\s?[{MEASURE_WORDS}]?([{CJK}])")
_NO_NOUN = frozenset(
    re.findall(
        r"\w+",
        """
        in on at by of to for from with and or but per a an the was were is are that
        which who as than when while since until  after before between during each every
        years under over about between has have had did do it he she they
        """,
    )
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number, date or time of a text."""

    kind: Kind
    value: tuple[str, ...]  # number: its plain spelling; time: minutes; date: era, year, month, day
    units: frozenset[str]  # known units that it may be in: a pound is money or weight
    nouns: frozenset[str]  # what is counted, if no known unit follows
    bound: Bound
    text: str  # as written


@lru_cache(maxsize=8192)
def masked(text: str) -> tuple[str, tuple[Quantity, ...]]:
    """Replace each quantity by one private character, `chr(MASK + its place in the list)`.

    Known units are replaced with their number; the counted noun stays.
    """
    plain = re.sub("[\ue000-\uf8ff]", " ", unicodedata.normalize("NFKC", text))
    found: list[Quantity] = []
    for finder in (_dates, _times, _numbers):
        pieces, at = [], 0
        for start, end, quantity in finder(plain):
            if start < at or len(found) >= MAX_QUANTITIES:
                continue
            pieces += [plain[at:start], f" {chr(MASK + len(found))} "]
            found.append(quantity)
            at = end
        plain = "".join((*pieces, plain[at:]))
    return plain, tuple(found)


@lru_cache(maxsize=8192)
def quantities(text: str) -> tuple[Quantity, ...]:
    """List the quantities of a text."""
    return masked(text)[1]


def missing(told: Sequence[Quantity], given: Sequence[Quantity]) -> list[Quantity]:
    """List what is told and not given."""
    return [one for one in told if not any(held_by(one, other) for other in given)]


def held_by(told: Quantity, given: Quantity) -> bool:
    """Tell whether a quantity says no more than another: the year of a full date does not."""
    if told.bound != given.bound:
        return False
    if "date" in (told.kind, given.kind):
        return _same_date(told, given)
    if told.kind != given.kind or not set(told.value) & set(given.value):
        return False
    if told.units or given.units:
        return bool(told.units & given.units)
    if not told.nouns or not given.nouns:
        return True
    return bool(told.nouns & given.nouns or told.nouns & _PEOPLE)


def _same_date(told: Quantity, given: Quantity) -> bool:
    one, other = _as_dates(told), _as_dates(given)
    return any(
        all(not mine or mine == theirs for mine, theirs in zip(a, b, strict=True))
        for a in one
        for b in other
    )


def _as_dates(one: Quantity) -> list[tuple[str, ...]]:
    if one.kind == "date":
        return [one.value[at : at + 4] for at in range(0, len(one.value), 4)]
    is_plain = one.kind == "number" and not one.units and "," not in one.text
    if is_plain and one.value[0].isdigit() and _FIRST_YEAR <= int(one.value[0]) <= _LAST_YEAR:
        return [("", one.value[0], "", "")]
    return []


def _dates(text: str) -> Iterator[tuple[int, int, Quantity]]:
    taken: list[tuple[int, int, Quantity]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other_end and other < end for other, other_end, _ in taken):
                continue
            if values := _date_values(match.groupdict()):
                taken.append((start, end, _quantity("date", values, match.group())))
    yield from sorted(taken, key=lambda one: one[0])


def _date_values(found: dict[str, str | None]) -> tuple[str, ...]:
    """Give era, year, month and day; twice where day and month may stand either way."""
    if season := found.get("s"):
        return (season, "", "", "")
    if "p" in found:
        day, month = int(found["p"] or 0), int(found["q"] or 0)
        orders = [(m, d) for m, d in ((month, day), (day, month)) if 1 <= m <= 12 and 1 <= d <= 31]
        return tuple(part for m, d in orders for part in ("", found["y"] or "", str(m), str(d)))
    month_text, era = found.get("m") or "", found.get("e") or ""
    if month_text[:1].isalpha() and month_text.isascii():
        month_n: Decimal | None = Decimal(_MONTHS.index(month_text[:3].casefold()) + 1)
    else:
        month_n = numerals.chinese(month_text)
    year_text = (found.get("n") or "").replace("元", "一") if era else found.get("y") or ""
    year, day_n = numerals.chinese(year_text), numerals.chinese(found.get("d") or "")
    if (month_n is not None and not 1 <= month_n <= 12) or (day_n and not 1 <= day_n <= 31):
        return ()
    return (era, *("" if one is None else str(one) for one in (year, month_n, day_n)))


def _times(text: str) -> Iterator[tuple[int, int, Quantity]]:
    for match in _TIME.finditer(text):
        found = match.groupdict()
        hour, minute = (
            int(found["h"]),
            int(found["min"] or found["zmin"] or 30 * bool(found["zhalf"])),
        )
        half = (found["ap"] or found["ap2"] or "").casefold()
        is_late = half == "p" or found["half"] in ("下午", "晚上")
        if hour > 24 or minute > 59:
            continue
        if is_late and hour < 12:
            hour += 12
        if half == "a" and hour == 12:
            hour = 0
        yield *match.span(), _quantity("time", (str(60 * hour + minute),), match.group())


def _numbers(text: str) -> Iterator[tuple[int, int, Quantity]]:
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        found = match.groupdict()
        value, kind = _value(found)
        if value is None:
            continue
        if kind == "number" and (scale := _SCALE.match(text, end)):
            value, end = value * _scale(scale.group(1) or scale.group(2)), scale.end()
        bound = _BOUND.search(text, max(0, start - 20), start)
        after = _AFTER.match(text, end)
        if after and after.end() > end:
            end = after.end()
        units, unit_end = units_at(text, end, found["cur"] or "", bool(found["percent"]))
        if units == {"second"} and text[end:unit_end] == "s" and value >= _FIRST_YEAR:
            units = frozenset({"decade"})  # the 1990s
        if found["zh"] and not _counts(found["zh"], text, end, found, bool(units)):
            continue
        nouns: frozenset[str] = frozenset()
        if kind == "ordinal":
            units = frozenset({"th"})
        elif units:
            end = max(end, unit_end)
            after = after or _AFTER.match(text, end)
            end = after.end() if after and after.end() > end else end
        else:
            nouns = _nouns(text, end)
        shown = text[start:end].strip()
        if bound:
            start = bound.start()
        said = bound or after
        side: Bound = said.lastgroup if said else ""  # type: ignore[assignment]
        yield start, end, Quantity(kind, (_spelled(value),), units, nouns, side, shown)


def _value(found: dict[str, str | None]) -> tuple[Decimal | None, Kind]:
    if found["ordinal"]:
        return numerals.ordinal(found["ordinal"]), "ordinal"
    if found["en"]:
        return numerals.english(found["en"]), "number"
    if found["num"]:
        value = numerals.digits(found["num"])
    else:
        whole, _, rest = (found["zh"] or "").partition("点")
        value = numerals.chinese(whole)
        if value is not None and rest:
            digits = "".join(str(numerals.chinese(one)) for one in rest)
            value = Decimal(f"{value}.{digits}")
    if value is not None and found["below0"]:
        value = -value
    return value, "ordinal" if found["ord"] or found["th"] else "number"


def _scale(word: str) -> Decimal:
    product = Decimal(1)
    for one in [word.casefold()] if word.isascii() else word:
        product *= _SCALES[one]
    return product


def _counts(
    numeral: str, text: str, end: int, found: dict[str, str | None], is_in_units: bool
) -> bool:
    """Tell a Chinese number in words from a word that holds its characters: 统一, 万一, 十分."""
    if found["ord"] or found["percent"] or found["below0"]:
        return True
    if numeral == "十" and text.startswith("分", end) and not text.startswith("分钟", end):
        return False
    if numeral[0] in "百千万亿" or (numeral == "一" and not is_in_units):
        return False
    return len(numeral) > 1 or is_in_units or text[end : end + 1] in tuple(MEASURE_WORDS)


def _nouns(text: str, end: int) -> frozenset[str]:
    if found := _NOUN_ZH.match(text, end):
        return frozenset(
            {found.group(1), "人"} if text[end:].lstrip()[:1] == "人" else {found.group(1)}
        )
    if (found := _NOUN_EN.match(text, end)) and found.group(1).casefold() not in _NO_NOUN:
        words = (found.group(1), found.group(2) or "")
        return frozenset(stem(word.casefold()) for word in words if word and word not in _NO_NOUN)
    return frozenset()


def _spelled(value: Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _quantity(kind: Kind, value: tuple[str, ...], text: str) -> Quantity:
    return Quantity(kind, value, frozenset(), frozenset(), "", text.strip())
