"""Set folders → how the questions are answered, and whether citations hold; prints two tables.

python -m bench.answers SETS... --eval FOLDER [--home FOLDER] [--chat MODEL [--unchecked]]
                        [--limit N] [--json FILE]

FOLDER of --eval holds measures.py, which says what a right and a borne-out answer is. Without
--chat no model is asked, and every answer is the documents' own words. A home is indexed once and
used again (see bench/retrieval.py).

The second table asks of the right answers alone, those that a model wrote apart from those that are
quoted, and per kind of question: does the cited span hold what makes them right?
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from bench.ingest import calm
from bench.machine import describe
from bench.retrieval import beats_of
from bench.retrieval_library import measures_of, opened

COLUMNS = (
    "set", "n", "generated", "extractive", "refused", "refused answerable", "refused unanswerable",
    "right", "marks resolve", "equal their slice", "span holds evidence", "supported", "median s",
    "p95 s",
)  # fmt: skip

RIGHT_COLUMNS = (
    "set", "answers", "kind", "n", "right", "right and cited", "span holds evidence",
    "repetitions left out",
)  # fmt: skip


def main():
    options = _options()
    calm()
    measures = measures_of(options.eval)
    sets = [measures.load_set(one) for one in options.sets if (one / "questions.jsonl").exists()]
    sets = [replace(one, questions=_some(one.questions, options.limit)) for one in sets]
    with tempfile.TemporaryDirectory(prefix="quire-bench-") as temporary:
        home = options.home or Path(temporary)
        with opened(home, sets) as (kb, engine):
            beats = _with_chat(beats_of(kb), engine, options.chat)
            beats = replace(beats, is_small=beats.is_small and not options.unchecked)
            rows = [_row(measures, data, beats, kb) for data in sets]
    print(describe())
    print(f"chat model: {options.chat or 'none, every answer is extractive'}\n")
    print(_table(COLUMNS, rows))
    print(f"\n{_table(RIGHT_COLUMNS, [one for row in rows for one in row['right answers']])}")
    if options.json:
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--eval", type=Path, required=True, help="holds measures.py")
    parser.add_argument("--home", type=Path, help="a library that is kept; default: a new one")
    parser.add_argument("--chat", default="", help="an installed chat model, as smollm2:135m")
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="keep what a small model writes where it is borne out in part, as a larger one's",
    )
    parser.add_argument("--limit", type=int, default=0, help="questions of each set, evenly taken")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _some(questions, limit):
    """Take questions evenly from a list: its parts are of different kinds."""
    step = max(1, -(-len(questions) // limit)) if limit else 1
    return questions[::step]


def _with_chat(beats, engine, model):
    if not model:
        return beats
    from app.compose import _SMALL_PARAMETERS, check_chat, size_of
    from app.generating import chat_of

    return replace(
        beats,
        chat=chat_of(engine),
        chat_model=model,
        is_small=size_of(engine.library, model) < _SMALL_PARAMETERS,
        count_tokens=engine.count_tokens,
        context_length=engine.context_length,
        check_chat=lambda name: check_chat(engine.library, name),
    )


def _row(measures, data, beats, kb):
    """Answer the questions of one set."""
    records, seconds, modes, states = [], [], Counter(), Counter()
    n_exact, n_cited = 0, 0
    for question in data.questions:
        started = time.perf_counter()
        answered = _answered(beats, question, data.name)
        seconds.append(time.perf_counter() - started)
        modes[answered.mode] += 1
        states.update(one.support for one in answered.sentences)
        for one in answered.citations:
            n_cited += 1
            n_exact += kb.text(one.document_id)[one.start : one.end] == one.text
        records.append(
            {
                "answerable": question.answerable,
                "kind": question.kind,
                "mode": answered.mode,
                "is_repeating": any("repeated itself" in one for one in answered.trace.notices),
                "answer": measures.judge_answer(question, _reply(answered), data),
                "answer_s": seconds[-1],
                "timings": dict(answered.timings),
            }
        )
    summary = measures.summarise_answers(records)
    n = len(records)
    return {
        "set": data.name,
        "n": n,
        **{mode: modes[mode] / n for mode in ("generated", "extractive", "refused")},
        "refused answerable": summary["false_refusal"],
        "refused unanswerable": summary["refusal_unanswerable"],
        "right": summary["answer_has_gold"],
        "marks resolve": summary["marks_resolve"],
        "equal their slice": n_exact / n_cited if n_cited else None,
        "span holds evidence": summary["citation_precision"],
        "supported": states["supported"] / states.total() if states else None,
        "median s": summary["p50_s"],
        "p95 s": summary["p95_s"],
        "summary": summary,
        "right answers": list(_right(data.name, records)),
    }


def _right(name, records):
    """Count over right answers alone, generated and quoted apart, whole and per kind."""
    for mode in ("generated", "extractive"):
        mine = [one for one in records if one["mode"] == mode and one["answerable"]]
        kinds = sorted({one["kind"] for one in mine})
        for kind in ["all", *(kinds if len(kinds) > 1 else ())]:
            chosen = [one for one in mine if kind in ("all", one["kind"])]
            cited = sum(one["answer"]["n_right_cited"] for one in chosen)
            borne = sum(one["answer"]["n_borne_out"] for one in chosen)
            yield {
                "set": name,
                "answers": "generated" if mode == "generated" else "quoted",
                "kind": kind,
                "n": len(chosen),
                "right": sum(one["answer"]["n_right"] for one in chosen),
                "right and cited": cited,
                "span holds evidence": borne / cited if cited else None,
                "repetitions left out": sum(one["is_repeating"] for one in chosen),
            }


def _answered(beats, question, collection):
    from app.query.answer import answer
    from app.query.types import Ask, Turn

    history = tuple(Turn(one["role"], one["content"]) for one in question.history)
    *_, done = answer(beats, Ask(question.text, collection, history=history))
    return done.answer


def _reply(answered):
    """Give an answer in the form that the measures read: that of the REST API."""
    return {
        "answer": answered.text,
        "refused": answered.is_refused,
        "mode": answered.mode,
        "sentences": [
            {"text": one.text, "citations": list(one.citations), "support": one.support}
            for one in answered.sentences
        ],
        "citations": [
            {
                "n": one.n,
                "path": one.path,
                "start": one.start,
                "end": one.end,
                "text": one.text,
            }
            for one in answered.citations
        ],
    }


def _table(columns, rows):
    lines = [_line(columns), _line(["---"] * len(columns))]
    lines += [_line([_number(row[name]) for name in columns]) for row in rows]
    return "\n".join(lines)


def _number(value):
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _line(cells):
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
