"""The files of a tokenizer that writes spaces as ▁ in, its vocabulary out; pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.errors import RequestError
from engine.library.convert.bytelevel import merges_of, vocab_tokens
from engine.library.convert.charsmap import check_charsmap
from engine.library.convert.folder import objects
from engine.library.convert.sentencepiece import UNIGRAM, read_pieces
from engine.library.convert.tokenizer import TokenizerFiles
from engine.library.convert.vocabulary import (
    Kind,
    Token,
    Vocabulary,
    number_of,
    place,
    with_added,
)
from engine.types import Json

SPACE = "\u2581"
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_MAX_SCORE = 1e30
_FAIRSEQ = ("<s>", "<pad>", "</s>", "<unk>")


def from_pieces(files: TokenizerFiles, *, is_fairseq: bool) -> Vocabulary:
    """Build the vocabulary of a SentencePiece model.

    Args:
        is_fairseq: XLM-RoBERTa counts the special tokens in another order than the file.

    Raises:
        RequestError: the file is damaged, or llama.cpp cannot follow it.
    """
    pieces = read_pieces(files.pieces)
    tokens: Sequence[Token] = pieces.tokens
    if is_fairseq:
        heads = [Token(text, Kind.CONTROL) for text in _FAIRSEQ[:3]]
        unknown = Token(_FAIRSEQ[3], Kind.UNKNOWN)
        tokens = [*heads, unknown, *tokens[3:], Token("<mask>", Kind.CONTROL)]
    plain = {number: _plain_space(token) for number, token in enumerate(tokens)}
    placed = place(with_added(plain, files.added, space=SPACE))
    said = files.config.get("add_prefix_space")
    adds_space = said if isinstance(said, bool) else pieces.adds_space
    if pieces.kind == UNIGRAM:
        return _unigram(placed, adds_space, pieces.merges_spaces, pieces.charsmap)
    return _merging(placed, adds_space)


def _plain_space(token: Token) -> Token:
    """Spell a user's own token as it stands in a text."""
    if token.kind is Kind.USER_DEFINED:
        return replace(token, text=token.text.replace(SPACE, " "))
    return token


def from_merges(files: TokenizerFiles) -> Vocabulary:
    """Build the vocabulary of a BPE over characters with bytes for the rest (Llama 2, Gemma).

    llama.cpp merges what gives the token with the best score, so the rank of a merge becomes the
    score of its result. That is the same as long as the list of merges is complete.

    Raises:
        RequestError: tokenizer.json is damaged, or lacks tokens for bytes.
    """
    plain = vocab_tokens(files.model)
    ranks: dict[str, int] = {}
    pairs = set()
    for rank, (first, second) in enumerate(merges_of(files.model)):
        ranks.setdefault(first + second, rank)
        pairs.add((first, second))
    n_unranked = len(ranks)
    unknown = files.model.get("unk_token")
    for number, token in plain.items():
        kind = Kind.BYTE if token.text in _BYTES else Kind.NORMAL
        kind = Kind.UNKNOWN if token.text == unknown else kind
        plain[number] = Token(token.text, kind, -float(ranks.get(token.text, n_unranked)))
    placed = place(with_added(plain, files.added, space=SPACE))
    found = _merging(placed, _adds_space(files))
    added = {one.text for one in files.added}
    made = [one.text for one in plain.values() if one.kind is Kind.NORMAL]
    if _lacks_merges(pairs, [text for text in made if text not in added]):
        text = "tokenizer.json: merges are missing that llama.cpp will make, so some texts are cut "
        return replace(found, warnings=(text + "into other tokens than the model learned",))
    return found


def _lacks_merges(pairs: set[tuple[str, str]], texts: Sequence[str]) -> bool:
    """Whether two tokens stand side by side to a third, without a merge that says so."""
    known = set(texts)
    for text in texts:
        for at in range(1, len(text)):
            pair = (text[:at], text[at:])
            if pair[0] in known and pair[1] in known and pair not in pairs:
                return True
    return False


def _merging(tokens: Sequence[Token], adds_space: bool) -> Vocabulary:
    texts = {token.text for token in tokens}
    missing = [text for text in _BYTES if text not in texts]
    if missing:  # llama.cpp ends the process at the first character that it does not know
        raise RequestError(
            f"the tokenizer lacks {len(missing)} tokens for single bytes, {missing[0]} first; "
            "llama.cpp needs all 256"
        )
    marked = [replace(one, kind=Kind.BYTE) if one.text in _BYTES else one for one in tokens]
    flags = {"add_bos_token": True, "add_eos_token": False, "add_space_prefix": adds_space}
    return Vocabulary("llama", marked, has_scores=True, flags=flags)


def from_unigram(files: TokenizerFiles) -> Vocabulary:
    """Build the vocabulary of a Unigram model (XLM-RoBERTa).

    Raises:
        RequestError: tokenizer.json is damaged.
    """
    entries = files.model.get("vocab")
    plain: dict[int, Token] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        text, score = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        if not isinstance(text, str) or not isinstance(score, int | float):
            raise RequestError(f"tokenizer.json: {entry!r} is no token with a score")
        if not -_MAX_SCORE < score < _MAX_SCORE:  # also NaN
            raise RequestError(f"tokenizer.json: {text!r} has the score {score!r}")
        plain[number] = Token(text, Kind.NORMAL, float(score))
    unknown = number_of(files.model.get("unk_id"))
    if unknown is None or unknown not in plain:
        raise RequestError("tokenizer.json: the model has no unk_id; llama.cpp needs one")
    plain[unknown] = replace(plain[unknown], kind=Kind.UNKNOWN)
    steps = list(_flat(files.whole.get("normalizer"), "normalizers"))
    cuts = list(_flat(files.whole.get("pre_tokenizer"), "pretokenizers"))
    merges = any(one.get("type") == "WhitespaceSplit" for one in cuts) or any(
        one.get("type") == "Strip"
        or (one.get("type") == "Replace" and one.get("content") in (" ", SPACE))
        for one in steps
    )
    maps = [one.get("precompiled_charsmap") for one in steps if one.get("type") == "Precompiled"]
    placed = place(with_added(plain, files.added, space=SPACE))
    return _unigram(placed, _adds_space(files), merges, _decoded(maps))


def _decoded(maps: Sequence[object]) -> bytes:
    text = maps[0] if maps else ""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"tokenizer.json: precompiled_charsmap: {error}") from error


def _unigram(
    tokens: Sequence[Token], adds_space: bool, merges_spaces: bool, charsmap: bytes
) -> Vocabulary:
    if charsmap:
        check_charsmap(charsmap)
    flags = {
        "add_bos_token": False,
        "add_eos_token": True,
        "add_space_prefix": adds_space,
        "remove_extra_whitespaces": merges_spaces,
    }
    return Vocabulary("t5", tokens, has_scores=True, flags=flags, charsmap=charsmap)


def _adds_space(files: TokenizerFiles) -> bool:
    """Whether a text gets a ▁ before it."""
    for one in _flat(files.whole.get("normalizer"), "normalizers"):
        if one.get("type") == "Prepend" and one.get("prepend") == SPACE:
            return True
    for one in _flat(files.whole.get("pre_tokenizer"), "pretokenizers"):
        if one.get("type") == "Metaspace":
            scheme = one.get("prepend_scheme")
            return (
                one.get("add_prefix_space", True) is True if scheme is None else scheme != "never"
            )
    return False


def _flat(value: object, key: str) -> Iterator[Json]:
    """Give the steps of a sequence, or the only step."""
    if not isinstance(value, dict):
        return
    if value.get("type") == "Sequence":
        for one in objects(value.get(key)):
            yield from _flat(one, key)
    else:
        yield value
