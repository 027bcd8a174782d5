"""A query and a document in, the tokens out that a reranker scores."""

from __future__ import annotations

import re

from engine.errors import RequestError
from engine.runtime.llama import Model

_SLOT = re.compile(r"\{(query|document)\}")
_MAX_CUTS = 16  # each takes away at least one token; two are the rule


def encode_pair(model: Model, query: str, document: str, n_ctx: int) -> list[int]:
    """Write a pair as the model wants it; a document that is too long loses its end.

    A model with a chat template named "rerank" wants that text, another one the bare pair with
    its own tokens around.

    Raises:
        RequestError: the query leaves no room for a document.
    Source: llama.cpp, tools/server/server-common.cpp, `format_prompt_rerank`.
    """
    template = model.chat_template("rerank")
    if template is None:
        return _encode_bare(model, query, document, n_ctx)
    tokens = _encode_template(model, template, query, document)
    words = model.tokenize(document, add_special=False, parse_special=False)
    for _ in range(_MAX_CUTS):
        n_over = len(tokens) - n_ctx
        if n_over <= 0:
            return tokens
        words = words[: max(0, len(words) - n_over)]
        if not words:
            break
        document = b"".join(model.piece(one) for one in words).decode("utf-8", "ignore")
        tokens = _encode_template(model, template, query, document)
    raise _too_long(len(tokens), n_ctx)


def _encode_bare(model: Model, query: str, document: str, n_ctx: int) -> list[int]:
    marks = model.pair_marks()
    asked = model.tokenize(query, add_special=False, parse_special=False)
    told = model.tokenize(document, add_special=False, parse_special=False)
    head = [*marks.begin, *asked, *marks.between]
    room = n_ctx - len(head) - len(marks.end)
    if room < min(1, len(told)):
        raise _too_long(len(head) + len(marks.end) + 1, n_ctx)
    return [*head, *told[:room], *marks.end]


def _encode_template(model: Model, template: str, query: str, document: str) -> list[int]:
    """Fill in the template and tokenize it.

    Text that spells a control token would be read as one; then every part is tokenized by itself,
    which is safe and differs a little at the seams.
    """
    values = {"query": query, "document": document}
    if not any(_spells_control(model, one) for one in values.values()):
        text = _SLOT.sub(lambda found: values[found[1]], template)
        return model.tokenize(text, add_special=False, parse_special=True)
    tokens: list[int] = []
    for at, part in enumerate(_SLOT.split(template)):
        is_value = at % 2 == 1
        tokens += model.tokenize(
            values[part] if is_value else part, add_special=False, parse_special=not is_value
        )
    return tokens


def _spells_control(model: Model, text: str) -> bool:
    plain = model.tokenize(text, add_special=False, parse_special=False)
    return plain != model.tokenize(text, add_special=False, parse_special=True)


def _too_long(n_tokens: int, n_ctx: int) -> RequestError:
    return RequestError(
        f"the query leaves no room for a document: {n_tokens:,} tokens needed, room for {n_ctx:,}; "
        "shorten the query or raise num_ctx"
    )
