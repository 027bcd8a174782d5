"""The name of an embedding model in, what its makers put before texts out; pure.

A model that was trained with prefixes finds clearly less without them, and nothing says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEARCH_EN = "Represent this sentence for searching relevant passages: "
_SEARCH_ZH = "为这个句子生成表示以用于检索相关文章："
_INSTRUCT = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What is put before a text before it is embedded."""

    document: str = ""
    query: str = ""


# The first pattern found in the model's name decides, so narrower ones stand first.
# Source: the model cards of the families.
_FAMILIES = (
    (r"nomic-embed-text", Prefixes("search_document: ", "search_query: ")),
    (r"\be5\b.*(instruct|mistral)|\be5-mistral", Prefixes("", _INSTRUCT)),
    (r"\be5\b", Prefixes("passage: ", "query: ")),
    (r"qwen3-embedding", Prefixes("", _INSTRUCT)),
    (r"embeddinggemma", Prefixes("title: none | text: ", "task: search result | query: ")),
    (r"snowflake-arctic-embed(2|-[a-z]-v2)", Prefixes("", "query: ")),
    (r"mxbai-embed|snowflake-arctic-embed", Prefixes("", _SEARCH_EN)),
    (r"bge-m3", Prefixes()),
    (r"\bbge\b.*\bzh\b", Prefixes("", _SEARCH_ZH)),
    (r"\bbge\b", Prefixes("", _SEARCH_EN)),
)


def prefixes_of(model: str) -> Prefixes:
    """Look up the prefixes of a model's family; unknown families have none."""
    name = model.casefold()
    found = (prefixes for pattern, prefixes in _FAMILIES if re.search(pattern, name))
    return next(found, Prefixes())
