"""Masked text → what it denies, limits or leaves open, apart from its other words; pure.

Words such as "not", "may", "some" or "据说" change the truth of everything beside them. They are
taken out of the text as marks, so that "not allowed" and "prohibited" meet, and "may open" and
"opens" do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Mark = Literal[
    "not",
    "may",
    "must",
    "need",
    "will",
    "should",
    "would",
    "likely",
    "seems",
    "all",
    "some",
    "most",
    "few",
    "only",
    "one_of",
    "if",
    "says",
]

# These scope over a whole sentence, wherever they stand in it.
OF_SENTENCE: frozenset[Mark] = frozenset({"seems", "if", "says"})
# What says less may leave these out: "all letters burned" bears out "letters burned".
DROPPED: frozenset[Mark] = frozenset({"all"})

_Rule = tuple[str, tuple[Mark, ...]]
_EN: tuple[_Rule, ...] = (
    (
        r"(?:(?:do|does|did|need) ?n['\u2019]?t|(?:do|does|did|need) not) (?:need|have) to|need "
        r"not|needn['\u2019]t"
        r"|(?:is|are|was|were) not required to|no need to",
        ("not", "need"),
    ),
    (
        r"(?:may|must|can|could) ?not|cannot|can['\u2019]t|mustn['\u2019]t|couldn['\u2019]t|(?:is"
        r"|are|was|were|be) unable to"
        r"|prohibit(?:s|ed)?|forbid(?:s|den)?|forbade|bann?ed|(?:is|are|was|were|be) not (?:allowed"
        r"|permitted|able)(?: to)?",
        ("not", "may"),
    ),
    (
        r"(?:is|are|was|were|be) (?:able|allowed|permitted) to|allow(?:s|ed)?(?: to)?|permit(?:s"
        r"|ted)?(?: to)?|(?<!\bin )(?<!\bof )(?<!\bsince )(?<!\buntil )may|might|can"
        r"|could|perhaps|possibly|maybe",
        ("may",),
    ),
    (
        r"(?:is|are|was|were) (?:required|obliged|obligated) to|must|shall|ha(?:s|ve|d) to",
        ("must",),
    ),
    (r"needs? to|needed to", ("need",)),
    (r"will|(?:is|are|was|were) going to|plan(?:s|ned)? to|intends? to", ("will",)),
    (r"should|ought to", ("should",)),
    (r"would", ("would",)),
    (
        r"it (?:seem|appear)(?:s|ed)(?: that)?|(?:seem|appear)(?:s|ed)?(?: to(?: have| be)?| "
        r"that)?|apparently|reportedly"
        r"|allegedly|supposedly|rumou?red|according to (?:one|a|an|the|some) \w+|(?:is|are|was"
        r"|were) "
        r"(?:said|believed|thought|"
        r"claimed|suspected|alleged) to(?: have| be)?|it is (?:said|believed|thought|claimed) that"
        r"|some say(?: that)?|(?:legend|rumou?r) has it(?: that)?"
        r"|(?:he|she|they|it) claim(?:s|ed)(?: that)?|claim(?:s|ed) (?:that|to)",
        ("seems",),
    ),
    (
        r"(?:is|are) likely to|likely|probably|presumably|(?:is|are|was|were) expected to",
        ("likely",),
    ),
    (
        r"unless|except(?: for| that)?|provided that|if|only when|in case(?: of)?|in the event of"
        r"|as long as|on condition that|assuming(?: that)?",
        ("if",),
    ),
    (
        r"no longer|not|never|no one|nobody|nothing|none(?: of)?|no|neither|nor|without"
        r"|\w*n['\u2019]t|lack(?:s|ed)?"
        r"|fail(?:s|ed)? to|refus(?:es|ed) to",
        ("not",),
    ),
    (r"one of(?: the)?|among(?: the)?(?=\s+(?:most\b|\w+est\b))", ("one_of",)),
    (r"(?:only|solely|exclusively|merely)", ("only",)),
    (r"most of|mostly|(?:the )?majority of|usually|mainly|generally|typically|often", ("most",)),
    (
        r"a few|several|some(?:times| of)?|a number of|part of|partly|partially|many(?: of)?"
        r"|certain|occasionally",
        ("some",),
    ),
    (r"few|little|rarely|seldom|hardly|scarcely|barely", ("few",)),
    (r"all(?: of)?|every|each|always|both|entire(?:ly)?|whole|completely", ("all",)),
)
_ZH: tuple[_Rule, ...] = (
    (
        r"据[^，,。]{0,10}(?:报告|报道|消息|传闻|介绍)|据(?:说|称|传|悉|信)|传说|似乎|好像|看来"
        r"|疑似|涉嫌",
        ("seems",),
    ),
    (r"无需|无须|毋须|不需要?|不必|不用", ("not", "need")),
    (r"不得|不能够?|不可以|不准|不许|不允许|禁止|严禁|不可(?![逆思或避])|无法", ("not", "may")),
    (r"(?:可能|也许|或许|大概|恐怕)(?:会|将)?", ("likely",)),
    (r"可以|允许|准许|(?<!可)能够|(?<![可功性智只只职])能(?![力源量耗够])", ("may",)),
    (r"必须|务必|应当|(?<!无)须|(?<![反响供对相])应(?![用对变急答聘])", ("must",)),
    (r"需要?", ("need",)),
    (r"一定会|必将|将会|将(?![军近领来])|必定|肯定|一定", ("will",)),
    (r"应该", ("should",)),
    (
        r"如果|如遇|假如|万一|一旦|倘若|(?:^|(?<=[，。；\s]))若(?!干)|只要|除非|除外|除[^，。]{1,12}外",
        ("if",),
    ),
    (
        r"并没有?|没有?|从未|从不|并未|尚未|未能|未曾|未(?!来)|并非|并不|绝不"
        r"|不(?![断仅但过久少同锈论管如料])|无(?![线锡论数疑双])"
        r"|非(?![常洲法])|否认",
        ("not",),
    ),
    (r"之一|其中一", ("one_of",)),
    (r"仅仅?|只(?!有?[狗猫羊鸡])|唯一|唯有", ("only",)),
    (r"绝?大部分|绝?大多数|多数|通常|一般|往往|主要", ("most",)),
    (r"一些|有些|有的|某些|部分|若干|几个|多次|有时", ("some",)),
    (r"少数|很少|极少", ("few",)),
    (r"全部|所有|全体|一切|任何|每", ("all",)),
)
# Who says so stays in the text: to say and to deny are two things, and neither makes it true.
_SAID = re.compile(
    r"\b(?:said|says|claim(?:s|ed)?|argue[sd]?|believe[sd]?|thinks?|thought|suggest(?:s|ed)?"
    r"|den(?:y|ies|ied)|hope[sd]?|fear(?:s|ed)?|assume[sd]?|doubt(?:s|ed)?|allege[sd]?|insist(?:s"
    r"|ed)?"
    r"|maintain(?:s|ed)?|say) that\b"
    r"|认为|声称|宣称|表示|相信|怀疑|猜测|否认|主张",
    re.IGNORECASE,
)
_RULES = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), marks) for words, marks in _EN
) + tuple((re.compile(words), marks) for words, marks in _ZH)


@dataclass(frozen=True, slots=True)
class Polarity:
    """The marks of a clause."""

    marks: frozenset[Mark]
    is_negated: bool  # two denials make none

    def agrees(self, given: Polarity) -> bool:
        """Tell whether a clause with these marks may rest on one with the given marks."""
        return self.is_negated == given.is_negated and not self.differing(given)

    def differing(self, given: Polarity) -> frozenset[Mark]:
        """List the marks that one has and the other has not, but for what may be left out."""
        mine, theirs = self.marks - {"not"}, given.marks - {"not"}
        return (mine - theirs) | (theirs - mine - DROPPED)


@lru_cache(maxsize=8192)
def apart(text: str) -> tuple[str, Polarity]:
    """Take the marks out of a text: the rest of it, and what they were."""
    marks: set[Mark] = {"says"} if _SAID.search(text) else set()
    n_denials = 0
    for pattern, found in _RULES:
        text, n = pattern.subn(" ", text)
        if n:
            marks.update(found)
            n_denials += n * ("not" in found)
    return text, Polarity(frozenset(marks), n_denials % 2 == 1)
