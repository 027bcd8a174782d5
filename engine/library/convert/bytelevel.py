"""A byte-level BPE tokenizer's files in, its vocabulary out; pure."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import RequestError
from engine.library.convert.folder import section
from engine.library.convert.pretokenizers import UNKNOWN, name_of
from engine.library.convert.tokenizer import TokenizerFiles
from engine.library.convert.vocabulary import (
    Token,
    Vocabulary,
    number_of,
    place,
    with_added,
)
from engine.types import Json


def byte_level(files: TokenizerFiles) -> Vocabulary:
    """Build the vocabulary of a tokenizer in the manner of GPT-2.

    Raises:
        RequestError: tokenizer.json is damaged.
    """
    tokens = with_added(vocab_tokens(files.model), files.added)
    name = name_of(
        files.whole.get("pre_tokenizer"),
        ignores_merges=files.model.get("ignore_merges") is True,
    )
    warnings: tuple[str, ...] = ()
    if name is None:
        warnings = (
            "tokenizer.json: llama.cpp has no name for this pre_tokenizer, so text may be cut "
            "into other tokens than the model learned",
        )
    return Vocabulary(
        "gpt2",
        place(tokens),
        pre=name or UNKNOWN,
        merges=[" ".join(pair) for pair in merges_of(files.model)],
        flags={"add_bos_token": False, "add_eos_token": False},
        warnings=warnings,
    )


def vocab_tokens(model: Json) -> dict[int, Token]:
    """Read the vocabulary of a BPE model: text → number.

    Raises:
        RequestError: something in it is no number.
    """
    found: dict[int, Token] = {}
    for text, value in section(model, "vocab").items():
        number = number_of(value)
        if number is None or number in found:
            raise RequestError(f"tokenizer.json: the token {text!r} has the number {value!r}")
        found[number] = Token(text)
    if not found:
        raise RequestError("tokenizer.json: the model has no vocab")
    return found


def merges_of(model: Json) -> Iterator[tuple[str, str]]:
    """Read the merges, best first; older files write a pair as one text.

    Raises:
        RequestError: one of them is no pair.
    """
    merges = model.get("merges")
    for entry in merges if isinstance(merges, list) else []:
        pair = entry.split(" ") if isinstance(entry, str) else entry
        if not isinstance(pair, list) or len(pair) != 2:
            raise RequestError(f"tokenizer.json: the merge {entry!r} is no pair")
        first, second = pair
        if not isinstance(first, str) or not isinstance(second, str) or not first or not second:
            raise RequestError(f"tokenizer.json: the merge {entry!r} is no pair of texts")
        yield first, second
