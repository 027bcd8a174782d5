"""What follows a number → the unit that it is in, English and Chinese; pure."""

from __future__ import annotations

import re

_NAMES = {
    "%": "%|percent|per cent|个百分比",
    "pp": "percentage points?|个百分点|百分点",
    "m": "metres?|meters?|m|米",
    "km": "kilomet(?:re|er)s?|km|公里|千米",
    "cm": "centimet(?:re|er)s?|cm|厘米",
    "mm": "millimet(?:re|er)s?|mm|毫米",
    "mi": "miles?|mi|英里",
    "ft": "feet|foot|ft|英尺",
    "in": "inch(?:es)?|英寸",
    "yd": "yards?|yd|码",
    "li": "里",
    "m2": "m2|square met(?:re|er)s?|平方米",
    "km2": "km2|square kilomet(?:re|er)s?|平方公里|平方千米",
    "mi2": "square miles?|平方英里",
    "m3": "m3|cubic met(?:re|er)s?|立方米",
    "ha": "hectares?|ha|公顷",
    "acre": "acres?|英亩",
    "mu": "亩",
    "kg": "kilograms?|kilos?|kg|公斤|千克",
    "g": "grams?|g|克",
    "mg": "milligrams?|mg|毫克",
    "t": "tonnes?|tons?|t|吨",
    "oz": "ounces?|oz|盎司",
    "jin": "斤",
    "l": "lit(?:re|er)s?|l|升",
    "ml": "millilit(?:re|er)s?|ml|毫升",
    "gal": "gallons?|加仑",
    "second": "seconds?|secs?|s|秒钟?",
    "ms": "milliseconds?|ms|毫秒",
    "minute": "minutes?|mins?|分钟|分(?!之)",
    "hour": "hours?|hrs?|h|个?小时",
    "day": "days?|天",
    "workday": "(?:working|business) days?|个?工作日",
    "week": "weeks?|周(?!年)|个?星期",
    "month": "months?|个月",
    "year": "years?|yrs?|年(?!代|级|度|假)",
    "anniversary": "周年",
    "century": "世纪",
    "decade": "decades?|年代",
    "age": "years? old|岁",
    "C": "degrees? celsius|°\\s?C|摄氏度|度",
    "F": "degrees? fahrenheit|°\\s?F|华氏度|度",
    "USD": "US dollars?|dollars?|USD|美元",
    "EUR": "euros?|EUR|欧元",
    "GBP": "pounds?|GBP|英镑",
    "CNY": "yuan|RMB|CNY|元|人民币|块",
    "JPY": "yen|JPY|日元|日圆",
    "HKD": "HKD|港元|港币",
    "lb": "pounds?|lbs?|磅",
    "times": "times|倍",
    "W": "watts?|W|瓦",
    "kW": "kilowatts?|kW|千瓦",
    "MW": "megawatts?|MW|兆瓦",
    "kWh": "kWh|千瓦时|度电",
    "V": "volts?|V|伏",
    "Hz": "hertz|Hz|赫兹",
    "KB": "kilobytes?|KB",
    "MB": "megabytes?|MB",
    "GB": "gigabytes?|GB",
    "TB": "terabytes?|TB",
}
_BEFORE = {
    r"US\$": "USD",
    r"HK\$": "HKD",
    r"\$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "CNY JPY",
    "USD": "USD",
    "EUR": "EUR",
    "GBP": "GBP",
    "RMB": "CNY",
    "CNY": "CNY",
    "人民币": "CNY",
}

BEFORE = "|".join(_BEFORE)  # signs of currencies that stand before a number
# What stands between a Chinese number and what it counts.
MEASURE_WORDS = (
    "个名位座家盏件份条次种届辆艘架台部本张只头匹棵场所支项间层幅首句篇道起笔批组套把颗粒枚号人"
)


def _pattern(names: str) -> re.Pattern[str]:
    parts = []
    for name in re.split(r"\|(?![^(]*\))", names):
        is_word = re.match(r"[A-Za-z(]", name) is not None and name[-1] not in "%"
        parts.append(rf"(?:{name})(?![A-Za-z0-9])" if is_word else f"(?:{name})")
    return re.compile(rf"[\s-]?(?:{'|'.join(parts)})", re.IGNORECASE)


_UNITS = {unit: _pattern(names) for unit, names in _NAMES.items()}
_SIGNS = {re.compile(sign, re.IGNORECASE): units for sign, units in _BEFORE.items()}


def units_at(text: str, at: int, sign: str, is_percent: bool) -> tuple[frozenset[str], int]:
    """Read the unit that begins at a place; the longest name wins, equal ones are all possible.

    Args:
        sign: of a currency, as it stands before the number.
        is_percent: the number stands after 百分之.
    """
    if is_percent:
        return frozenset({"%"}), at
    if sign:
        for pattern, units in _SIGNS.items():
            if pattern.fullmatch(sign):
                return frozenset(units.split()), at
    best, longest = set[str](), at
    for unit, pattern in _UNITS.items():
        found = pattern.match(text, at)
        if found is None or found.end() < longest or found.end() == at:
            continue
        if found.end() > longest:
            best, longest = set(), found.end()
        best.add(unit)
    return frozenset(best), longest
