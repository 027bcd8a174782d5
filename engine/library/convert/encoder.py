"""The config.json of a BERT-like model in, a plan of its GGUF file out; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from engine.errors import RequestError
from engine.library.convert.parts import Names, Part, Plan, Value
from engine.library.convert.settings import MAX_LAYERS, MAX_VOCAB, Settings

_GELU = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python")
_NOT_NEEDED = (
    "position_ids",
    "cls.predictions.",
    "cls.seq_relationship.",
    "lm_head.",
    "rotary_emb.inv_freq",
)
# all-MiniLM-L6-v2 against its original on 36 English and 18 Chinese texts, lowest cosine: all in
# q8_0 0.99874 (25.3 MB), these two in f16 0.99948 (26.9 MB), the feed-forward network too 0.99995
# (33.6 MB), all in f16 0.99999 (46.2 MB).
_PRECISE = ("attn_v.", "attn_output.")
_MEAN, _RANK = 1, 4  # llama_pooling_type
PREFIXES = ("bert.", "roberta.", "nomic_bert.")
ANCHOR = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The numbers that shapes are made of."""

    n_layers: int
    n_vocab: int
    n_types: int
    width: int
    inner: int


Make = Callable[[str, Settings, Names], Plan]


def plan_bert(name: str, config: Settings, names: Names) -> Plan:
    """Plan the GGUF file of a BERT, or of a reranker made from one.

    Raises:
        RequestError: config.json has a value that is wrong or cannot be converted.
    """
    config.one_of("hidden_act", _GELU, "gelu")
    config.one_of("position_embedding_type", ("absolute",), "absolute")
    # RoBERTa counts positions from the padding token's id on; the rows before are never used.
    skips = 1 + _pad_id(config) if "oberta" in name.casefold() else 0
    sizes = _Sizes(
        config.whole("num_hidden_layers", most=MAX_LAYERS),
        config.whole("vocab_size", most=MAX_VOCAB),
        config.whole("type_vocab_size", 2),
        config.whole("hidden_size"),
        config.whole("intermediate_size"),
    )
    n_positions = config.whole("max_position_embeddings", 512)
    if n_positions <= skips:
        raise RequestError(f"config.json: max_position_embeddings {n_positions} leaves no position")
    settings = _settings(config, sizes, n_positions - skips)
    parts = [*_embeddings(sizes, ""), *_bert_layers(sizes)]
    rows = (n_positions, sizes.width)
    parts.append(
        Part("position_embd.weight", "embeddings.position_embeddings.weight", rows, skips=skips)
    )
    is_reranker = name.endswith("ForSequenceClassification")
    if is_reranker:
        _check_labels(config)
        parts += _head(name, sizes.width)
        settings["pooling_type"] = _RANK
    ignored = _NOT_NEEDED if is_reranker else (*_NOT_NEEDED, "pooler.")
    warnings: tuple[str, ...] = ()
    if is_reranker and sizes.n_types > 1:
        warnings = (
            "llama.cpp marks no text of a pair as the second, so scores differ a little from the "
            "original's (type_vocab_size is above 1)",
        )
    return Plan(
        "bert",
        settings,
        tuple(parts),
        sizes.n_vocab,
        ignored=ignored,
        precise=_PRECISE,
        warnings=warnings,
    )


def _pad_id(config: Settings) -> int:
    value = config.values.get("pad_token_id", 1)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RequestError(f"config.json: pad_token_id is {value!r}; a token's number is needed")
    return value


def _settings(config: Settings, sizes: _Sizes, n_positions: int) -> dict[str, Value]:
    heads = config.whole("num_attention_heads" if config.has("num_attention_heads") else "n_head")
    if sizes.width % heads:
        raise RequestError(f"config.json: width {sizes.width} is no multiple of {heads} heads")
    key = "layer_norm_epsilon" if config.has("layer_norm_epsilon") else "layer_norm_eps"
    return {
        "context_length": n_positions,
        "embedding_length": sizes.width,
        "feed_forward_length": sizes.inner,
        "block_count": sizes.n_layers,
        "attention.head_count": heads,
        "attention.layer_norm_epsilon": config.number(key, 1e-12),
        "attention.causal": False,
        "pooling_type": _MEAN,
    }


def _embeddings(sizes: _Sizes, norm: str) -> Iterator[Part]:
    shape = (sizes.n_types, sizes.width)
    yield Part("token_embd.weight", ANCHOR, (sizes.n_vocab, sizes.width))
    yield Part("token_types.weight", "embeddings.token_type_embeddings.weight", shape)
    yield from _both("token_embd_norm", norm or "embeddings.LayerNorm", (sizes.width,))


def _both(target: str, source: str, shape: tuple[int, ...]) -> Iterator[Part]:
    yield Part(f"{target}.weight", f"{source}.weight", shape)
    yield Part(f"{target}.bias", f"{source}.bias", shape[:1])


def _bert_layers(sizes: _Sizes) -> Iterator[Part]:
    square, wide = (sizes.width, sizes.width), (sizes.width,)
    shapes = {
        "attn_q": ("attention.self.query", square),
        "attn_k": ("attention.self.key", square),
        "attn_v": ("attention.self.value", square),
        "attn_output": ("attention.output.dense", square),
        "attn_output_norm": ("attention.output.LayerNorm", wide),
        "ffn_up": ("intermediate.dense", (sizes.inner, sizes.width)),
        "ffn_down": ("output.dense", (sizes.width, sizes.inner)),
        "layer_output_norm": ("output.LayerNorm", wide),
    }
    for number in range(sizes.n_layers):
        for target, (source, shape) in shapes.items():
            yield from _both(f"blk.{number}.{target}", f"encoder.layer.{number}.{source}", shape)


def _check_labels(config: Settings) -> None:
    labels = config.values.get("id2label")
    n_labels = len(labels) if isinstance(labels, dict) else config.whole("num_labels", 2)
    if n_labels != 1:
        raise RequestError(
            f"config.json: the model sorts texts into {n_labels} classes; a reranker, which has "
            "one label, can be converted"
        )


def _head(name: str, width: int) -> Iterator[Part]:
    """Give the layers between the first token's vector and the score."""
    dense, out = ("pooler.dense", "classifier")
    if name != "BertForSequenceClassification":
        dense, out = ("classifier.dense", "classifier.out_proj")
    yield from _both("cls", dense, (width, width))
    yield from _both("cls.output", out, (1, width))


def plan_nomic(name: str, config: Settings, names: Names) -> Plan:
    """Plan the GGUF file of a nomic-BERT: BERT with rotary positions and a gated network.

    Two spellings exist: nomic's own (n_embd, attn.Wqkv) and that of transformers 5.

    Raises:
        RequestError: a variant that cannot be converted.
    """
    if config.has("moe_every_n_layers") or config.has("num_experts"):
        raise RequestError(
            "config.json: nomic-BERT with mixtures of experts (v2) cannot be converted; v1 and "
            "v1.5 can"
        )
    is_own = config.has("n_embd")
    sizes = _nomic_own_sizes(config) if is_own else _nomic_sizes(config)
    length = config.whole("max_position_embeddings" if not is_own else "n_positions", 2048)
    if is_own:  # v1.5 says 8192 positions and was trained on 2048
        length = min(length, config.whole("max_trained_positions", 2048))
    settings = _settings(config, sizes, length)
    settings["rope.freq_base"] = (
        config.number("rotary_emb_base", 10_000)
        if is_own
        else config.section("rope_parameters").number("rope_theta", 1000)
    )
    if "encoder.layers.0.attn.Wqkv.weight" in names:
        parts = [*_embeddings(sizes, "emb_ln"), *_nomic_layers(sizes, _NOMIC_OWN)]
    else:
        parts = [*_embeddings(sizes, ""), *_nomic_layers(sizes, _NOMIC)]
    return Plan(
        "nomic-bert", settings, tuple(parts), sizes.n_vocab, ignored=_NOT_NEEDED, precise=_PRECISE
    )


_NOMIC_OWN = {
    "attn_qkv": "encoder.layers.{}.attn.Wqkv",
    "attn_output": "encoder.layers.{}.attn.out_proj",
    "attn_output_norm": "encoder.layers.{}.norm1",
    "ffn_up": "encoder.layers.{}.mlp.fc11",
    "ffn_gate": "encoder.layers.{}.mlp.fc12",
    "ffn_down": "encoder.layers.{}.mlp.fc2",
    "layer_output_norm": "encoder.layers.{}.norm2",
}
_NOMIC = {
    "attn_q": "layers.{}.self_attn.q_proj",
    "attn_k": "layers.{}.self_attn.k_proj",
    "attn_v": "layers.{}.self_attn.v_proj",
    "attn_output": "layers.{}.self_attn.o_proj",
    "attn_output_norm": "layers.{}.post_attention_layernorm",
    "ffn_up": "layers.{}.mlp.up_proj",
    "ffn_gate": "layers.{}.mlp.gate_proj",
    "ffn_down": "layers.{}.mlp.down_proj",
    "layer_output_norm": "layers.{}.post_mlp_layernorm",
}


def _nomic_own_sizes(config: Settings) -> _Sizes:
    for key, wanted in (
        ("activation_function", "swiglu"),
        ("prenorm", False),
        ("causal", False),
        ("qkv_proj_bias", False),
        ("mlp_fc1_bias", False),
        ("rotary_emb_fraction", 1.0),
        ("rotary_emb_interleaved", False),
    ):
        if config.values.get(key, wanted) != wanted:
            raise RequestError(
                f"config.json: {key} is {config.values[key]!r}; supported: {wanted!r}"
            )
    width = config.whole("n_embd")
    return _Sizes(
        config.whole("n_layer", most=MAX_LAYERS),
        config.whole("vocab_size", most=MAX_VOCAB),
        config.whole("type_vocab_size", 2),
        width,
        config.whole("n_inner", 4 * width),
    )


def _nomic_sizes(config: Settings) -> _Sizes:
    config.one_of("hidden_act", ("silu",), "silu")
    width = config.whole("hidden_size", 768)
    if config.whole("head_dim", 1) not in {1, width // config.whole("num_attention_heads", 12)}:
        raise RequestError("config.json: head_dim is not hidden_size / num_attention_heads")
    return _Sizes(
        config.whole("num_hidden_layers", 12, most=MAX_LAYERS),
        config.whole("vocab_size", 30_528, most=MAX_VOCAB),
        config.whole("type_vocab_size", 2),
        width,
        config.whole("intermediate_size", 3072),
    )


def _nomic_layers(sizes: _Sizes, names: Mapping[str, str]) -> Iterator[Part]:
    square, up = (sizes.width, sizes.width), (sizes.inner, sizes.width)
    shapes = {
        "attn_qkv": (3 * sizes.width, sizes.width),
        "ffn_up": up,
        "ffn_gate": up,
        "ffn_down": (sizes.width, sizes.inner),
    }
    for number in range(sizes.n_layers):
        for target, pattern in names.items():
            source, wanted = pattern.format(number), f"blk.{number}.{target}"
            if target.endswith("_norm"):
                yield from _both(wanted, source, (sizes.width,))
            else:
                shape = shapes.get(target, square)
                yield Part(f"{wanted}.weight", f"{source}.weight", shape)


ENCODERS: Mapping[str, Make] = {
    "BertModel": plan_bert,
    "BertForMaskedLM": plan_bert,
    "BertForSequenceClassification": plan_bert,
    "RobertaModel": plan_bert,
    "RobertaForMaskedLM": plan_bert,
    "RobertaForSequenceClassification": plan_bert,
    "XLMRobertaModel": plan_bert,
    "XLMRobertaForMaskedLM": plan_bert,
    "XLMRobertaForSequenceClassification": plan_bert,
    "NomicBertModel": plan_nomic,
}
