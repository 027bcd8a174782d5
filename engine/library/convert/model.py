"""A folder with a model's safetensors in, a GGUF file out; reads and writes disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RequestError
from engine.library.convert import decoder, encoder
from engine.library.convert.bytelevel import byte_level
from engine.library.convert.folder import read_object, section
from engine.library.convert.parts import Names, Part, Plan, Value, bare_names, check
from engine.library.convert.pooling import find_pooling
from engine.library.convert.settings import Settings
from engine.library.convert.spaces import from_merges, from_pieces, from_unigram
from engine.library.convert.storage import (
    FILE_TYPES,
    FileType,
    file_type_number,
    stored_type,
)
from engine.library.convert.tensors import Floats, Stored, open_tensors
from engine.library.convert.tokenizer import (
    TokenizerFiles,
    chat_template,
    read_tokenizer_files,
    with_special,
)
from engine.library.convert.vocabulary import Vocabulary, fitted
from engine.library.convert.wordpiece import wordpiece
from engine.library.convert.write import Out, write_tensors, write_values, write_vocabulary
from engine.types import Json

if TYPE_CHECKING:
    import gguf

_log = logging.getLogger(__name__)

_SHOWN_NAMES = 5


def convert(folder: Path, target: Path, *, file_type: FileType = "f16") -> None:
    """Convert a model in the form of Hugging Face to GGUF; the same input gives the same bytes.

    What is kept only in part (a sliding window, an unknown pre-tokenizer) is logged as a warning.

    Args:
        folder: holds config.json, safetensors files and those of a tokenizer.
        file_type: of the matrices; norms, biases and what llama.cpp wants in full stay f32.

    Raises:
        RequestError: the folder is of no supported kind, or one of its files is damaged.
        LibraryError: the target cannot be written.
    """
    import gguf

    if file_type not in FILE_TYPES:
        raise RequestError(f"unknown file type {file_type!r}; supported: {', '.join(FILE_TYPES)}")
    config = read_config(folder)
    tensors = open_tensors(folder)
    plan, names = _plan(config, tensors)
    parts, extra = check(plan, names)
    files = read_tokenizer_files(folder)
    vocabulary = fitted(_vocabulary(files, config), plan.n_vocab)
    writer = gguf.GGUFWriter(None, plan.architecture)
    try:
        _write_settings(writer, plan, file_type, find_pooling(folder))
        write_vocabulary(writer, vocabulary)
        template = chat_template(folder, files)
        if template:
            writer.add_chat_template(template.encode("utf-8", "replace").decode())
        for text in (*plan.warnings, *vocabulary.warnings, *_unused(extra)):
            _log.warning("conversion folder=%s: %s", folder.name, text)
        write_tensors(writer, target, _outputs(plan, parts, names, file_type))
    finally:
        writer.close()


def read_config(folder: Path) -> Json:
    """Read config.json; where a model has several parts, that of the text is on top.

    Raises:
        RequestError: it is missing or damaged.
    """
    config = read_object(folder / "config.json")
    return {
        **config,
        **section(config, "text_config"),
        "architectures": config.get("architectures"),
    }


def architecture_of(config: Json) -> str:
    """Name the model's architecture as config.json does.

    Raises:
        RequestError: it is none that can be converted.
    """
    names = config.get("architectures")
    known = {**encoder.ENCODERS, **decoder.DECODERS}
    name = names[0] if isinstance(names, list) and names else None
    if not isinstance(name, str) or name not in known:
        raise RequestError(
            f"config.json: the architecture {name!r} (model_type {config.get('model_type')!r}) "
            f"cannot be converted; supported: {', '.join(sorted(known))}"
        )
    return name


def _plan(config: Json, tensors: Mapping[str, Stored]) -> tuple[Plan, Names]:
    name = architecture_of(config)
    settings = Settings(config)
    if config.get("quantization_config") is not None:
        raise RequestError(
            "config.json: quantization_config: the weights are quantized already; convert the "
            "original weights (F32, F16 or BF16)"
        )
    if name in encoder.ENCODERS:
        names = bare_names(tensors, encoder.PREFIXES, encoder.ANCHOR)
        return encoder.ENCODERS[name](name, settings, names), names
    names = bare_names(tensors, decoder.PREFIXES, decoder.ANCHOR)
    return decoder.plan_decoder(name, settings, names), names


def _vocabulary(files: TokenizerFiles, config: Json) -> Vocabulary:
    kind = files.model.get("type")
    if kind == "WordPiece" or (files.words and not files.whole):
        return wordpiece(files)
    is_byte_level = kind == "BPE" and files.model.get("byte_fallback") is not True
    if is_byte_level:
        return with_special(byte_level(files), files, config)
    is_roberta = "oberta" in str(config.get("architectures")).casefold()
    if files.pieces and not (is_roberta and files.whole):
        return with_special(from_pieces(files, is_fairseq=is_roberta), files, config)
    makes: Mapping[str, Callable[[TokenizerFiles], Vocabulary]] = {
        "BPE": from_merges,
        "Unigram": from_unigram,
    }
    if not isinstance(kind, str) or kind not in makes:
        raise RequestError(
            f"tokenizer.json: a model of the type {kind!r} cannot be converted; supported: "
            "WordPiece, BPE, Unigram"
        )
    return with_special(makes[kind](files), files, config)


def _write_settings(
    writer: gguf.GGUFWriter, plan: Plan, file_type: FileType, pooling: int | None
) -> None:
    import gguf

    settings: dict[str, Value] = dict(plan.settings)
    is_reranker = any(part.target.startswith("cls.") for part in plan.parts)
    if pooling is not None and not is_reranker:
        settings["pooling_type"] = pooling
    general: dict[str, Value] = {
        "general.type": "model",
        "general.file_type": file_type_number(file_type),
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
    }
    values = {f"{plan.architecture}.{key}": value for key, value in settings.items()}
    types = next((p.shape[0] for p in plan.parts if p.target == "token_types.weight"), None)
    if types is not None:
        general["tokenizer.ggml.token_type_count"] = types
    write_values(writer, general | values)


def _outputs(
    plan: Plan, parts: tuple[Part, ...], names: Names, file_type: FileType
) -> Iterator[Out]:
    for part in parts:
        shape = part.stored_shape
        kind = stored_type(part.target, shape, file_type, precise=plan.precise)
        yield Out(part.target, shape, kind, partial(_blocks, part, names[part.source]))
    for name, values in plan.computed.items():
        yield Out(name, values.shape, "f32", partial(iter, (values,)))


def _blocks(part: Part, tensor: Stored) -> Iterator[Floats]:
    if part.change is None:
        yield from tensor.blocks(part.skips)
    else:  # may move rows, so it needs all of them
        yield part.change(tensor.read()[part.skips :])


def _unused(extra: tuple[str, ...]) -> Iterator[str]:
    if extra:
        more = len(extra) - _SHOWN_NAMES
        shown = ", ".join(extra[:_SHOWN_NAMES]) + (f" and {more:,} more" if more > 0 else "")
        yield f"{len(extra):,} tensors of the source are not used: {shown}"
