"""The config.json of a Llama-like model in, a plan of its GGUF file out; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from engine.errors import RequestError
from engine.library.convert.parts import (
    Change,
    Names,
    Part,
    Plan,
    Value,
    plus_one,
    undo_rotation_order,
)
from engine.library.convert.rope import rope_factors, rope_kind, rope_of, rope_settings
from engine.library.convert.settings import MAX_LAYERS, MAX_VOCAB, Settings

_GELU = ("gelu", "gelu_pytorch_tanh", "gelu_new")
_NOT_NEEDED = ("rotary_emb.inv_freq", "vision_tower.", "multi_modal_projector.")
_GEMMA3_PERIOD = 6  # every sixth layer sees everything, if config.json does not say otherwise


@dataclass(frozen=True, slots=True)
class Decoder:
    """What sets a family apart from the others."""

    architecture: str  # as llama.cpp calls it
    activations: tuple[str, ...] = ("silu",)
    swaps_rotation: bool = False  # llama.cpp rotates neighbours, the checkpoint halves
    shifts_norms: bool = False  # norms multiply by 1 + weight
    has_head_norms: bool = False  # queries and keys are normalised
    has_four_norms: bool = False  # also after attention and after the feed-forward network
    has_biases: bool = False  # of queries, keys and values
    is_tied: bool = False  # the output is always the token embeddings
    rope_base: float = 10_000
    more: Callable[[Settings], Mapping[str, Value]] = lambda _: {}


# Names below model.layers.N. and below blk.N.; both PEFT adapters and models use them.
LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def _gemma2(config: Settings) -> Mapping[str, Value]:
    _check_query_scale(config, widest_layers=46)
    return {
        "attn_logit_softcapping": config.number("attn_logit_softcapping", 50),
        "final_logit_softcapping": config.number("final_logit_softcapping", 30),
        "attention.sliding_window": config.whole("sliding_window", 4096),
    }


def _gemma3(config: Settings) -> Mapping[str, Value]:
    _check_query_scale(config, widest_layers=62)
    if config.has("attn_logit_softcapping"):
        raise RequestError("config.json: attn_logit_softcapping is not known for gemma3")
    period = _period(config)
    found: dict[str, Value] = {}
    if config.has("final_logit_softcapping"):
        found["final_logit_softcapping"] = config.number("final_logit_softcapping")
    if period == 1:  # every layer sees everything
        return found
    local = rope_of(config, "sliding_attention")
    base = config.number("rope_local_base_freq", 10_000)
    if config.has("rope_parameters"):
        base = local.number("rope_theta", base)
    return found | {
        "attention.sliding_window": config.whole("sliding_window", 4096),
        "attention.sliding_window_pattern": period,
        "rope.freq_base_swa": base,
    }


def _check_query_scale(config: Settings, widest_layers: int) -> None:
    """Refuse a scale that llama.cpp, which derives it, would not use."""
    heads = config.whole("num_attention_heads")
    wanted = config.whole("head_dim", 256)
    if config.whole("num_hidden_layers") == widest_layers:
        wanted = config.whole("hidden_size") // heads
    scale = config.number("query_pre_attn_scalar", 256)
    if scale != wanted:
        raise RequestError(
            f"config.json: query_pre_attn_scalar is {scale:g}; llama.cpp always uses {wanted}"
        )


def _period(config: Settings) -> int:
    """Count the layers from one that sees everything to the next."""
    period = config.whole("sliding_window_pattern", _GEMMA3_PERIOD, most=MAX_LAYERS)
    kinds = config.values.get("layer_types")
    if not isinstance(kinds, list) or not kinds:
        return period
    is_full = [kind == "full_attention" for kind in kinds]
    period = is_full.index(True) + 1 if True in is_full else len(kinds) + 1
    if is_full != [at % period == period - 1 for at in range(len(kinds))]:
        raise RequestError("config.json: layer_types follow no regular pattern")
    return period


_LLAMA = Decoder("llama", swaps_rotation=True)
_GEMMA = Decoder("gemma", _GELU, shifts_norms=True, is_tied=True)
_GEMMA2 = replace(_GEMMA, architecture="gemma2", has_four_norms=True, more=_gemma2)
_GEMMA3 = replace(
    _GEMMA2, architecture="gemma3", has_head_norms=True, rope_base=1_000_000, more=_gemma3
)
_QWEN2 = Decoder("qwen2", has_biases=True)
_QWEN3 = Decoder("qwen3", has_head_norms=True)

DECODERS: Mapping[str, Decoder] = {
    "LlamaForCausalLM": _LLAMA,
    "LlamaModel": _LLAMA,
    "MistralForCausalLM": _LLAMA,
    "MistralModel": _LLAMA,
    "Qwen2ForCausalLM": _QWEN2,
    "Qwen2Model": _QWEN2,
    "Qwen3ForCausalLM": _QWEN3,
    "Qwen3Model": _QWEN3,
    "GemmaForCausalLM": _GEMMA,
    "Gemma2ForCausalLM": _GEMMA2,
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma3ForConditionalGeneration": _GEMMA3,
}
PREFIXES = ("language_model.model.", "model.language_model.", "model.")
ANCHOR = "embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The numbers that shapes are made of."""

    n_layers: int
    n_vocab: int
    width: int
    inner: int
    n_heads: int
    n_kv: int
    head: int


def plan_decoder(name: str, config: Settings, names: Names) -> Plan:
    """Plan the GGUF file of a model that generates text.

    Args:
        name: the architecture as config.json has it, a key of DECODERS.

    Raises:
        RequestError: config.json has a value that is wrong or cannot be converted.
    """
    family = DECODERS[name]
    config.one_of(
        "hidden_activation" if config.has("hidden_activation") else "hidden_act",
        family.activations,
        family.activations[0],
    )
    size = _sizes(config)
    rope = rope_of(config)
    settings: dict[str, Value] = {
        "context_length": config.whole("max_position_embeddings"),
        "embedding_length": size.width,
        "block_count": size.n_layers,
        "feed_forward_length": size.inner,
        "attention.head_count": size.n_heads,
        "attention.head_count_kv": size.n_kv,
        "attention.key_length": size.head,
        "attention.value_length": size.head,
        "attention.layer_norm_rms_epsilon": config.number("rms_norm_eps", 1e-6),
        "rope.dimension_count": size.head,
        "vocab_size": size.n_vocab,
        **rope_settings(rope, family.rope_base),
        **family.more(config),
    }
    computed = {}
    if rope_kind(rope) == "llama3":
        computed["rope_freqs.weight"] = rope_factors(rope, size.head, family.rope_base)
    return Plan(
        family.architecture,
        settings,
        (*_ends(name, size, config), *_layers(family, size)),
        size.n_vocab,
        computed,
        ignored=(*_NOT_NEEDED, "lm_head.weight") if _is_tied(family, config) else _NOT_NEEDED,
        warnings=tuple(_warnings(config, names)),
    )


def _sizes(config: Settings) -> _Sizes:
    n_heads, width = config.whole("num_attention_heads"), config.whole("hidden_size")
    n_kv = config.whole("num_key_value_heads", n_heads)
    head = config.whole("head_dim", max(1, width // n_heads))
    if n_heads % n_kv or head % 2:
        raise RequestError(
            f"config.json: {n_heads} heads, {n_kv} key-value heads and head_dim {head} do not fit"
        )
    return _Sizes(
        config.whole("num_hidden_layers", most=MAX_LAYERS),
        config.whole("vocab_size", most=MAX_VOCAB),
        width,
        config.whole("intermediate_size"),
        n_heads,
        n_kv,
        head,
    )


def _is_tied(family: Decoder, config: Settings) -> bool:
    return family.is_tied or config.values.get("tie_word_embeddings") is True


def _ends(name: str, size: _Sizes, config: Settings) -> Iterator[Part]:
    family, shape = DECODERS[name], (size.n_vocab, size.width)
    norm = plus_one if family.shifts_norms else None
    yield Part("token_embd.weight", ANCHOR, shape)
    yield Part("output_norm.weight", "norm.weight", (size.width,), norm)
    if not _is_tied(family, config):
        is_needed = config.values.get("tie_word_embeddings") is False and "For" in name
        yield Part("output.weight", "lm_head.weight", shape, is_optional=not is_needed)


def _layers(family: Decoder, size: _Sizes) -> Iterator[Part]:
    for number in range(size.n_layers):
        yield from _layer(family, size, number)


def _layer(family: Decoder, size: _Sizes, number: int) -> Iterator[Part]:
    source, target = f"layers.{number}", f"blk.{number}"
    shapes = {
        "attn_q": (size.n_heads * size.head, size.width),
        "attn_k": (size.n_kv * size.head, size.width),
        "attn_v": (size.n_kv * size.head, size.width),
        "attn_output": (size.width, size.n_heads * size.head),
        "ffn_gate": (size.inner, size.width),
        "ffn_up": (size.inner, size.width),
        "ffn_down": (size.width, size.inner),
    }
    changes = row_changes(family, size.n_heads, size.n_kv)
    for old, new in LAYER_NAMES.items():
        shape, change = shapes[new], changes.get(new)
        yield Part(f"{target}.{new}.weight", f"{source}.{old}.weight", shape, change)
        is_free = not (family.has_biases and new in {"attn_q", "attn_k", "attn_v"})
        yield Part(
            f"{target}.{new}.bias", f"{source}.{old}.bias", shape[:1], change, is_optional=is_free
        )
    norm = plus_one if family.shifts_norms else None
    for new, old in _norms(family):
        wide = size.head if old.startswith("self_attn.") else size.width
        yield Part(f"{target}.{new}.weight", f"{source}.{old}.weight", (wide,), norm)


def row_changes(family: Decoder, n_heads: int, n_kv: int) -> Mapping[str, Change]:
    """Tell which projections' rows are stored in another order."""
    if not family.swaps_rotation:
        return {}
    return {"attn_q": undo_rotation_order(n_heads), "attn_k": undo_rotation_order(n_kv)}


def _norms(family: Decoder) -> Iterator[tuple[str, str]]:
    yield "attn_norm", "input_layernorm"
    if family.has_four_norms:
        yield "post_attention_norm", "post_attention_layernorm"
        yield "ffn_norm", "pre_feedforward_layernorm"
        yield "post_ffw_norm", "post_feedforward_layernorm"
    else:
        yield "ffn_norm", "post_attention_layernorm"
    if family.has_head_norms:
        yield "attn_q_norm", "self_attn.q_norm"
        yield "attn_k_norm", "self_attn.k_norm"


def _warnings(config: Settings, names: Names) -> Iterator[str]:
    window = config.values.get("sliding_window")
    is_used = config.values.get("use_sliding_window", True)
    kind = config.values.get("model_type")
    if kind in ("mistral", "qwen2", "qwen3") and isinstance(window, int) and is_used:
        yield (
            f"config.json: sliding_window {window:,} is not kept: every token sees all before it"
        )
    if any("vision_tower." in name for name in names):
        yield "the part that sees images is left out; the model answers text only"
