"""A sentence → whether it begins with he or she, and whether with somebody's name; pure."""

from __future__ import annotations

import re

from app.query.words import CJK, STOP_EN

_PRONOUN = re.compile(r"\W*(?:(?:he|she|his|her)\b|[\u4ed6\u5979](?!\u4eec))", re.IGNORECASE)
_NAME = re.compile(
    r"\W*([A-Z][^\W\d_]+)((?:\s+(?:de|van|von|of|the)?\s?[A-Z][\w.'\u2019-]*)*)\s+[a-z]"
)
# The hundred most common family names reach further than any other test for a Chinese name.
_FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔"
    "钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAME_ZH = re.compile(
    rf"\s*[{_FAMILIES}][{CJK}]{{1,2}}(?=[在于由与和是有为被把将的生曾出考毕任担加获死去创建])"
)

_KIN = re.compile(
    r"\W*(?:his|her)\s+(?:[a-z]+\s+)?(?:daughter|son|sister|brother|wife|husband|father|mother|friend"
    r"|pupil|student|assistant|partner|colleague|uncle|aunt|cousin|nephew|niece|teacher|rival)\b"
    r"|\s*[\u4ed6\u5979]的(?:女儿|儿子|姐姐|妹妹|哥哥|弟弟|妻子|丈夫|父亲|母亲|朋友|学生|助手|同事|老师|叔叔|对手)",
    re.IGNORECASE,
)


def begins_with_person(text: str) -> bool:
    """Tell whether a sentence speaks of a person by a pronoun."""
    return _PRONOUN.match(text) is not None


def names_person(text: str) -> bool:
    """Tell whether a sentence begins with a name that may be a person's, or with her daughter."""
    if _NAME_ZH.match(text) or _KIN.match(text):
        return True
    found = _NAME.match(text)
    if found is None or found.group(1).casefold() in STOP_EN:
        return False
    return bool(found.group(2)) or not found.group(1).endswith("s")
