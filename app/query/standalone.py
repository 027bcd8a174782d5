"""A question → whether it can be understood without what was said before; pure.

English leans on the talk by pronouns, openings (“And in 1900?”) and definite nouns; Chinese mostly
by leaving the subject out. A pronoun that means something in its own question leans on nothing.
"""

from __future__ import annotations

import re

from app.query.words import cjk_share, content_terms, content_words, names
from ingest.han import simplified

_OPENING_EN = re.compile(
    r"\s*(?:and|but|or|so|then|also|what about|how about|what else|why not|same for)\b",
    re.IGNORECASE,
)
_OWN_HER = r"her(?=\s+(?!(?:in|on|at|to|with|when|after|before|and|or|from|by|for|as)\b)\w)"
_POSSESSIVE_EN = re.compile(
    rf"\b(?:its|their|his|{_OWN_HER}|itself|themselves|himself|herself)\b", re.IGNORECASE
)
_PRONOUN_EN = re.compile(
    rf"\b(?:it|they|them|theirs|he|him|she|(?!{_OWN_HER})her|hers|the (?:former|latter|same)"
    r"|(?:these|this)(?! (?:season|week|month|year|century|decade)\b)"
    r"|those(?! (?:who|that|of|in|on|with|from|for|\w+ed|\w+ing)\b))\b"
    r"|\b(?:in|of|about|after|before|by|for|with|to|from|like|than) that\b"
    r"(?!\s+(?:is|are|was|the|a|\w+ed)\b)"
    r"|\b(?:do|did|does|was|is) that\b(?!\s+(?:is|are|was|the|a)\b)"
    r"|\bwhy that\b|\bthat\s*[?.]?\s*$",
    re.IGNORECASE,
)
# “What is it called when …”, “Why is it important to …”: this “it” stands for what follows.
_EXPLETIVE_EN = re.compile(
    r"\b(?:is|was|does|did|be|can|could|will|would) it\s+(?:\w+ly\s+)?(?:\w+\s+){0,2}?"
    r"(?:to|that|when|if|for|whether)\b(?=\s+\w+\s+\w+)",
    re.IGNORECASE,
)
_THERE_EN = re.compile(
    r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )(?<!\bhas )(?<!\bhave )\bthere\b"
    r"(?!\s+(?:is|are|was|were|be|been|has|have|will|exist)|['\u2019]s)",
    re.IGNORECASE,
)
_CLAUSE_EN = re.compile(
    r"[,;:]|\b(?:when|where|while|if|because|since|that|which|who|whom|what|why|how|after|before"
    r"|until|although|and|but|or|as|to)\b",
    re.IGNORECASE,
)
# A subject after anything but an auxiliary begins a clause: “the bill he introduced”.
_SUBJECT_EN = re.compile(
    r"(?<!\bdo)(?<!\bdid)(?<!\bdoes)(?<!\bis)(?<!\bare)(?<!\bwas)(?<!\bwere)(?<!\bhas)"
    r"(?<!\bhave)(?<!\bhad)(?<!\bcan)(?<!\bcould)(?<!\bwill)(?<!\bwould)(?<!\bshould)"
    r"(?<!\bmay)(?<!\bmight)(?<!\bmust)\s+"
    r"(?:he|she|they|it(?=\s+(?:is|was|has|had|did|can|could|will|would|should|may|might)\b))\b",
    re.IGNORECASE,
)
_DEFINITION_EN = re.compile(r"\s*(?:what|who) (?:is|are|was|were) (?!the\b)", re.IGNORECASE)
_WHICH_OWNS_EN = re.compile(
    r"\s*(?:which|what|whose)\s+\w+\s+(?!do|did|does|has)\w+", re.IGNORECASE
)
_DEFINITE_EN = re.compile(r"\bthe\s+[a-z]", re.IGNORECASE)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,80}\"|(?<!\w)'[^\n]{1,80}?'(?!\w)|“[^”\n]{1,80}”|‘[^’\n]{1,80}’(?!\w)"
    r"|《[^》\n]{1,80}》|「[^」\n]{1,80}」|『[^』\n]{1,80}』"
)
_SHORT_TERMS = 2  # a definite noun in so short a question was spoken of before

_PRONOUN_ZH = re.compile(
    r"它们?|她们?|(?<![其吉维])他们?(?![人国乡])"
    r"|这(?:里|些|个|种|位|座|部|本|家|次|样|条|场|项|篇|首|款|支|名|所|届|类)"
    r"|那(?:里|些|个|种|位|座|部|本|家|次|时|么|条|场|项|篇|首|款|支|名|所|届|类)"
    r"|^那|此(?![外前后])(?<!因此)(?<!彼此)|(?<![耳尤极与何马])其(?![他它实余次])|(?:上述|前者|后者)|呢[？?]?\s*$"
)
# “X这个名字”, “《X》这部作品”: what is meant stands right before.
_APPOSITION_ZH = re.compile(
    r"(?<=[\w》”」』])[这那](?:个|种|位|座|部|本|家|条|项|篇|首|款|支|名|所|届|类|一)"
    r"(?:名字|名称|名词|词语?|称号|称呼|笔名|地名|说法|概念|术语|成语|外号|绰号|头衔|字)"
    r"|(?<=[》”」』])[这那](?:个|种|位|座|部|本|家|条|项|篇|首|款|支|名|所|届|类|一)"
)
_OPENING_ZH = re.compile(
    r"(?:那么?|还|又|也|并|曾|分别)?(?:是(?:谁|什么|哪|何|怎|在|由|因|从|如何|属|否)|用来|用于|现在|目前|当时|后来|最初|最早|一生|什么时候|"
    r"何时|哪一?年|在哪|位于|属于|成立于|有(?:多少|几|什么|哪些)|还有|主要|一共|总共|共有|多少|多大|多高|多长|几|"
    r"建于|建成于|始建于|出生|生于|卒于|死于|毕业|创立于|创建于|开通于|起源|发源|得名|隶属|分布|担任|获得|叫什么|叫做|"
    r"由(?:谁|哪|什么|何)|被(?:谁|哪|什么)|因(?:何|什么)|从(?:哪|何|什么)|在(?:什么|何))"
)
_OPENING_SHORT_ZH = re.compile(r"(?:那么?)?(?:为什么|为何|怎么|如何|谁|哪)")


def is_standalone(question: str) -> bool:
    """Tell whether a question can be understood without what was said before."""
    if cjk_share(question) > 0.3:
        return _stands_alone_zh(simplified(question))
    return _stands_alone_en(question)


def _stands_alone_en(question: str) -> bool:
    if _OPENING_EN.match(question):
        return False
    n_terms = len(content_terms(question))
    if n_terms == 0 or (
        n_terms == 1 and not names(question) and not _DEFINITION_EN.match(question)
    ):
        return False
    if n_terms <= _SHORT_TERMS and not names(question) and _DEFINITE_EN.search(question):
        return False
    # What is quoted is a title and leans on nothing; so is “the IT department”.
    plain = _QUOTED.sub(lambda quoted: "X" * len(quoted[0]), question)
    plain = re.sub(r"\bIT\b", "XX", plain) if not plain.isupper() else plain
    plain = _EXPLETIVE_EN.sub(lambda found: found[0].replace(" it ", " XX "), plain)
    return not any(
        _leans(question, found.start(), found.end())
        for pattern in (_PRONOUN_EN, _THERE_EN)
        for found in pattern.finditer(plain)
    ) and not any(
        _leans_possessive(question[: found.start()]) for found in _POSSESSIVE_EN.finditer(plain)
    )


def _leans(question: str, start: int, end: int) -> bool:
    """Tell whether a pronoun means nothing that the question itself named earlier.

    A pronoun never means what its own clause names: “Who wrote Faust for him?”. So a clause must
    have ended between the two.
    """
    before = question[:start]
    clauses = [found.start() for found in _CLAUSE_EN.finditer(before) if found.start() > 0]
    if before.strip() and any(found.end() == end for found in _SUBJECT_EN.finditer(question)):
        clauses.append(start)
    if not clauses:
        return True
    return not _named(before[: clauses[-1]]) and not _is_long(before)


def _leans_possessive(before: str) -> bool:
    """Tell the same of a possessive, which may mean the subject of its own clause."""
    return not (names(before) or _is_long(before) or _WHICH_OWNS_EN.match(before))


def _named(before: str) -> bool:
    return len(content_terms(before)) >= 2 and bool(names(before))


def _is_long(before: str) -> bool:
    return len(content_terms(before)) >= 4


def _stands_alone_zh(question: str) -> bool:
    n_content = _n_content(question)
    if n_content == 0:
        return False
    plain = _QUOTED.sub(lambda quoted: f"《{'甲' * (len(quoted[0]) - 2)}》", question)
    plain = _APPOSITION_ZH.sub(lambda found: "甲" * len(found[0]), plain)
    pronoun = _PRONOUN_ZH.search(plain)
    if pronoun:
        before = _n_content(question[: pronoun.start()])
        is_reflexive = plain[pronoun.end() :].startswith("自己") or plain[
            pronoun.start() :
        ].startswith("其中")
        return before >= (2 if is_reflexive else 6)
    if _OPENING_ZH.match(question):
        return n_content > 6
    return not (_OPENING_SHORT_ZH.match(question) and n_content <= 2)


def _n_content(question: str) -> int:
    return sum(len(word) for word in content_words(question))
