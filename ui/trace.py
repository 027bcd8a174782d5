"""How an answer came about, as a readable table; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ui.format import clip, plain_html
from ui.shapes import Json, mapping, objects
from ui.words import TABLE, Words

MAX_ROWS = 20  # candidates shown
MAX_NAME = 60  # characters of a path
_NOT_SEARCHED = ("filtered_out", "nothing_stored", "all_gone")  # other words would not help
_LEFT = (  # what the server says of a chunk that is no passage → our words
    (re.compile(r"below top_k"), "left_below"),
    (re.compile(r"duplicate(?: of \d+)?"), "left_duplicate"),
    (re.compile(r"merged into \d+"), "left_merged"),
    (re.compile(r"no room"), "left_no_room"),
    (re.compile(r"deleted"), "left_deleted"),
)


def trace_html(trace: Json, words: Words) -> str:
    """Show the facts of a trace and the passages that were looked at."""
    facts = "".join(
        f"<tr><th>{plain_html(name)}</th><td>{plain_html(text, 1_000)}</td></tr>"
        for name, text in facts_of(trace, words)
        if text
    )
    return f'<table class="q-table">{facts}</table>{_candidates_html(trace, words)}'


def facts_of(trace: Json, words: Words) -> list[tuple[str, str]]:
    """Name what is to be known of an answer, empty where there is nothing."""
    rewritten, budget = mapping(trace, "rewritten"), mapping(trace, "budget")
    prompt = mapping(trace, "prompt")
    share = _float(trace.get("dense_weight"))
    searched = rewritten.get("standalone") if rewritten.get("by") != "none" else ""
    return [
        (words("trace_searched"), str(searched or "")),
        (words("trace_filters"), str(trace.get("filters") or "")),
        (words("trace_why"), why_text(trace, words)),
        (
            words("trace_confidence"),
            words(
                "trace_confidence_text",
                confidence=f"{_float(trace.get('confidence')):.2f}",
                bar=f"{_float(trace.get('bar')):.2f}",
            ),
        ),
        (
            words("trace_legs"),
            words("trace_legs_text", dense=f"{share:.0%}", lexical=f"{1 - share:.0%}"),
        ),
        (words("trace_budget"), words("trace_budget_text", **_counts(budget, "used", "room"))),
        (
            words("trace_prompt"),
            words("trace_prompt_text", **_prompt_counts(prompt)) if prompt else "",
        ),
        (words("trace_gone"), _listed(trace.get("gone"))),
        (words("trace_notices"), _listed(trace.get("notices"))),
        (words("trace_seconds"), _seconds(mapping(trace, "timings"))),
    ]


def why_text(trace: Json, words: Words) -> str:
    """Say why it was answered so; of a reason unknown here, the reason itself."""
    key = f"why_{trace.get('why')}"
    return words(key) if key in TABLE else str(trace.get("why") or "")


def refused_text(trace: Json, words: Words) -> str:
    """Say in Markdown that there is no answer, and what to do; where nothing was searched, why."""
    if trace.get("why") in _NOT_SEARCHED:
        return f"**{why_text(trace, words)}**"
    return f"**{words('refused_answer')}** {words('refused_advice')}"


def left_text(left_out: str, words: Words) -> str:
    """Say why a chunk is no passage of its own; of a reason unknown here, the reason itself."""
    for pattern, key in _LEFT:
        if pattern.fullmatch(left_out) is not None:
            return words(key)
    return left_out


def _candidates_html(trace: Json, words: Words) -> str:
    found = objects(trace, "candidates")
    if not found:
        return ""
    is_reranked = any(mapping(one, "reranked") for one in found)
    names = ["dense", "lexical", "fused", *(["reranked"] if is_reranked else [])]
    titles = ["#", *(words(f"trace_{name}") for name in names), words("trace_use"), ""]
    head = "".join(f"<th>{plain_html(title)}</th>" for title in titles)
    rows = "".join(
        _row_html(rank, one, names, words) for rank, one in enumerate(found[:MAX_ROWS], 1)
    )
    rest = len(found) - MAX_ROWS
    more = plain_html(words("trace_more", n=rest)) if rest > 0 else ""
    return (
        f'<table class="q-table q-ranks"><tr>{head}</tr>{rows}</table>'
        f'<div class="q-muted">{more}</div>'
    )


def _row_html(rank: int, one: Json, names: Sequence[str], words: Words) -> str:
    passage, left = one.get("passage"), str(one.get("left_out") or "")
    used = [words("trace_passage", n=passage)] if passage else []
    told = ", ".join([*used, *([left_text(left, words)] if left else [])])
    page = words("page", page=one["page"]) if one.get("page") else ""
    where = " · ".join(part for part in (clip(str(one.get("path")), MAX_NAME), page) if part)
    cells = [str(rank), *(_place(mapping(one, name)) for name in names), told, where]
    kind = ' class="q-used"' if passage else ""
    return f"<tr{kind}>{''.join(f'<td>{plain_html(cell)}</td>' for cell in cells)}</tr>"


def _place(place: Json) -> str:
    return f"{place.get('rank')} ({_float(place.get('score')):.2f})" if place else "–"


def _counts(data: Json, *names: str) -> Mapping[str, str]:
    return {name: f"{int(_float(data.get(name))):,}" for name in names}


def _prompt_counts(prompt: Json) -> Mapping[str, str]:
    counts = _counts(prompt, "n_tokens", "n_reused", "n_generated")
    return {**counts, "n_reused": "?"} if prompt.get("is_estimated") is True else counts


def _seconds(timings: Json) -> str:
    return ", ".join(f"{beat} {_float(seconds):.2f}" for beat, seconds in timings.items())


def _listed(found: object) -> str:
    return "; ".join(map(str, found)) if isinstance(found, list) else ""


def _float(found: object) -> float:
    return float(found) if isinstance(found, (int, float)) else 0.0
