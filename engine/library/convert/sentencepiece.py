"""The bytes of a tokenizer.model in, its pieces out; pure, and needs no protobuf.

Source: sentencepiece_model.proto of google/sentencepiece for the numbers of the fields.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import RequestError
from engine.library.convert.vocabulary import Kind, Token

UNIGRAM, BPE = 1, 2  # TrainerSpec.ModelType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_KINDS = {1: Kind.NORMAL, 2: Kind.UNKNOWN, 3: Kind.CONTROL, 4: Kind.USER_DEFINED}
_KINDS |= {5: Kind.UNUSED, 6: Kind.BYTE}

Field = tuple[int, int | bytes]  # number of the field, value


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a SentencePiece model says."""

    kind: int  # UNIGRAM or BPE
    tokens: tuple[Token, ...]
    charsmap: bytes
    adds_space: bool  # before the text
    merges_spaces: bool


def read_pieces(data: bytes) -> Pieces:
    """Read a SentencePiece model.

    Raises:
        RequestError: the file is none.
    """
    tokens: list[Token] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(data):
        if number == _PIECES and isinstance(value, bytes):
            tokens.append(_token(value))
        elif number == _TRAINER and isinstance(value, bytes):
            trainer = dict(_fields(value))
        elif number == _NORMALIZER and isinstance(value, bytes):
            normalizer = dict(_fields(value))
    if not tokens:
        raise RequestError("tokenizer.model is not a SentencePiece model: it has no pieces")
    kind, charsmap = trainer.get(3, UNIGRAM), normalizer.get(2, b"")
    if kind not in {UNIGRAM, BPE}:
        raise RequestError(
            f"tokenizer.model: model_type {kind!r} cannot be converted; unigram and BPE can"
        )
    return Pieces(
        UNIGRAM if kind == UNIGRAM else BPE,
        tuple(tokens),
        charsmap if isinstance(charsmap, bytes) else b"",
        normalizer.get(3, 1) != 0,
        normalizer.get(4, 1) != 0,
    )


def _token(data: bytes) -> Token:
    fields = dict(_fields(data))
    text, score, kind = fields.get(1, b""), fields.get(2, b"\0\0\0\0"), fields.get(3, 1)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or len(score) != 4:
        raise RequestError("tokenizer.model is damaged: a piece has no text or no score")
    (number,) = struct.unpack("<f", score)
    known = _KINDS.get(kind if isinstance(kind, int) else 0, Kind.NORMAL)
    return Token(text.decode("utf-8", "replace"), known, number)


def _fields(data: bytes) -> Iterator[Field]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in {_FIXED32, _FIXED64}:
            size = 4 if wire == _FIXED32 else 8
        else:
            raise RequestError("tokenizer.model is not a SentencePiece model")
        if at + size > len(data):
            raise RequestError("tokenizer.model is not a SentencePiece model, or ends too early")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at + shift >= len(data):
            break
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if not byte & 0x80:
            return value, at + shift + 1
    raise RequestError("tokenizer.model is not a SentencePiece model, or ends too early")
