"""`quire explain`: at which stage a file was lost; and the trace of an answer, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.ask import TopOption
from app.cli.documents import CollectionOption, JsonOption
from app.cli.format import table
from app.cli.session import client_of

if TYPE_CHECKING:
    from app.api.query_wire import CandidateOut, PlaceOut, PromptOut, TraceOut

_MARKS = {"passed": "✓", "weak": "~", "lost": "✗", "skipped": "-"}
_MAX_ROWS = 20  # candidates shown; --json has all
_PATH_WIDTH = 40


def explain(
    question: Annotated[list[str], typer.Argument(help="The question.")],
    file: Annotated[
        str, typer.Option("--file", "-f", help="The file that is missed: a path, its end, a glob.")
    ],
    collection: CollectionOption = "default",
    top_k: TopOption = 5,
    model: Annotated[str, typer.Option("--model", help="Another chat model.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell why an answer does not use a file: at which stage it was lost, and what to do."""
    from app.api.query_wire import ExplanationOut

    body: dict[str, object] = {
        "question": " ".join(question),
        "file": file,
        "collection": collection,
        "top_k": top_k,
        "model": model,
    }
    with client_of("answers") as client:
        told = client.post("/kb/explain", body, ExplanationOut)
    if as_json:
        print(told.model_dump_json())
        return
    for stage in told.stages:
        print(f"{_MARKS.get(stage.state, ' ')} {stage.name:<8} {stage.text}")
    print(f"\n{told.advice}")


def trace_text(trace: TraceOut) -> str:
    """Put the way of an answer into readable lines."""
    from app.query.trace import reason_text

    budget, prompt = trace.budget, trace.prompt
    facts = [
        ("asked", trace.question),
        ("searched for", trace.rewritten.standalone if trace.rewritten.by != "none" else ""),
        ("asked in parts", " | ".join(trace.rewritten.queries)),
        ("rewritten by", trace.rewritten.by if trace.rewritten.by != "none" else ""),
        ("rewrite dropped", trace.rewritten.dropped),
        ("filters", trace.filters),
        ("share of meaning", f"{trace.dense_weight:.0%}, of words {1 - trace.dense_weight:.0%}"),
        ("confidence", f"{trace.confidence:.3f} (refused below {trace.bar:.3f})"),
        (
            "passages",
            f"{budget.used:,} of {budget.room:,} tokens"
            + (f" (context {budget.context:,})" if budget.context else "")
            + (f", {budget.left_out} left out" if budget.left_out else ""),
        ),
        (
            "prompt",
            _prompt_text(prompt) if prompt else "no chat model was asked",
        ),
        ("answer", f"{trace.mode}: {reason_text(trace.why, trace.confidence, trace.bar)}"),
        ("model", trace.model),
        ("deleted meanwhile", ", ".join(trace.gone)),
        ("notices", "; ".join(trace.notices)),
        ("seconds", ", ".join(f"{beat} {s:.3f}" for beat, s in trace.timings.items())),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name:<{width}}  {text}" for name, text in facts if text]
    shown = trace.candidates[:_MAX_ROWS]
    is_reranked = any(one.reranked for one in shown)
    legs = ("MEANING", "WORDS", "FUSED", *(("RERANKED",) if is_reranked else ()))
    header = ("#", *legs, "USED AS", "WHERE")
    rows = [_row(rank, one, is_reranked=is_reranked) for rank, one in enumerate(shown, 1)]
    rest = len(trace.candidates) - len(rows)
    more = [f"and {rest} more; --json has all"] if rest > 0 else []
    return "\n".join([*lines, "", table(header, rows), *more])


def _prompt_text(prompt: PromptOut) -> str:
    if prompt.is_estimated:
        return (
            f"version {prompt.version}, about {prompt.n_tokens:,} tokens, "
            f"{prompt.n_generated:,} written before the model was stopped"
        )
    return (
        f"version {prompt.version}, {prompt.n_tokens:,} tokens, {prompt.n_reused:,} of them "
        f"from the cache, {prompt.n_generated:,} written"
    )


def _row(rank: int, one: CandidateOut, *, is_reranked: bool) -> tuple[str, ...]:
    path = one.path if len(one.path) <= _PATH_WIDTH else f"…{one.path[1 - _PATH_WIDTH :]}"
    page = f" p.{one.page}" if one.page else ""
    used = f"passage {one.passage}" if one.passage else ""
    return (
        str(rank),
        _place(one.dense),
        _place(one.lexical),
        _place(one.fused),
        *((_place(one.reranked),) if is_reranked else ()),
        ", ".join(part for part in (used, one.left_out) if part),
        f"{path}{page} {one.start}-{one.end}",
    )


def _place(place: PlaceOut | None) -> str:
    return f"{place.rank} ({place.score:.3f})" if place else "-"
