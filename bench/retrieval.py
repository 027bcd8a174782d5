"""Set folders → how well they are searched, beside the baselines; prints one table, in process.

python -m bench.retrieval SETS... --eval FOLDER [--home FOLDER] [--together NAME ...]
                          [--baseline FILE --model FOLDER] [--leave-out PART ...] [--json FILE]

FOLDER of --eval holds measures.py, which says what the columns mean, and the script of the
baselines. A home is indexed once and used again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.ingest import calm
from bench.machine import describe
from bench.retrieval_library import TOGETHER, measures_of, opened

DEPTH = 10
K = 5
COLUMNS = (
    "n", "hit@1", "hit@5", "mrr@10", "recall", "precision", "iou", "chars",
    "auroc_far", "auroc_near",
)  # fmt: skip
PARTS = ("dense", "lexical", "weighing", "widening")  # what can be left out
MISSES = 0.85  # of the best baseline's that there may be
N_DRAWS = 2000


def main():
    options = _options()
    calm()
    measures = measures_of(options.eval)
    sets = [measures.load_set(one) for one in options.sets if (one / "questions.jsonl").exists()]
    with tempfile.TemporaryDirectory(prefix="quire-bench-") as temporary:
        home = options.home or Path(temporary)
        with opened(home, sets, options.together) as (kb, engine):
            rows = list(_rows(kb, engine, sets, measures, options))
    baselines = _baselines(options) if options.baseline else []
    print(describe())
    print(_table(rows, baselines))
    if options.json:
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--eval", type=Path, required=True, help="holds measures.py")
    parser.add_argument("--home", type=Path, help="a library that is kept; default: a new one")
    parser.add_argument("--together", nargs="+", default=(), metavar="NAME")
    parser.add_argument("--baseline", type=Path, help="JSON of the baselines; made if missing")
    parser.add_argument("--model", help="sentence-transformers folder, to make the baselines")
    parser.add_argument("--leave-out", nargs="+", default=(), choices=PARTS, metavar="PART")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _rows(kb, engine, sets, measures, options):
    """Measure each set alone, then those that lie together in one collection."""
    asked = [(data, data.name) for data in sets]
    asked += [(data, TOGETHER) for data in sets if data.name in options.together]
    for data, collection in asked:
        found = {"ours": {}, "dense leg": {}, "lexical leg": {}}
        found |= {f"without {part}": {} for part in options.leave_out}
        for question in data.questions:
            for name, hits in _searched(kb, question, collection, options.leave_out).items():
                found[name][question.id] = hits
        records = {
            name: [_record(measures, data, one, hits[one.id]) for one in data.questions]
            for name, hits in found.items()
        }
        for name, mine in records.items():
            summary = measures.summarise(mine)
            _say(f"{collection}, {data.name}: {_line(_cells(name, summary['all']))}")
            yield {
                "set": data.name,
                "together": collection == TOGETHER,
                "variant": name,
                "summary": summary,
                **({"against legs": _against(records)} if name == "ours" else {}),
            }


def _searched(kb, question, collection, left_out):
    """Search once by each way: the real path, either leg, and the path with a part left out."""
    from app.query.answer import search
    from app.query.types import Ask, Turn

    history = tuple(Turn(one["role"], one["content"]) for one in question.history)
    ask = Ask(question.text, collection, DEPTH, history)
    beats = _remembering(beats_of(kb))
    rewritten, ours = search(beats, ask)
    query = rewritten.standalone
    found = {
        "ours": ours,
        "dense leg": beats.dense(collection, query, 50, None)[:DEPTH],
        "lexical leg": beats.lexical(collection, query, 50, None)[:DEPTH],
    }
    for part in left_out:
        found[f"without {part}"] = _without(part, beats, ask, rewritten)
    return found


def _without(part, beats, ask, rewritten):
    from dataclasses import replace

    from app.query.retrieve import retrieve
    from app.query.widen import widened

    if part in ("dense", "lexical"):
        beats = replace(beats, **{part: lambda *asked: []})
    hits = retrieve(beats, ask, rewritten, is_weighed=part != "weighing").hits
    return list(hits[:DEPTH]) if part == "widening" else widened(hits, beats.text, DEPTH)


def beats_of(kb):
    """Tie the search to a library, without chat model and reranker."""
    from app.compose import all_documents
    from app.query.beats import Beats

    return Beats(
        check_collection=kb.collection,
        documents=lambda collection: all_documents(kb, collection),
        dense=lambda name, query, k, ids: kb.nearest(name, query, k, document_ids=ids),
        lexical=lambda name, query, k, ids: kb.lexical(name, query, k, document_ids=ids),
        text=kb.text,
        count_tokens=lambda model, texts: [len(text) // 3 + 1 for text in texts],
        context_length=lambda model: 4096,
        check_chat=lambda model: None,
        embedding_model=lambda name: kb.collection(name).model,
    )


def _remembering(beats):
    """Ask each leg and each text once."""
    from dataclasses import replace
    from functools import cache

    return replace(
        beats, dense=cache(beats.dense), lexical=cache(beats.lexical), text=cache(beats.text)
    )


def _record(measures, data, question, hits):
    found = [measures.Hit(one.path, one.text, one.start, one.end, one.score) for one in hits]
    return {
        "id": question.id, "lang": question.lang, "format": question.format, "kind": question.kind,
        "file": question.file, "answerable": question.answerable,
        "top_score": found[0].score if found else 0.0,
        "measures": measures.judge(question, found, data, K) if question.answerable else {},
    }  # fmt: skip


def _against(records):
    """Draw questions anew, many times: how far is ours from its better leg."""
    told = {}
    for measure in ("hit@1", f"hit@{K}"):
        values = {
            name: np.array([one["measures"][measure] for one in mine if one["answerable"]])
            for name, mine in records.items()
        }
        better = max(("dense leg", "lexical leg"), key=lambda name: values[name].mean())
        told[measure] = {"leg": better, **paired(values["ours"] - values[better])}
    return told


def paired(differences, seed=7):
    """Tell mean and 95 % interval of paired differences by bootstrap."""
    draw = np.random.default_rng(seed)
    n = len(differences)
    means = differences[draw.integers(0, n, (N_DRAWS, n))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {"mean": float(differences.mean()), "low": float(low), "high": float(high)}


def _baselines(options):
    """Read what the baselines reach; run their script first if there is nothing to read."""
    if not options.baseline.exists():
        script = options.eval / "baseline_langchain.py"
        command = [sys.executable, script, *options.sets, "--model", options.model]
        if options.together:
            command += ["--together", ",".join(options.together)]
        command += ["--json", options.baseline]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}  # noqa: TID251
        subprocess.run([str(one) for one in command], check=True, env=environment)
    rows = json.loads(options.baseline.read_text(encoding="utf-8"))
    return [
        {
            "set": row["set"].partition(" ")[0],
            "together": "in one index" in row["set"],
            "variant": row["leg"],
            "summary": row["retrieval"],
        }
        for row in rows
        if row["chunks"] == "1000/200" and row["asking"] == "last message"
    ]


def _table(rows, baselines):
    lines = []
    for key in dict.fromkeys((row["set"], row["together"]) for row in rows):
        mine, theirs = (
            [row for row in some if (row["set"], row["together"]) == key]
            for some in (rows, baselines)
        )
        together = " (with the others in one collection)" if key[1] else ""
        lines += ["", f"### {key[0]}{together}", "", _line(["", *COLUMNS])]
        lines.append(_line(["---"] * (len(COLUMNS) + 1)))
        lines += [_line(_cells(row["variant"], row["summary"]["all"])) for row in mine]
        lines += [
            _line(_cells(f"1000/200 {one['variant']}", one["summary"]["all"])) for one in theirs
        ]
        lines += _groups(mine[0]["summary"])
        lines += ["", *_verdicts(mine[0], theirs)]
    return "\n".join(lines)


def _groups(summary):
    groups = [name for name in summary if name != "all" and not name.startswith("file=")]
    return [_line(_cells(f"ours, {name}", summary[name])) for name in groups]


def _verdicts(ours, baselines):
    """Say how many of the best baseline's misses are left, and how ours stands to its legs."""
    for measure, told in ours["against legs"].items():
        yield (
            f"{measure} against its better leg ({told['leg']}): {told['mean']:+.4f} "
            f"[{told['low']:+.4f}, {told['high']:+.4f}]"
        )
        if baselines:
            best = max(one["summary"]["all"][measure] for one in baselines)
            missed = 1 - ours["summary"]["all"][measure]
            share = f"{missed / (1 - best):.2f}" if best < 1 else "none to compare with"
            yield (
                f"misses by {measure}: {missed:.4f}, best baseline {1 - best:.4f}, "
                f"share {share} (bar {MISSES})"
            )


def _cells(name, measured):
    return [
        name,
        *("-" if measured.get(one) is None else _number(measured[one]) for one in COLUMNS),
    ]


def _number(value):
    return str(round(value)) if value >= 10 or isinstance(value, int) else f"{value:.4f}"


def _say(line):
    print(line, file=sys.stderr, flush=True)


def _line(cells):
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
