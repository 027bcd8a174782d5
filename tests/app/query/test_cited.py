"""llama.cpp's own parser takes the grammar, and its sampler what the grammar allows."""

from __future__ import annotations

import pytest

from app.query.cited import marks_grammar
from app.query.types import Passage
from engine.library.store import Library
from engine.runtime.llama import Model
from engine.types import Options
from tests.engine.replies.test_grammars import allows


def passages(*texts):
    return [
        Passage(n, "a", "a.md", "", None, (), 0, len(text), text, 0.5)
        for n, text in enumerate(texts, 1)
    ]


@pytest.fixture(scope="module")
def model(starter_models):
    path = Library(starter_models).find("smollm2:135m").model_path
    with Model(path, Options(num_gpu=0)) as opened:
        yield opened


@pytest.mark.parametrize(
    "text",
    [
        "Tesla was born in Smiljan. [1]",
        'Two sources. [1][12]\n\n- a list (1856) {x} "quoted" [3]',
        "上海轨道交通16号线于2013年开通。[2]",
        "No mark at all.",
        "",
    ],
)
def test_text_with_marks_that_exist_is_allowed(model, text):
    assert allows(model, marks_grammar(passages(*["text"] * 12)), text)


@pytest.mark.parametrize(
    "text", ["Born in 1856. [13]", "[0]", "[1, 2]", "[source 1]", "[x](y)", "【1】", "[99]", "[]"]
)
def test_no_other_mark_can_be_written(model, text):
    assert not allows(model, marks_grammar(passages(*["text"] * 12)), text, is_whole=False)


def test_an_answer_cannot_end_within_a_mark(model):
    grammar = marks_grammar(passages("text"))

    assert allows(model, grammar, "Born. [1", is_whole=False)
    assert not allows(model, grammar, "Born. [1")


@pytest.mark.parametrize("texts", [[], ["plain", "total = sums[0] + rest"]])
def test_code_is_not_forced_to_cite_where_it_indexes(texts):
    assert marks_grammar(passages(*texts)) is None
