"""Chinese clauses of answer and evidence → what was left out and turns the meaning; pure.

Chinese is compared character by character, so 副市长 holds 市长, 北京师范大学 holds 北京大学, and
国王的弟弟被杀 holds 国王被杀.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from app.query.words import CJK

_MASKS = "\ue000-\uf8ff"
_BEFORE_ALL_ZH = re.compile(
    r"反对|停止|中止|拒绝|企图|试图|力图|意图|妄图|尝试|计划|打算|准备|承诺|答应|威胁|提议|建议|希望|渴望|想要|差点儿?|险些"
    r"|避免|阻止|防止|取消|放弃|要求|请求|呼吁|主张|警告|预测|预计|预期|误以为|误认为|以为|如遇|一旦|否认"
    r"|(?<![名简俗别又也统全堪著对尊职号])称(?![为呼作号之赞职王帝雄霸臣])|(?<![小传学据俗话游])说(?![明法服唱])"
)
_BESIDE_ZH = re.compile(
    r"谣言|谬论|误解|误传|不实|虚假|虚构|假消息|并非事实|传言|驳回|否决|撤销|推翻|不成立|落空|未果|流产|搁浅|叫停|推迟"
)
_TITLE_ZH = re.compile(
    r"(副|前任?|原|代理?|候任|候选|准|半|非|名誉|助理|四分之一|养|继|岳|堂|表)"
    r"(市长|总统|主席|总理|校长|部长|省长|县长|院长|首相|总裁|经理|会长|书记|主任|教授|司令|队长|馆长|局长|所长|社长"
    r"|大臣|国王|董事长|秘书长|议员|委员|妻子?|丈夫|夫|父亲?|母亲?|兄弟?|姐妹?|女儿?|子|决赛|会员|成员|党员|军人|冠军)"
)
_INSTITUTION_ZH = re.compile(
    rf"([{CJK}]{{2}})(大学|学院|中学|小学|银行|公司|集团|医院|法院|研究所|研究院|委员会|协会|博物馆|图书馆|出版社|报社|车站)"
)
_OWNED_ZH = frozenset(
    "商人者员手师家父母子女弟兄妹姐妻夫亲友徒臣将军队司厂店儿爷孙车路街道楼桥船机院校馆站区"
)
_LEAGUE_ZH = re.compile(r"(青年|少年|青少年|女子|业余|室内|模拟|地区|友谊)(锦标赛|联赛|杯|赛)")
_AFTER_SUBJECT_ZH = frozenset("于在是为被把将曾已从向对有也还都")
MAX_OWNED = 6  # characters of who or what belongs to somebody
_COMPASS_ZH = re.compile(rf"(?:^|[在于是为和与的、\s])([东西南北新])([{CJK}]{{2}})")


def left_out_chinese(told: str, given: str) -> str:
    """Name what the answer's clause leaves out of the evidence's and turns the meaning by that."""
    told, given = _bare(told), _bare(given)
    rules = (_unreal, _lower, _institutions, _owners, _small)
    return next((one for rule in rules for one in rule(told, given)), "")


def _unreal(told: str, given: str) -> Iterator[str]:
    for found in _BEFORE_ALL_ZH.finditer(given):
        if found.group() not in told and _shares(told, given[found.end() :]):
            yield found.group()
    for found in _BESIDE_ZH.finditer(given):
        if found.group() not in told:
            yield found.group()


def _lower(told: str, given: str) -> Iterator[str]:
    """Find ranks: 副市长, 半决赛, 青年锦标赛, 北爱尔兰."""
    for found in _TITLE_ZH.finditer(given):
        title = found.group(2)
        is_told = re.search(rf"(?<![副前任原代理选准半非助誉养继岳堂表]){title}", told)
        if is_told and found.group() not in told and title not in given.replace(found.group(), ""):
            yield found.group(1)
    for found in _LEAGUE_ZH.finditer(given):
        if found.group(2) in told and found.group(1) not in told:
            yield found.group(1)
    for found in _COMPASS_ZH.finditer(given):
        if found.group(2) in told and found.group(1) + found.group(2) not in told:
            yield found.group(1)


def _institutions(told: str, given: str) -> Iterator[str]:
    for found in _INSTITUTION_ZH.finditer(told):
        if found.group() in given or found.group(2) not in given:
            continue
        if not re.search("[的所家该在于为是和与]", found.group(1)):
            yield found.group(2)


def _owners(told: str, given: str) -> Iterator[str]:
    """Find who or what belongs to somebody, where the answer tells it of the owner."""
    for found in re.finditer("的", given):
        at = found.start()
        while at and given[at - 1] not in told and found.start() - at < MAX_OWNED:
            at -= 1
        owner, begin = given[at - 1 : at], found.end()
        for end in range(begin + 1, min(begin + MAX_OWNED, len(given) - 1) + 1):
            last, after = given[end - 1], given[end]
            if last in told and not _is_mask(last):
                break
            is_end = last in _OWNED_ZH or after in _AFTER_SUBJECT_ZH or _is_mask(after)
            goes_on = "".join(_AFTER_SUBJECT_ZH) if _is_mask(after) else re.escape(after)
            if owner and is_end and re.search(rf"{re.escape(owner)}[{goes_on}{_MASKS}]", told):
                yield given[begin:end]
                break


def _small(told: str, given: str) -> Iterator[str]:
    if "分别" in given and "分别" not in told:
        yield "分别"
    for found in re.finditer(rf"([{CJK}])或者?([{CJK}])", given):
        if "或" not in told and (found.group(1) in told) != (found.group(2) in told):
            yield "或"


@lru_cache(maxsize=4096)
def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _is_mask(character: str) -> bool:
    return "\ue000" <= character <= "\uf8ff"


def _shares(told: str, rest: str) -> bool:
    """Whether a text takes over more than a particle of another."""
    return sum(rest[at : at + 2] in told for at in range(len(rest) - 1)) >= 1
