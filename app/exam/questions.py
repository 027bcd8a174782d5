"""A sentence, a table's row or a heading in, questions that it answers out; pure, by rules alone.

A question never copies its sentence: what it asks for is taken out, and of the rest some words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from app.exam.types import Kind
from app.query.words import cjk_share, content_words, fold

MIN_CHARACTERS, MIN_CHARACTERS_ZH = 30, 12  # shorter sentences say too little to be asked about
MAX_CHARACTERS = 400
MAX_ANSWER = 120
DROPPED = 0.5  # share of the other words that a keyword question leaves out
MIN_WORDS, MAX_WORDS = 3, 7  # of a keyword question

_CJK = "\u3400-\u4dbf\u4e00-\u9fff"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = (
    rf"(?:\d{{1,2}} )?(?:{_MONTHS})(?: \d{{1,2}})?(?:,? \d{{4}})|\d{{1,2}} (?:{_MONTHS})"
    r"|\d{4}-\d{2}-\d{2}|(?:1[0-9]|20)\d{2}"
)
_DATE_ZH = r"\d{2,4}年(?:\d{1,2}月)?(?:\d{1,2}日)?"
_NUMBER = (
    r"(?:[€$£¥] ?)?(?<!\w)\d+(?:[.,:]\d+)*(?: ?%| "
    r"(?!(?:and|or|of|in|to|with|the|at|on|by|from|for)\b)[a-z°]+)?(?!\w)"
)
_NUMBER_ZH = (
    rf"(?<![\w.-])\d+(?:[.,]\d+)*(?=[{_CJK}%])"
    r"|[一二三四五六七八九十百千万两]{1,6}(?=[年天个名座级米公小分件种次人条元])"
)
_NAME = r"(?<=[a-z,;] )(?:[A-Z][\w-]+)(?: (?:of |the |de |van |von )?[A-Z][\w-]+)*"
_NAME_ZH = r"(?<=《)[^》]{2,20}(?=》)|(?<=“)[^”]{2,20}(?=”)"
_SUBJECT = r"(?P<s>(?:The |the )?[A-Z0-9][\w'’().-]*(?: [\w'’().-]+){0,7}?)"
_DEED = (
    "founded|opened|built|established|published|released|completed|introduced|created|launched|"
    "signed|discovered|invented|designed|written|developed|elected|appointed|formed|adopted"
)
_HOW_TO = re.compile(r"^(?:\W*\d[\d.]*\s+)?how to (?P<what>.+?)[.:]?$", re.IGNORECASE)
_ASKING_ZH = re.compile(r"^(?:如何|怎么|怎样|为什么|什么)")
_LEANING = re.compile(
    r"^(?:it|its|he|she|his|her|they|their|this|that|these|those|there|both|such|here)\b"
    r"|^(?:它|他|她|其|该|这|那|此|共|全|并|同时|首)",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"[€$£¥]?[\d一二三四五六七八九十百千万两]")
_RULE_ROW = re.compile(r"[\s|:\-\u2500-\u257f]+")

# pattern → question; `a` is the answer, `s` what is asked about, `v` the deed
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), question)
    for pattern, question in (
        (rf"^{_SUBJECT} was born (?:on|in) (?P<a>{_DATE})", "When was {s} born?"),
        (rf"^{_SUBJECT} was born in (?P<a>[^,.;0-9]{{3,60}}?)(?= in \d| on \d|[,.;])",
         "Where was {s} born?"),
        (rf"^{_SUBJECT} died (?:on|in) (?P<a>{_DATE})", "When did {s} die?"),
        (rf"^{_SUBJECT} (?P<h>was|were) (?P<v>{_DEED}) (?:on|in) (?P<a>{_DATE})",
         "When {h} {s} {v}?"),
        (rf"^{_SUBJECT} (?P<h>was|were) (?P<v>{_DEED})(?: in [^,.;]{{1,40}}?)? by "
         rf"(?P<a>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)", "By whom {h} {s} {v}?"),
        (rf"^{_SUBJECT} (?P<h>is|are|was) (?:located|situated) in (?P<a>[^,.;]{{3,60}})",
         "Where {h} {s} located?"),
        (rf"^{_SUBJECT} (?P<v>has|have|had|contains?|weighs?|costs?) (?P<a>[€$£¥]?\d[\d.,]*\d|\d) "
         r"(?P<u>[a-z]+)", "How many {u} does {s} have?"),
        (rf"^{_SUBJECT} is (?P<a>(?:an?|the) [^.;]{{12,100}})", "What is {s}?"),
        (rf"^(?P<s>[^，。；、]{{2,24}}?)(?:于|在)(?P<a>{_DATE_ZH})(?P<v>[{_CJK}]{{2,8}})(?=[，。；、]|$)",
         "{s}是什么时候{v}的？"),
        (r"^(?P<s>[^，。；、]{2,24}?)(?:位于|坐落于|设在)(?P<a>[^，。；]{2,30})", "{s}位于哪里？"),
        (rf"^(?P<s>[^，。；、]{{2,24}}?)由(?P<a>[{_CJK}A-Za-z·]{{2,20}}?)"
         r"(?P<v>设计|创立|创办|运营|开发|建造|出版|提出|发明|编写|整理)", "{s}由谁{v}？"),
        (rf"^(?![在于从也由其而但如若因当])(?P<s>[{_CJK}A-Za-z0-9·“”《》 -]{{2,16}}?)"
         r"(?<![不就都还也只正为本要但便])是(?P<a>[^，。；]{3,40})",
         "{s}是什么？"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it is numbered; the offsets count in the text that it was made of."""

    kind: Kind
    question: str
    answer: str
    start: int
    end: int
    thing: str = ""  # what it asks about, for a twin that asks about nothing that there is


def from_sentence(text: str, start: int, end: int, context: str, rng: Random) -> list[Draft]:
    """Make the questions that the sentence `start:end` answers; none if it carries no fact.

    Args:
        context: heading or title, said along where the sentence leans on what stands above it.
    """
    said = " ".join(text[start:end].split())
    is_cjk = cjk_share(said) > 0.3
    shortest = MIN_CHARACTERS_ZH if is_cjk else MIN_CHARACTERS
    if not shortest <= len(said) <= MAX_CHARACTERS or "|" in said:
        return []
    found: list[Draft] = []
    is_leaning = bool(_LEANING.match(said))
    for question, answer, thing in [] if is_leaning else _asked(said):
        found.append(Draft("wh", question, answer, start, end, thing))
    answer = _fact(said, is_cjk, rng)
    if answer:
        lead = context if is_leaning or len(content_words(said)) < MIN_WORDS + 2 else ""
        make = _cloze_zh if is_cjk else _cloze
        for kind, question in make(said, answer, lead, rng):
            if not _gives_away(question, answer) and not _copies(question, said):
                found.append(Draft(kind, question, answer, start, end, _thing_in(question)))
    return found


def from_heading(heading: str, text: str, start: int, end: int) -> Draft | None:
    """Make a question of a heading that asks for what stands below it; else None."""
    said = heading.strip()
    answer = " ".join(text[start:end].split())[:MAX_ANSWER]
    if not answer:
        return None
    if how := _HOW_TO.match(said):
        return Draft("heading", f"How do I {how['what']}?", answer, start, end)
    is_question = said.endswith(("?", "？")) and 8 <= len(said) <= 120
    if is_question or _ASKING_ZH.match(said):
        question = said if is_question else f"{said}？"
        return Draft("heading", question, answer, start, end)
    return None


def from_table(text: str, start: int, end: int, context: str) -> Iterator[Draft]:
    """Ask for cells by column and row, of every table whose rows are lines with bars."""
    rows: list[tuple[int, int, list[str]]] = []
    at = start
    for line in text[start:end].split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if "|" not in line:
            yield from _rows(rows, context)
            rows = []
        elif not _RULE_ROW.fullmatch(line):
            left = at + len(line) - len(line.lstrip())
            rows.append((left, left + len(line.strip()), cells))
        at += len(line) + 1
    yield from _rows(rows, context)


def swapped(draft: Draft, rng: Random, is_held: Callable[[str], bool]) -> str | None:
    """Ask the same about a thing that the library does not hold; None if there is no such thing.

    Args:
        is_held: whether any document holds a word.
    """
    thing = draft.thing
    if not thing or thing not in draft.question:
        return None
    for _ in range(8):
        other = _invented(thing, rng)
        if not is_held(other):
            return draft.question.replace(thing, other)
    return None


def _asked(said: str) -> Iterator[tuple[str, str, str]]:
    """Yield (question, answer, thing) for the first pattern that fits."""
    for pattern, question in _PATTERNS:
        match = pattern.search(said)
        if match is None:
            continue
        groups = match.groupdict()
        answer, thing = groups["a"].strip(), groups["s"].strip()
        if thing.startswith("The "):
            groups["s"] = "the " + thing.removeprefix("The ")
        if thing.casefold() not in _PRONOUNS and not _gives_away(question.format(**groups), answer):
            yield question.format(**groups), answer, thing.removeprefix("The ")
            return


_PRONOUNS = frozenset(["it", "he", "she", "they", "this", "that", "there", "we", "i", "you", "who"])


def _fact(said: str, is_cjk: bool, rng: Random) -> str:
    """Choose the fact of a sentence: a date before a number before a name."""
    kinds = (_DATE_ZH, _NUMBER_ZH, _NAME_ZH) if is_cjk else (_DATE, _NUMBER, _NAME)
    for kind in kinds:
        found = [match.group().strip() for match in re.finditer(kind, said)]
        found = [one for one in found if 0 < len(one) <= MAX_ANSWER // 2]
        if found:
            return rng.choice(found)
    return ""


def _cloze(said: str, answer: str, lead: str, rng: Random) -> Iterator[tuple[Kind, str]]:
    """Ask in English: for the missing words, and by keywords in another order."""
    before, _, after = said.partition(answer)
    rest = f"{before.rstrip()} … {after.strip()}"
    words = content_words(f"{before} {after}")
    if len(words) < MIN_WORDS:
        return
    # A clause is enough: the whole sentence with a gap would find itself word by word.
    clause = min((one for one in re.split(r"(?<=[,;:]) ", rest) if "…" in one), key=len)
    if len(content_words(clause)) >= MIN_WORDS:
        clause = clause.strip(" ,;:.")
        yield "cloze", f"{lead}: {clause}?" if lead else f"{clause}?"
    kept = _thinned(words, rng)
    yield "keywords", " ".join([*([lead] if lead else []), *kept])


def _cloze_zh(said: str, answer: str, lead: str, rng: Random) -> Iterator[tuple[Kind, str]]:
    """Ask in Chinese: the clause that holds the fact, with a word that asks in its place."""
    clauses = re.split(r"[，。；：、]", said)
    at = next((n for n, clause in enumerate(clauses) if answer in clause), None)
    if at is None:
        return
    asking = "什么时候" if re.fullmatch(_DATE_ZH, answer) else "多少"
    if not _COUNTED.match(answer):
        asking = "什么"
    clause = clauses[at].replace(answer, asking, 1).strip("“”《》 ")
    if len(clause) >= len(asking) + 3:
        subject = lead or (clauses[0][:16] if at > 0 else "")
        yield "cloze", f"{subject}，{clause}？" if subject else f"{clause}？"
    words = [
        word for other in clauses for word in content_words(other.replace(answer, " ", 1)) if word
    ]
    if len(words) >= MIN_WORDS:
        yield "keywords", " ".join([*([lead] if lead else []), *_thinned(words, rng)])


def _thinned(words: Sequence[str], rng: Random) -> list[str]:
    """Leave half of the words out and put the rest in another order."""
    n_kept = max(MIN_WORDS, min(MAX_WORDS, round(len(words) * (1 - DROPPED))))
    return rng.sample(words, min(len(words), n_kept))


def _rows(rows: Sequence[tuple[int, int, list[str]]], context: str) -> Iterator[Draft]:
    if len(rows) < 2:
        return
    header = rows[0][2]
    for at, (start, end, cells) in enumerate(rows[1:]):
        name = cells[0]
        if len(cells) != len(header) or len(cells) < 2 or not name:
            continue
        column = 1 + at % (len(header) - 1)  # each row is asked for another column
        label, answer = header[column], cells[column]
        if not label or not answer or len(answer) > MAX_ANSWER or answer in (name, label):
            continue
        if cjk_share(label + name) > 0.3:
            asking = "多少" if _COUNTED.match(answer) else "什么"
            lead = f"{context}：" if context else ""
            question = f"{lead}{name}的{label}是{asking}？"
        else:
            where = f" ({context})" if context else ""
            question = f"What is the {label} for {name}?{where}"
        yield Draft("table", question, answer, start, end, name)


def _thing_in(question: str) -> str:
    """Find what a question is about: its longest name, code or number, else its longest word."""
    words = content_words(question)
    named = [word for word in words if word[:1].isupper() or any(map(str.isdigit, word))]
    return max(named or words, key=lambda word: (len(word), word), default="")


def _invented(thing: str, rng: Random) -> str:
    """Make a name up, in the script of the one that it stands for."""
    if cjk_share(thing) > 0.5:
        return "".join(rng.choice("霁翊澍琰珩淼骞昱瑭禛焱璟翀甯弈") for _ in range(3))
    if thing.isdigit():
        return str(rng.randrange(10_000, 99_999))
    syllables = ("vel", "mor", "zan", "thi", "quo", "bri", "lux", "dra", "fen", "osk", "ymr", "pau")
    return "".join(rng.sample(syllables, 3)).capitalize()


def _gives_away(question: str, answer: str) -> bool:
    return fold(answer) in fold(question)


def _copies(question: str, said: str) -> bool:
    """Whether a question is its sentence but for a few letters."""
    return len(question) > 0.9 * len(said) and fold(question.strip("?？")) in fold(said)
