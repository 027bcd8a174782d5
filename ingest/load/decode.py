"""Bytes of a text file in, the text out, whatever the encoding; pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from ingest.errors import BrokenFileError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What pages call these encodings is less than what they use: each is read by its superset.
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "utf8": "utf-8",
    "unicode": "utf-16",
    "x-user-defined": "cp1252",
}
_CANDIDATES = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
# The most frequent characters of Chinese, simplified and traditional: over half of any text.
_FREQUENT = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
    "十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形"
    "相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题程展五"
    "果料象员位入常文总次品式设及管特件长求老基资边流路级少图山统接知较将组见计她手期根论运农指几九区强放决西被做必战先回则任取据处"
    "请司职假申部门规定工时单元报费客户公司交付天内超过员工"
    "這為個國時來們發動過說產種後學經進著裡電現實體機當點從業應開還與關間樣義問變條沒結無軍題員總設長資邊級圖統較將組見計論運農幾區強決戰處據請職門規單報費戶"
)
_NEAR_WESTERN = ("cp1250", "cp1254", "cp1257", "latin_1", "iso8859_2", "iso8859_15", "iso8859_16")
# Of an age whose texts are gone; short Western ones of today pass for them.
_OF_DOS = tuple(f"cp{page}" for page in (437, 775, 850, 852, 857, 858, 860, 861, 863, 865))
_HEAD = 4096  # bytes
_FEW_LETTERS = 2  # Czech, Polish, Turkish, Baltic texts have more that Western ones do not
_SAMPLE = 200_000  # bytes that are looked at when guessing; a guess needs no more
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # 1b (escape) stands in logs
_HIGH = re.compile(r"[^\x00-\x7f]")


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode a text file, without its byte order mark.

    Args:
        declared: the encoding that the file itself names, if it does; believed if it fits.
    Raises:
        BrokenFileError: the bytes are no text in any encoding.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _checked(data[len(mark) :].decode(encoding, "replace"))
    named = _decode_declared(data, declared)
    if named is not None:
        return _checked(named)
    if b"\0" in data[:_HEAD] and (wide := _unmarked_utf16(data)) is not None:
        return _checked(data.decode(wide, "replace"))  # of plain ASCII it would pass for UTF-8
    try:
        return _checked(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        if _is_utf8_with_slips(data, error.start):
            return _checked(data.decode("utf-8", "replace"))
    return _checked(_by_lines(data) or _guess(data))


def _decode_declared(data: bytes, declared: str | None) -> str | None:
    name = (declared or "").strip().strip("\"'").casefold()
    if not name or name.replace("-", "") in ("utf8", "utf16", "utf16le", "utf16be"):
        return None  # UTF-8 is tried anyway; a page that can name UTF-16 in ASCII is not UTF-16
    try:
        return codecs.decode(data, _SUPERSETS.get(name, name))
    except (LookupError, ValueError, TypeError):  # unknown name, wrong bytes, or no text encoding
        return None


def _is_utf8_with_slips(data: bytes, first: int) -> bool:
    """Tell whether a few broken bytes stand in what is otherwise UTF-8: a cut, a bad paste."""
    sample = data[:first] + data[first : first + _SAMPLE]
    text = sample[-2 * _SAMPLE :].decode("utf-8", "replace")
    good = len(_HIGH.findall(text)) - text.count("\ufffd")
    return good > 0 and text.count("\ufffd") <= max(1, good // 20)


def _by_lines(data: bytes) -> str:
    """Decode what was put together from files in UTF-8 and in another encoding; else nothing."""
    lines = data.split(b"\n")
    texts: list[str | None] = []
    n_good = 0
    for line in lines:
        try:
            texts.append(line.decode("utf-8"))
            n_good += not line.isascii()
        except UnicodeDecodeError:
            texts.append(None)
    n_bad = texts.count(None)
    # A line in another encoding is UTF-8 by chance, too, but seldom.
    if n_good < max(2, (n_good + n_bad) // 10) or b"\0" in data[:_SAMPLE]:
        return ""
    others = [line for line, text in zip(lines, texts, strict=True) if text is None]
    decoded = iter(_guess(b"\n".join(others)).split("\n"))
    return "\n".join(next(decoded, "") if text is None else text for text in texts)


def _guess(data: bytes) -> str:
    sample = data[:_SAMPLE]
    best, score = "", 0.0
    for encoding in _CANDIDATES:
        mine = _score(sample, encoding)
        if mine > score:
            best, score = encoding, mine
    if score < 0.25:
        best = _by_statistics(sample)
    return data.decode(best, "replace")


def _unmarked_utf16(data: bytes) -> str | None:
    sample = data[:_HEAD]
    if len(sample) < 4 or len(data) % 2:
        return None
    odd, even = sample[1::2].count(0), sample[0::2].count(0)
    half = len(sample) // 2
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _score(sample: bytes, encoding: str) -> float:
    """Rate a decoding by how frequent its characters are; 0 if the bytes do not fit."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(
            sample
        )  # the sample may cut a character
    except UnicodeDecodeError:
        return 0.0
    high = _HIGH.findall(text)
    if not high:
        return 0.0
    if encoding == "cp949":
        # Korean is written in hangul; half the bytes of Chinese text read as hangul too, the rest
        # as ideographs.
        n_ideographs = sum("\u4e00" <= character <= "\u9fff" for character in high)
        return (sum(map(_weight, high)) - n_ideographs) / len(high)
    return sum(map(_weight, high)) / len(high)


def _weight(character: str) -> float:
    if character in _FREQUENT:
        return 1.0
    if "\u3041" <= character <= "\u30f6" or "\uac00" <= character <= "\ud7a3":
        return 0.8  # kana or hangul: a wrong decoding hits them in passing only
    if character in "，。、；：？！（）《》「」“”":
        return 1.0
    if "\ue000" <= character <= "\uf8ff" or "\uff61" <= character <= "\uff9f":
        return -1.0  # private use, half-width kana: what a wrong decoding looks like
    return 0.0


def _by_statistics(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # slow to import; only for the rare rest

    found = from_bytes(sample, cp_exclusion=["utf_7", *_OF_DOS]).best()
    if found is None or (found.encoding in _NEAR_WESTERN and _is_western(sample, found.encoding)):
        return "cp1252"
    return found.encoding


def _is_western(sample: bytes, other: str) -> bool:
    """Tell whether so little speaks for a neighbour of the Western code page that it is chance."""
    western, eastern = sample.decode("cp1252", "replace"), sample.decode(other, "replace")
    differing = {mine for mine, its in zip(western, eastern, strict=True) if mine != its}
    return len(differing) <= _FEW_LETTERS and all(map(str.isalpha, differing))


def _checked(text: str) -> str:
    """Refuse what is no text.

    Raises:
        BrokenFileError: too many control characters.
    """
    for sample in _samples(text):
        n_control = len(_CONTROL.findall(sample))
        n_lost = sample.count("\ufffd")
        if n_control > max(2, len(sample) // 100) or n_lost > max(8, len(sample) // 4):
            raise BrokenFileError(
                f"this is no text: {n_control} control and {n_lost} undecodable characters among "
                f"{len(sample)}; if it is a document, give it the suffix of its format"
            )
    return text


def _samples(text: str) -> Sequence[str]:
    if len(text) <= _SAMPLE:
        return (text,)
    middle = len(text) // 2
    piece = _SAMPLE // 3
    return (text[:piece], text[middle : middle + piece], text[-piece:])
