"""Why a sentence is not supported → plain words in the question's language; pure."""

from __future__ import annotations

from app.query.support import Fault
from app.query.words import cjk_share

_EN: dict[Fault, str] = {
    "number": "the number {about} is not in the passage",
    "date": "the date {about} is not in the passage",
    "name": "the name {about} is not in the passage",
    "opposite": "the passage says the opposite",
    "limit": "the passage says it with a limit or a doubt that the sentence changes",
    "order": "the passage puts these words together in another way",
    "word": "“{about}” is not in the passage",
    "question": "it is a question, not a statement",
    "left_out": "the sentence leaves out “{about}”, and so says something else than the passage",
}
_ZH: dict[Fault, str] = {
    "number": "段落中没有数字 {about}",
    "date": "段落中没有日期 {about}",
    "name": "段落中没有名称 {about}",
    "opposite": "段落的说法相反",
    "limit": "段落中的限定或不确定的说法与此句不同",
    "order": "段落中这些词语的关系与此句不同",
    "word": "段落中没有“{about}”",
    "question": "这是问句，不是陈述",
    "left_out": "此句略去了段落中的“{about}”，意思因此不同",
}
_NOTHING = ("nothing in the passages says this", "所有段落都没有这样说")
_SPREAD = (
    "it rests on more passages than can be checked together",
    "此句依据的段落过多，无法一并核对",
)


def told(fault: Fault, about: str, question: str) -> str:
    """Name a fault in the question's language."""
    is_zh = in_chinese(question)
    if fault == "word" and not about:
        return _NOTHING[is_zh]
    return (_ZH if is_zh else _EN)[fault].format(about=about) if fault else ""


def too_spread(question: str) -> str:
    """Say that too many passages would have to be read together."""
    return _SPREAD[in_chinese(question)]


def in_chinese(question: str) -> bool:
    """Tell whether reasons are given in Chinese."""
    return cjk_share(question) > 0.3
