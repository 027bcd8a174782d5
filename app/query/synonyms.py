"""A word → the common form that it shares with words of the same sense; pure.

Short on purpose: a pair stands here only if exchanging the two never changes a claim.
"""

from __future__ import annotations

import re
from functools import lru_cache

from app.query.words import stem

_IRREGULAR = {
    "begin": "began begun",
    "build": "built",
    "buy": "bought",
    "become": "became",
    "bring": "brought",
    "choose": "chose chosen",
    "come": "came",
    "draw": "drew drawn",
    "drive": "drove driven",
    "eat": "ate eaten",
    "fall": "fell fallen",
    "find": "found",
    "fly": "flew flown",
    "forget": "forgot forgotten",
    "get": "got gotten",
    "give": "gave given",
    "go": "went gone",
    "grow": "grew grown",
    "hold": "held",
    "keep": "kept",
    "know": "knew known",
    "lead": "led",
    "leave": "left",
    "lend": "lent",
    "lose": "lost",
    "make": "made",
    "mean": "meant",
    "meet": "met",
    "pay": "paid",
    "ride": "rode ridden",
    "rise": "rose risen",
    "run": "ran",
    "say": "said",
    "see": "saw seen",
    "sell": "sold",
    "send": "sent",
    "shoot": "shot",
    "sing": "sang sung",
    "speak": "spoke spoken",
    "spend": "spent",
    "stand": "stood",
    "steal": "stole stolen",
    "swim": "swam swum",
    "take": "took taken",
    "teach": "taught",
    "tell": "told",
    "think": "thought",
    "throw": "threw thrown",
    "wear": "wore worn",
    "win": "won",
    "write": "wrote written",
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people persons",
    "mouse": "mice",
    "foot": "feet",
    "die": "died dies dying",
}
_SENSES = (
    "truck lorry lorries trucks",
    "car automobile automobiles cars",
    "begin start starts started commence commenced",
    "buy purchase purchased purchases",
    "company firm firms corporation",
    "doctor physician physicians",
    "movie film films movies",
    "large big",
    "larger bigger",
    "largest biggest",
    "fast quick rapid",
    "help assist assisted",
    "build construct constructed constructs",
    "use utilize utilise utilized utilised",
    "illness disease illnesses diseases",
    "enough sufficient",
    "happen occur occurred occurs happened",
)
_CHINESE = {
    "逝世": "去世",
    "病逝": "去世",
    "辞世": "去世",
    "出生于": "生于",
    "诞生于": "生于",
    "出生在": "生于",
    "修建": "建造",
    "兴建": "建造",
    "坐落于": "位于",
    "购买": "购入",
    "共计": "共",
    "总计": "共",
    "一共": "共",
    "总共": "共",
    "创建": "创立",
}

_PHRASES = _CHINESE | {"passed away": "died", "passes away": "dies", "took place": "happened"}
_PHRASE = re.compile("|".join(sorted(_PHRASES, key=len, reverse=True)))
PARTICIPLES = frozenset(
    re.findall(
        r"\w+",
        """
        begun built bought brought chosen drawn driven eaten found flown forgotten given
        grown held kept known led left lent  lost made meant met paid ridden run said
        seen sold sent shot sung spoken spent stolen taken taught told thrown worn won
        written burnt cut hit put set read shut
        """,
    )
)

_FORMS = {form: base for base, forms in _IRREGULAR.items() for form in forms.split()}
_COMMON = {stem(word): stem(line.split()[0]) for line in _SENSES for word in line.split()}


def one_wording(text: str) -> str:
    """Replace phrases by the common one of their sense."""
    return _PHRASE.sub(lambda found: _PHRASES[found.group()], text)


@lru_cache(maxsize=8192)
def same_word(word: str) -> str:
    """Give the common form of a folded word."""
    root = stem(_FORMS.get(word, word))
    return _COMMON.get(root, root)
