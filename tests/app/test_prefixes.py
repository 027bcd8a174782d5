"""Prefixes by family of embedding model."""

from __future__ import annotations

import pytest

from app.prefixes import Prefixes, prefixes_of

ENGLISH = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("nomic-embed-text:latest", Prefixes("search_document: ", "search_query: ")),
        ("Nomic-Embed-Text:v1.5", Prefixes("search_document: ", "search_query: ")),
        ("me/nomic-embed-text-v2-moe:latest", Prefixes("search_document: ", "search_query: ")),
        ("all-minilm:latest", Prefixes()),
        ("multilingual-e5-large:latest", Prefixes("passage: ", "query: ")),
        ("hf.co/u/e5-small-v2:Q8_0", Prefixes("passage: ", "query: ")),
        ("mxbai-embed-large:latest", Prefixes("", ENGLISH)),
        ("snowflake-arctic-embed:33m", Prefixes("", ENGLISH)),
        ("snowflake-arctic-embed2:latest", Prefixes("", "query: ")),
        ("bge-large:335m", Prefixes("", ENGLISH)),
        ("bge-small-en-v1.5:latest", Prefixes("", ENGLISH)),
        ("bge-small-zh-v1.5:latest", Prefixes("", "为这个句子生成表示以用于检索相关文章：")),
        ("bge-m3:latest", Prefixes()),
        ("paraphrase-multilingual:latest", Prefixes()),
        ("something-new:1b", Prefixes()),
    ],
)
def test_every_family_gets_its_own_prefixes(model, expected):
    assert prefixes_of(model) == expected


def test_instruction_models_put_it_before_queries_alone():
    prefixes = prefixes_of("qwen3-embedding:0.6b")

    assert prefixes.document == ""
    assert prefixes.query.startswith("Instruct: ")
