"""The tokens of a model and how llama.cpp should use them; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from engine.errors import RequestError
from engine.types import Json


class Kind(IntEnum):
    """What a token is for; the numbers are GGUF's."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Token:
    """One entry of a vocabulary."""

    text: str
    kind: Kind = Kind.NORMAL
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Added:
    """A token that was added to a trained vocabulary."""

    number: int
    text: str
    is_special: bool


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All that a GGUF file says under `tokenizer.ggml`.

    Invariant, after `fitted`: one token per row of the embeddings, no text twice.
    """

    model: str  # gpt2, llama, t5 or bert
    tokens: Sequence[Token]
    pre: str = "default"
    merges: Sequence[str] = ()
    has_scores: bool = False
    ids: Mapping[str, int] = field(default_factory=dict)  # bos, eos, ... → number of the token
    flags: Mapping[str, bool] = field(default_factory=dict)  # add_bos_token, ...
    charsmap: bytes = b""
    warnings: tuple[str, ...] = ()


_UNUSED_SCORE = -10_000.0
_MAX_SCORE = 1e30
ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


def number_of(value: object) -> int | None:
    """Read a token's number; None for what is none."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_number and isinstance(value, int) else None


def text_of(value: object) -> str | None:
    """Read a token's text, which stands alone or as `content` of an object."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def place(tokens: Mapping[int, Token]) -> list[Token]:
    """Put tokens in the order of their numbers; gaps become unused ones.

    Raises:
        RequestError: the numbers are far apart, as in a damaged file.
    """
    size = max(tokens, default=-1) + 1
    if size > 2 * len(tokens) + 100_000:
        raise RequestError(f"the tokenizer numbers {len(tokens):,} tokens up to {size:,}")
    return [tokens.get(number) or _unused(number) for number in range(size)]


def with_added(
    tokens: Mapping[int, Token], added: Sequence[Added], *, space: str = ""
) -> dict[int, Token]:
    """Put the added tokens in.

    Args:
        space: what the trained vocabulary writes for a space; llama.cpp looks for added tokens
            in the text as it comes, where spaces are spaces.
    """
    found = dict(tokens)
    for one in added:
        before = found.get(one.number)
        kind = Kind.CONTROL if one.is_special else Kind.USER_DEFINED
        if before is not None and before.kind in {Kind.UNKNOWN, Kind.BYTE}:
            kind = before.kind
        is_plain = kind is Kind.USER_DEFINED and space
        text = one.text.replace(space, " ") if is_plain else one.text
        score = before.score if before is not None else 0.0
        found[one.number] = Token(text, kind, score)
    return found


def fitted(vocabulary: Vocabulary, n_rows: int) -> Vocabulary:
    """Make one token per row of the embeddings, all different, none that llama.cpp dies of.

    llama.cpp ends the process when two tokens have the same text, and cuts texts at a NUL.
    """
    warnings = list(vocabulary.warnings)
    tokens = list(vocabulary.tokens)
    if len(tokens) > n_rows:
        warnings.append(
            f"{len(tokens) - n_rows:,} tokens without an embedding are left out, from "
            f"{tokens[n_rows].text!r} on"
        )
        tokens = tokens[:n_rows]
    tokens += [_unused(number) for number in range(len(tokens), n_rows)]
    seen: set[str] = set()
    n_replaced = 0
    for number, token in enumerate(tokens):
        if not is_text(token.text) or token.text in seen:
            tokens[number] = token = Token(f"[UNUSED_{number}]", Kind.UNUSED, _UNUSED_SCORE)
            n_replaced += 1
        if not -_MAX_SCORE < token.score < _MAX_SCORE:  # also NaN
            tokens[number] = replace(token, score=_UNUSED_SCORE)
        seen.add(token.text)
    if n_replaced:
        warnings.append(f"{n_replaced:,} tokens that are empty or there twice cannot be used")
    ids = {role: number for role, number in vocabulary.ids.items() if number < n_rows}
    merges = [merge for merge in vocabulary.merges if is_text(merge)]
    return replace(vocabulary, tokens=tokens, merges=merges, ids=ids, warnings=tuple(warnings))


def is_text(text: str) -> bool:
    """Whether a text can be written to the file and read back by llama.cpp as it is."""
    has_surrogate = any("\ud800" <= one <= "\udfff" for one in text)  # JSON can hold halves
    return bool(text) and "\0" not in text and not has_surrogate


def _unused(number: int) -> Token:
    return Token(f"[PAD{number}]", Kind.UNUSED, _UNUSED_SCORE)


def special_ids(
    sources: Sequence[Json], config: Mapping[str, object], tokens: Sequence[Token]
) -> dict[str, int]:
    """Find the numbers of the special tokens.

    Args:
        sources: tokenizer_config.json and special_tokens_map.json, which name texts.
        config: config.json, which names numbers; it fills what the others leave open.
    """
    by_text = {token.text: number for number, token in enumerate(tokens)}
    found: dict[str, int] = {}
    for role in ROLES:
        texts = (text_of(source.get(f"{role}_token")) for source in sources)
        numbers = [by_text[text] for text in texts if text is not None and text in by_text]
        value = config.get(f"{role}_token_id")
        said = number_of(value[0] if isinstance(value, list) and value else value)
        if numbers:
            found[role] = numbers[0]
        elif said is not None and said < len(tokens):
            found[role] = said
    return found
