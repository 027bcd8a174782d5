"""A model folder in, its vocabulary as llama.cpp wants it out; reads disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import RequestError
from engine.library.convert.folder import (
    find_object,
    objects,
    read_bytes,
    read_object,
    read_text,
    section,
)
from engine.library.convert.vocabulary import (
    Added,
    Kind,
    Vocabulary,
    number_of,
    special_ids,
    text_of,
)
from engine.types import Json

_PIECES_FILES = ("tokenizer.model", "sentencepiece.bpe.model", "spiece.model")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """What a folder holds about its tokenizer; empty where there is nothing."""

    whole: Json  # tokenizer.json
    config: Json  # tokenizer_config.json
    special: Json  # special_tokens_map.json
    added: tuple[Added, ...]
    pieces: bytes  # tokenizer.model
    words: tuple[str, ...]  # vocab.txt

    @property
    def model(self) -> Json:
        """Give tokenizer.json's model."""
        return section(self.whole, "model")


def read_tokenizer_files(folder: Path) -> TokenizerFiles:
    """Read the files of a tokenizer.

    Raises:
        RequestError: one is damaged, or there is none.
    """
    whole = find_object(folder / "tokenizer.json")
    config = find_object(folder / "tokenizer_config.json")
    pieces = next((folder / name for name in _PIECES_FILES if (folder / name).is_file()), None)
    words = folder / "vocab.txt"
    if not whole and pieces is None and not words.is_file():
        raise RequestError(
            "the folder holds no tokenizer: tokenizer.json, tokenizer.model or vocab.txt is needed"
        )
    more = find_object(folder / "added_tokens.json")
    return TokenizerFiles(
        whole,
        config,
        find_object(folder / "special_tokens_map.json"),
        tuple(_added(whole, config, more)),
        b"" if pieces is None else read_bytes(pieces),
        tuple(read_text(words).splitlines()) if words.is_file() else (),
    )


def _added(whole: Json, config: Json, more: Json) -> Iterator[Added]:
    listed = section(config, "added_tokens_decoder")
    entries = objects(whole.get("added_tokens")) or [
        {**entry, "id": int(key)}
        for key, entry in listed.items()
        if key.isdecimal() and isinstance(entry, dict)
    ]
    known = set()
    for entry in entries:
        number, text = number_of(entry.get("id")), text_of(entry)
        if number is None or text is None:
            raise RequestError(f"the tokenizer's added token {entry!r} has no number or no text")
        known.add(number)
        yield Added(number, text, entry.get("special") is True)
    for text, value in more.items():
        number = number_of(value)
        if number is not None and number not in known:
            yield Added(number, text, is_special=False)


def ends_of(files: TokenizerFiles) -> dict[str, bool]:
    """Find out whether a text gets a token before and after it.

    Returns:
        `add_bos_token` and `add_eos_token`, as far as the files say something.
    """
    found = _ends_by_processor(files.whole.get("post_processor"))
    if found is not None:
        return found
    flags = {key: files.config.get(key) for key in ("add_bos_token", "add_eos_token")}
    return {key: value for key, value in flags.items() if isinstance(value, bool)}


def _ends_by_processor(value: object) -> dict[str, bool] | None:
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind == "Sequence":
        parts = (_ends_by_processor(one) for one in objects(value.get("processors")))
        return next((one for one in parts if one is not None), None)
    if kind in ("RobertaProcessing", "BertProcessing"):
        return {"add_bos_token": True, "add_eos_token": True}
    if kind != "TemplateProcessing":
        return None
    names = ["Sequence" in one for one in objects(value.get("single"))]
    at = names.index(True) if True in names else 0
    return {"add_bos_token": at > 0, "add_eos_token": at < len(names) - 1}


def with_special(
    vocabulary: Vocabulary, files: TokenizerFiles, config: Mapping[str, object]
) -> Vocabulary:
    """Add the numbers of the special tokens and the flags about a text's ends.

    llama.cpp ends the process where it should add a token that has no number, so such a flag is
    dropped.
    """
    ids = special_ids((files.config, files.special), config, vocabulary.tokens)
    unknown = [at for at, one in enumerate(vocabulary.tokens) if one.kind is Kind.UNKNOWN]
    others = {"unk": unknown[0] if unknown else None, "bos": ids.get("cls"), "eos": ids.get("sep")}
    ids = {role: at for role, at in others.items() if at is not None} | ids
    flags = {**vocabulary.flags, **ends_of(files)}
    for role in ("bos", "eos"):
        if role not in ids:
            flags[f"add_{role}_token"] = False
    return replace(vocabulary, ids=ids, flags=flags)


def chat_template(folder: Path, files: TokenizerFiles) -> str:
    """Find the Jinja template of a chat; empty if there is none.

    Raises:
        RequestError: its file cannot be read.
    """
    path = folder / "chat_template.jinja"
    if path.is_file():
        return read_text(path)
    value = files.config.get("chat_template")
    if value is None and (folder / "chat_template.json").is_file():
        value = read_object(folder / "chat_template.json").get("chat_template")
    if isinstance(value, str):
        return value
    named: Sequence[Json] = objects(value)
    for entry in sorted(named, key=lambda one: one.get("name") != "default"):
        template = entry.get("template")
        if isinstance(template, str):
            return template
    return ""
