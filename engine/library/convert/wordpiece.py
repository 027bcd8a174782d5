"""A BERT tokenizer's files in, its vocabulary out; pure."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import RequestError
from engine.library.convert.folder import section
from engine.library.convert.tokenizer import TokenizerFiles
from engine.library.convert.vocabulary import (
    Kind,
    Token,
    Vocabulary,
    number_of,
    place,
    special_ids,
    text_of,
    with_added,
)
from engine.types import Json

_WORD_START = "\u2581"
_INSIDE = "##"
_NEEDED = {"cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "pad": "[PAD]"}


def wordpiece(files: TokenizerFiles) -> Vocabulary:
    """Build the vocabulary; tokens that start a word get a mark, those inside lose theirs.

    Raises:
        RequestError: the tokenizer cuts in a way that llama.cpp cannot follow.
    """
    prefix = files.model.get("continuing_subword_prefix", _INSIDE)
    if prefix != _INSIDE:
        raise RequestError(
            f"tokenizer.json: continuing_subword_prefix is {prefix!r}; supported: {_INSIDE!r}"
        )
    plain = dict(enumerate(Token(word) for word in files.words)) or dict(_words(files))
    tokens = place(with_added(plain, files.added))
    names: Json = {
        **{f"{role}_token": text for role, text in _NEEDED.items()},
        "mask_token": "[MASK]",
    }
    sources = (files.config, files.special, names)
    ids = special_ids(sources, {}, tokens)
    missing = [text for role, text in _NEEDED.items() if role not in ids]
    if missing:
        raise RequestError(f"the vocabulary lacks {', '.join(missing)}")
    control = {text_of(source.get(f"{role}_token")) for source in sources for role in ids}
    lower, strips, warnings = _normalizer(files)
    return Vocabulary(
        "bert",
        [_spelled(token, control) for token in tokens],
        ids={**ids, "bos": ids["cls"], "eos": ids["sep"]},
        flags={"normalizer.lowercase": lower, "normalizer.strip_accents": strips},
        warnings=tuple(warnings),
    )


def _words(files: TokenizerFiles) -> Iterator[tuple[int, Token]]:
    for text, value in section(files.model, "vocab").items():
        number = number_of(value)
        if number is None:
            raise RequestError(f"tokenizer.json: the token {text!r} has the number {value!r}")
        yield number, Token(text)


def _spelled(token: Token, control: set[str | None]) -> Token:
    """Spell a token as llama.cpp does: a mark where a word starts, none inside."""
    if token.text in control or token.kind is Kind.CONTROL:
        return Token(token.text, Kind.CONTROL)
    if token.kind is Kind.USER_DEFINED or (token.text[:1] == "[" and token.text[-1:] == "]"):
        return token
    if token.text.startswith(_INSIDE) and len(token.text) > len(_INSIDE):
        return Token(token.text.removeprefix(_INSIDE))
    return Token(_WORD_START + token.text)


def _normalizer(files: TokenizerFiles) -> tuple[bool, bool, list[str]]:
    """Tell whether text becomes lower case, whether accents go, and what is not followed."""
    found = section(files.whole, "normalizer")
    if not found:
        lower = files.config.get("do_lower_case", True) is not False
        strips = files.config.get("strip_accents")
        return lower, strips if isinstance(strips, bool) else lower, []
    if found.get("type") != "BertNormalizer":
        raise RequestError(
            f"tokenizer.json: the normalizer is {found.get('type')!r}; for BERT, BertNormalizer "
            "can be converted"
        )
    warnings = [
        f"tokenizer.json: {key} is off, llama.cpp does it nevertheless"
        for key in ("clean_text", "handle_chinese_chars")
        if found.get(key) is False
    ]
    lower = found.get("lowercase") is True
    strips = found.get("strip_accents")  # null means "as lowercase says"
    return lower, strips if isinstance(strips, bool) else lower, warnings
