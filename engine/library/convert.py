"""A folder with a BERT embedding model (safetensors) in, a GGUF file out; reads and writes disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import LibraryError

if TYPE_CHECKING:
    import gguf

Dtype = Literal["f32", "f16", "q8_0"]
Array = NDArray[np.generic]

_WORD_START = "\u2581"
_MAX_JSON_BYTES = 64 * 1024 * 1024
# llama.cpp adds these to activations row by row and aborts the process if they are not f32.
_ALWAYS_F32 = ("position_embd", "token_types")
_SPECIAL = {
    "[UNK]": "add_unk_token_id",
    "[SEP]": "add_sep_token_id",
    "[PAD]": "add_pad_token_id",
    "[MASK]": "add_mask_token_id",
}


@dataclass(frozen=True, slots=True)
class _Source:
    """The model's files, as far as they are JSON or text."""

    config: Mapping[str, object]
    pooling: Mapping[str, object]
    normalizer: Mapping[str, object]
    vocabulary: tuple[str, ...]

    def whole(self, key: str) -> int:
        """Give a positive whole number of config.json."""
        value = self.config.get(key)
        if not isinstance(value, int) or value < 1:
            raise LibraryError(f"config.json: {key} is {value!r}, a positive number is needed")
        return value


def bert_to_gguf(folder: Path, target: Path, dtype: Dtype) -> None:
    """Convert a sentence-transformers BERT model to GGUF; the same input gives the same bytes.

    Args:
        folder: holds config.json, vocab.txt, tokenizer.json, model.safetensors and 1_Pooling.
        dtype: of the matrices; norms, biases and the small embeddings stay f32.

    Raises:
        LibraryError: a file is missing or is not of such a model.
    """
    import gguf

    source = _read_source(folder)
    writer = gguf.GGUFWriter(None, "bert")
    _add_settings(writer, source, dtype)
    _add_tokens(writer, source)
    try:
        for name, array in _tensors(folder, source, dtype):
            if array.dtype == np.uint8:  # quantized: the writer wants to be told as what
                writer.add_tensor(name, array, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            else:
                writer.add_tensor(name, array)
        writer.write_header_to_file(target)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    except OSError as error:
        raise LibraryError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        writer.close()


def _read_source(folder: Path) -> _Source:
    config = _json(folder / "config.json")
    if config.get("model_type") != "bert":
        kind = config.get("model_type")
        raise LibraryError(f"model_type is {kind!r}; only bert models can be converted")
    normalizer = _json(folder / "tokenizer.json").get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        raise LibraryError("tokenizer.json: the normalizer is not BertNormalizer")
    vocabulary = tuple(_text(folder / "vocab.txt").splitlines())
    source = _Source(config, _json(folder / "1_Pooling" / "config.json"), normalizer, vocabulary)
    if len(vocabulary) != source.whole("vocab_size"):
        raise LibraryError(
            f"vocab.txt has {len(vocabulary):,} tokens, config.json says "
            f"{source.whole('vocab_size'):,}"
        )
    return source


def _add_settings(writer: gguf.GGUFWriter, source: _Source, dtype: Dtype) -> None:
    import gguf

    file_types = {
        "f32": gguf.LlamaFileType.ALL_F32,
        "f16": gguf.LlamaFileType.MOSTLY_F16,
        "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    }
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_file_type(file_types[dtype])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(source.whole("max_position_embeddings"))
    writer.add_embedding_length(source.whole("hidden_size"))
    writer.add_feed_forward_length(source.whole("intermediate_size"))
    writer.add_block_count(source.whole("num_hidden_layers"))
    writer.add_head_count(source.whole("num_attention_heads"))
    epsilon = source.config.get("layer_norm_eps", 1e-12)
    if not isinstance(epsilon, float):
        raise LibraryError(f"config.json: layer_norm_eps is {epsilon!r}, a number is needed")
    writer.add_layer_norm_eps(epsilon)
    writer.add_causal_attention(False)
    writer.add_pooling_type(_pooling(source.pooling))


def _pooling(pooling: Mapping[str, object]) -> gguf.PoolingType:
    import gguf

    chosen = {key for key, value in pooling.items() if value is True}
    if "pooling_mode_mean_tokens" in chosen:
        return gguf.PoolingType.MEAN
    if "pooling_mode_cls_token" in chosen:
        return gguf.PoolingType.CLS
    raise LibraryError("1_Pooling/config.json: only pooling by mean or CLS token can be converted")


def _add_tokens(writer: gguf.GGUFWriter, source: _Source) -> None:
    import gguf

    ids = {token: number for number, token in enumerate(source.vocabulary)}
    missing = [token for token in ("[CLS]", *_SPECIAL) if token not in ids]
    if missing:
        raise LibraryError(f"vocab.txt lacks {', '.join(missing)}")
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(source.whole("type_vocab_size"))
    writer.add_token_list([_piece(token) for token in source.vocabulary])
    control = {"[CLS]", *_SPECIAL}
    writer.add_token_types(
        [
            int(gguf.TokenType.CONTROL if token in control else gguf.TokenType.NORMAL)
            for token in source.vocabulary
        ]
    )
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_eos_token_id(ids["[SEP]"])
    for token, method in _SPECIAL.items():
        getattr(writer, method)(ids[token])
    is_lower = source.normalizer.get("lowercase") is True
    strips = source.normalizer.get("strip_accents")
    writer.add_bool("tokenizer.ggml.normalizer.lowercase", is_lower)
    # BertNormalizer: null means "as lowercase says".
    writer.add_bool(
        "tokenizer.ggml.normalizer.strip_accents", strips if isinstance(strips, bool) else is_lower
    )


def _piece(token: str) -> str:
    """Spell a WordPiece token as llama.cpp does: a mark where a word starts, none inside."""
    if token.startswith("[") and token.endswith("]"):
        return token
    return token[2:] if token.startswith("##") else _WORD_START + token


def _tensors(folder: Path, source: _Source, dtype: Dtype) -> Iterator[tuple[str, Array]]:
    import gguf
    from safetensors import SafetensorError, safe_open

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, source.whole("num_hidden_layers"))
    path = folder / "model.safetensors"
    try:
        with safe_open(str(path), framework="numpy") as file:
            for name in sorted(file.keys()):
                # The pooler is not part of a sentence embedding; the ids are 0, 1, 2, ...
                if "pooler" in name or name.endswith("position_ids"):
                    continue
                bare = name.removeprefix("bert.")
                wanted = names.get_name(bare, try_suffixes=(".weight", ".bias"))
                if wanted is None:
                    raise LibraryError(f"model.safetensors: no place for the tensor {name!r}")
                yield wanted, _stored(wanted, file.get_tensor(name), dtype)
    except (SafetensorError, OSError) as error:
        raise LibraryError(f"cannot read {path}: {error}") from error


def _stored(name: str, array: Array, dtype: Dtype) -> Array:
    import gguf

    values = array.astype(np.float32)
    if dtype == "f32" or values.ndim < 2 or name.startswith(_ALWAYS_F32):
        return values
    if dtype == "f16":
        return values.astype(np.float16)
    return gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise LibraryError(f"{path} is too large for what it should hold")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"cannot read {path}: {error}") from error


def _json(path: Path) -> Mapping[str, object]:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise LibraryError(f"{path} is not a JSON object")
    return data
