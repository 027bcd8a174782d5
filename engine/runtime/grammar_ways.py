"""A GBNF grammar in, an error out if llama.cpp would follow too many ways at once; pure.

Before each character llama.cpp lists every way to go on, one path down the rules each, and does not
see that two are the same before it has them all: rules that double the ways forty times fill the
memory, and recursion to the left that begins with something optional never ends. Both end the
process.
Source: llama.cpp, src/llama-grammar.cpp (`llama_grammar_advance_stack`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from engine.errors import FormatError

MAX_WAYS = 20_000  # a list of as many words is followed in about a second
_TOKEN = re.compile(
    r"(?P<skip>\s+|#[^\n]*)|(?P<rule>[A-Za-z0-9_-]+\s*::=)|(?P<name>[A-Za-z0-9_-]+)"
    r'|(?P<text>"(?:[^"\\]|\\.)*")|(?P<one>\[(?:[^\]\\]|\\.)*\]|\.|!?<[^>\n]*>)'
    r"|(?P<times>[*+?]|\{\s*\d*\s*,?\s*\d*\s*\})|(?P<mark>[()|])",
    re.DOTALL,
)
_ENDLESS = 1 << 20


@dataclass(frozen=True, slots=True)
class _Ways:
    """How many ways lead through something without a character, and to its first ones."""

    through: int
    into: int


@dataclass(slots=True)
class _Element:
    rule: str  # "" = a character
    least: int = 1
    most: int = 1


@dataclass(slots=True)
class _Rule:
    choices: list[list[_Element]] = field(default_factory=lambda: [[]])


_CHARACTER = _Ways(0, 1)


def check_ways(grammar: str) -> int:
    """Refuse a grammar that llama.cpp would follow in too many ways, or for ever.

    What cannot be read here is left to llama.cpp, which says why it cannot.

    Returns:
        the most ways that one rule leads on at once.
    Raises:
        FormatError: names the rule.
    """
    rules = _read(grammar)
    known: dict[str, _Ways] = {}
    for name in list(rules):
        _solve(name, rules, known)
    widest = max((one.into for one in known.values()), default=0)
    for name, rule in rules.items():
        for choice in rule.choices:
            into = 0
            for element in reversed(choice):
                ways = _repeated(element, known)
                into = ways.into + min(ways.through, MAX_WAYS) * into
                if into > MAX_WAYS:
                    raise _too_many(name)
                widest = max(widest, into)
    return widest


def _solve(first: str, rules: dict[str, _Rule], known: dict[str, _Ways]) -> None:
    """Count the ways of a rule and of all that it can begin with; without Python's recursion."""
    if first in known:
        return
    open_rules = {first: _count(rules[first], known)}
    while open_rules:
        name, counting = next(reversed(open_rules.items()))
        try:
            needed = next(counting)
        except StopIteration as end:
            known[name] = end.value
            if end.value.into > MAX_WAYS:
                raise _too_many(name) from None
            del open_rules[name]
            continue
        if needed in open_rules:
            raise FormatError(
                f"the grammar cannot be used: the rule {_shown(needed)} can begin with itself; "
                "write it so that a character comes first"
            )
        if needed in rules:
            open_rules[needed] = _count(rules[needed], known)
        else:
            known[needed] = _CHARACTER  # llama.cpp says that it is missing


def _count(rule: _Rule, known: dict[str, _Ways]) -> Generator[str, None, _Ways]:
    """Count a rule's ways; yields the names of rules that must be known first."""
    all_through = all_into = 0
    for choice in rule.choices:
        through, into = 1, 0
        for element in choice:
            if element.rule and element.rule not in known:
                yield element.rule
            ways = _repeated(element, known)
            into = min(into + through * ways.into, _ENDLESS)
            through = min(through * ways.through, _ENDLESS)
            if not through:
                break
        all_through = min(all_through + through, _ENDLESS)
        all_into = min(all_into + into, _ENDLESS)
    return _Ways(all_through, all_into)


def _repeated(element: _Element, known: dict[str, _Ways]) -> _Ways:
    ways = known[element.rule] if element.rule else _CHARACTER
    if element.most == 0:
        return _Ways(1, 0)
    if not ways.through:
        return _Ways(int(element.least == 0), ways.into)
    if element.most == _ENDLESS or element.most == 1:
        return _Ways(ways.through + (element.least == 0), ways.into)
    # Each further one can begin as soon as those before it were passed without a character.
    is_one = ways.through == 1
    n_ways = element.most if is_one else ways.through ** min(element.most, 20)
    return _Ways(min(n_ways, _ENDLESS), min(ways.into * n_ways, _ENDLESS))


def _read(grammar: str) -> dict[str, _Rule]:
    """Take a grammar apart; brackets become rules of their own."""
    rules: dict[str, _Rule] = defaultdict(_Rule)
    inside: list[str] = []  # rules that are being written, the outermost first
    n_groups = 0
    for kind, text in _tokens(grammar):
        if kind == "rule":
            name = text[:-3].rstrip()
            inside, rules[name] = [name], _Rule()
            continue
        if not inside:
            return {}
        here = rules[inside[-1]].choices
        if kind == "times" and here[-1]:
            here[-1][-1].least, here[-1][-1].most = _range(text)
        elif kind == "mark":
            n_groups += 1
            if not _mark(text, f"({n_groups}", rules, inside):
                return {}
        elif kind != "times" and text != '""':
            here[-1].append(_Element(text if kind == "name" else ""))
    return dict(rules)


def _mark(mark: str, name: str, rules: dict[str, _Rule], inside: list[str]) -> bool:
    """Begin another choice, or a rule called `name`, or end one; False if none is open."""
    here = rules[inside[-1]].choices
    if mark == "|":
        here.append([])
    elif mark == "(":
        here[-1].append(_Element(name))
        inside.append(name)
        rules[name] = _Rule()
    else:
        inside.pop()
    return bool(inside)


def _tokens(grammar: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(grammar):
        found = _TOKEN.match(grammar, at)
        if found is None or found.lastgroup is None:
            return
        if found.lastgroup != "skip":
            yield found.lastgroup, found.group()
        at = found.end()


def _range(text: str) -> tuple[int, int]:
    if text in ("*", "+", "?"):
        return int(text == "+"), 1 if text == "?" else _ENDLESS
    least, comma, most = text.strip("{}").replace(" ", "").partition(",")
    n_least = int(least or 0)
    return n_least, int(most) if most else (_ENDLESS if comma else n_least)


def _too_many(rule: str) -> FormatError:
    return FormatError(
        f"the grammar cannot be used: at the rule {_shown(rule)} more than {MAX_WAYS:,} ways lead "
        "on at once; let every text match it in one way only"
    )


def _shown(rule: str) -> str:
    return "in brackets" if rule.startswith("(") else repr(rule[:80])
