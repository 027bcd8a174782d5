"""Pieces of text in, one text out: how Chinese, Japanese and spaced scripts are joined; pure."""

from __future__ import annotations

import re

# Ideographs, kana, their punctuation and the full-width forms: scripts written without blanks.
# Hangul is left out on purpose: Korean separates words by blanks.
_WIDE = (
    "\u2e80-\u2fdf\u3000-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff01-\uff60\U00020000-\U0003ffff"
)
_IS_WIDE = re.compile(f"[{_WIDE}]")
_BREAK_BETWEEN_WIDE = re.compile(rf"(?<=[{_WIDE}])[^\S\n]*\n\s*(?=[{_WIDE}])")
_BLANK_BETWEEN_WIDE = re.compile(rf"(?<=[{_WIDE}])[ \n](?=[{_WIDE}])")
_BLANKS = re.compile(r"\s+")
# Control characters, zero-width blanks, soft hyphens, byte order marks: never text.
# Surrogates cannot be stored as UTF-8. Joiners (200c, 200d) are spelling in some scripts and stay.
_RUBBISH = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ud800-\udfff]")


def is_wide(character: str) -> bool:
    """Tell whether a character belongs to a script that is written without blanks."""
    return _IS_WIDE.match(character) is not None


def glue(before: str, after: str) -> str:
    """Choose what stands between two pieces of one sentence: nothing in Chinese, else a blank."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    return "" if is_wide(before[-1]) and is_wide(after[0]) else " "


def clean(text: str) -> str:
    """Drop characters that are no text."""
    return text if text.isprintable() else _RUBBISH.sub("", text)


def one_line(text: str) -> str:
    """Write a text in one line, blanks collapsed; a line break within Chinese becomes nothing."""
    if text.isprintable() and "  " not in text:  # most texts; a table has millions of cells
        return text.strip(" ")
    text = clean(text)
    if "\n" in text or "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = _BREAK_BETWEEN_WIDE.sub("", text)
    return _BLANKS.sub(" ", text).strip()


def unspaced(text: str) -> str:
    """Drop single blanks between characters of scripts that are written without blanks."""
    return _BLANK_BETWEEN_WIDE.sub("", text)
