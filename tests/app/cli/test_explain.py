"""What `quire explain` and `quire ask --trace` print."""

from __future__ import annotations

import json
from contextlib import nullcontext

from typer.testing import CliRunner

from app.api.query_wire import AnswerOut, ExplanationOut, RewrittenOut, StageOut, TraceOut
from app.cli.ask import tell_answer
from app.cli.explain import trace_text
from app.cli.main import build

TOLD = ExplanationOut(
    question="Where was Tesla born?",
    file="tesla.md",
    paths=["notes/tesla.md"],
    stages=[
        StageOut(name="stored", state="passed", text="notes/tesla.md is in “c”."),
        StageOut(name="fused", state="lost", text="Both together put it at rank 9."),
    ],
    lost_at="fused",
    advice="Raise --top-k to 9.",
)


def trace(**changes):
    found = {
        "chunk_id": 7,
        "document_id": "d",
        "path": "notes/tesla.md",
        "title": "Tesla",
        "page": 3,
        "start": 10,
        "end": 90,
        "dense": {"rank": 2, "score": 0.61},
        "lexical": None,
        "fused": {"rank": 1, "score": 0.55},
        "reranked": None,
        "passage": 1,
        "left_out": "merged into 1",
    }
    whole = {
        "question": "Where was he born?",
        "rewritten": {"standalone": "Where was Tesla born?", "keywords": "", "by": "rule"},
        "filters": "file:*.md",
        "candidates": [found],
        "dense_weight": 0.4,
        "confidence": 0.512,
        "bar": 0.3,
        "budget": {"context": 4096, "room": 3000, "used": 120, "left_out": 2},
        "prompt": {"version": 1, "n_tokens": 700, "n_reused": 512, "n_generated": 20},
        "model": "big:7b",
        "mode": "generated",
        "why": "borne_out",
        "gone": [],
        "notices": [],
        "timings": {"retrieve": 0.02, "generate": 1.5},
    }
    return TraceOut.model_validate({**whole, **changes})


def test_stages_are_printed_one_a_line_with_the_advice_last(monkeypatch):
    asked = []

    class Explaining:
        def post(self, path, body, shape):
            asked.append((path, body))
            return shape.model_validate(TOLD.model_dump())

    monkeypatch.setattr("app.cli.explain.client_of", lambda needs: nullcontext(Explaining()))

    words = ["explain", "Where was", "Tesla born?", "--file", "tesla.md", "-k", "3"]
    result = CliRunner().invoke(build(), words)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("✓ stored ")
    assert lines[1].startswith("✗ fused ")
    assert lines[-1] == "Raise --top-k to 9."
    path, body = asked[0]
    assert path == "/kb/explain"
    assert (body["question"], body["file"], body["top_k"]) == (
        "Where was Tesla born?",
        "tesla.md",
        3,
    )


def test_a_trace_is_readable():
    text = trace_text(trace())

    assert "searched for       Where was Tesla born?" in text
    assert "120 of 3,000 tokens (context 4,096), 2 left out" in text
    assert "700 tokens, 512 of them from the cache, 20 written" in text
    assert "generated: every sentence is borne out" in text
    assert "2 (0.610)" in text
    assert "RERANKED" not in text
    assert "passage 1, merged into 1" in text
    assert "notes/tesla.md p.3 10-90" in text


def test_what_did_not_happen_is_not_told():
    plain = {"standalone": "Where was he born?", "keywords": "", "by": "none"}

    text = trace_text(trace(rewritten=plain, filters="", prompt=None, candidates=[]))

    assert "searched for" not in text
    assert "filters" not in text
    assert "no chat model was asked" in text


class Server:
    def events(self, path, body):
        yield "token", json.dumps({"text": "In Smiljan."})
        answer = AnswerOut(
            answer="In Smiljan.",
            sentences=[],
            citations=[],
            refused=False,
            mode="generated",
            passages=[],
            rewritten=RewrittenOut(standalone="", keywords="", by="none"),
            timings={},
            models={},
            notices=["ranked without the reranker: no such folder"],
            trace=trace(),
        )
        yield "sentence", "{}"
        yield "done", answer.model_dump_json()


def test_the_trace_comes_only_if_asked_for_and_notices_always(capsys):
    tell_answer(Server(), {})
    plain = capsys.readouterr()
    tell_answer(Server(), {}, is_traced=True)

    assert "MEANING" not in plain.out
    assert "ranked without the reranker" in plain.err
    assert "MEANING" in capsys.readouterr().out


def test_of_a_model_that_was_stopped_nobody_knows_what_it_reused():
    prompt = {"version": 1, "n_tokens": 700, "n_reused": 0, "n_generated": 20}

    text = trace_text(trace(prompt={**prompt, "is_estimated": True}))

    assert "about 700 tokens" in text
    assert "cache" not in text
