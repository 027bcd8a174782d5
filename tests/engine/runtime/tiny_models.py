"""A path in, a tiny GGUF file with random weights out: chat, embedding, LoRA, projector …

Every file is a few hundred kilobytes, is written in milliseconds and says nonsense, always the
same: what they are for is how llama.cpp is driven, not what a model knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

N_EMBD, N_HEAD, N_FF, N_LAYERS, N_CTX_TRAIN = 32, 2, 64, 2, 4096
CONTROL = ("<think>", "</think>", "<tool_call>", "<|im_end|>")
N_VISION = 16  # width of the picture encoder
N_MELS = 128

_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # llama_token_type


class _Weights:
    """Random tensors, the same in every run."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self._writer, self._random = writer, np.random.default_rng(seed)

    def add(self, name: str, *shape: int, scale: float = 0.3) -> None:
        data = self._random.standard_normal(shape) * scale
        self._writer.add_tensor(name, data.astype(np.float32))

    def ones(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, np.ones(shape, dtype=np.float32))

    def zeros(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, np.zeros(shape, dtype=np.float32))

    def norm(self, name: str, size: int) -> None:
        self.ones(f"{name}.weight", size)
        self.zeros(f"{name}.bias", size)

    def linear(self, name: str, n_out: int, n_in: int) -> None:
        self.add(f"{name}.weight", n_out, n_in)
        self.zeros(f"{name}.bias", n_out)


def _save(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def chat_vocab() -> tuple[list[str], list[int]]:
    """List the tokens of the chat models and their types: bytes, ASCII, some words, control."""
    words = ["▁", "▁the", "▁a", "he", "ll", "lo", "▁x", "}\n", "知", "</think>{"]
    plain = [chr(one) for one in range(33, 127)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{one:02X}>" for one in range(256)), *plain, *words]
    types = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * (len(plain) + len(words))]
    return [*tokens, *CONTROL], [*types, *[_CONTROL] * len(CONTROL)]


def _chat_tokenizer(writer: gguf.GGUFWriter) -> int:
    tokens, types = chat_vocab()
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(at) for at in range(len(tokens))])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    return len(tokens)


def write_chat(
    path: Path, *, arch: str = "llama", seed: int = 1, templates: Mapping[str, str] | None = None
) -> Path:
    """Write a chat model: llama, or qwen2vl (M-RoPE), or qwen3 with a reranker's head."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(N_CTX_TRAIN)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(N_LAYERS)
    writer.add_feed_forward_length(N_FF)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(N_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(N_EMBD // N_HEAD)
    if arch == "qwen2vl":
        writer.add_rope_dimension_sections([2, 3, 3, 0])
    if arch == "qwen3":
        writer.add_pooling_type(gguf.PoolingType.RANK)
        writer.add_classifier_output_labels(["yes", "no"])
    for name, text in (templates or {}).items():
        writer.add_string(f"tokenizer.chat_template.{name}", text)
    n_vocab = _chat_tokenizer(writer)
    weights = _Weights(writer, seed)
    weights.add("token_embd.weight", n_vocab, N_EMBD, scale=1.0)
    weights.ones("output_norm.weight", N_EMBD)
    weights.add("output.weight", n_vocab, N_EMBD, scale=0.5)
    for layer in range(N_LAYERS):
        _chat_layer(weights, f"blk.{layer}", arch)
    if arch == "qwen3":
        weights.add("cls.output.weight", 2, N_EMBD)
    _save(writer)
    return path


def _chat_layer(weights: _Weights, name: str, arch: str) -> None:
    weights.ones(f"{name}.attn_norm.weight", N_EMBD)
    weights.ones(f"{name}.ffn_norm.weight", N_EMBD)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights.add(f"{name}.{part}.weight", N_EMBD, N_EMBD)
    if arch == "qwen2vl":
        for part in ("attn_q", "attn_k", "attn_v"):
            weights.zeros(f"{name}.{part}.bias", N_EMBD)
    if arch == "qwen3":
        weights.ones(f"{name}.attn_q_norm.weight", N_EMBD // N_HEAD)
        weights.ones(f"{name}.attn_k_norm.weight", N_EMBD // N_HEAD)
    weights.add(f"{name}.ffn_gate.weight", N_FF, N_EMBD)
    weights.add(f"{name}.ffn_up.weight", N_FF, N_EMBD)
    weights.add(f"{name}.ffn_down.weight", N_EMBD, N_FF)


def write_bert(
    path: Path, *, pooling: gguf.PoolingType = gguf.PoolingType.CLS, n_labels: int = 0
) -> Path:
    """Write a BERT: an embedding model, or with labels a cross-encoder (pooling RANK)."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(256)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(N_LAYERS)
    writer.add_feed_forward_length(N_FF)
    writer.add_head_count(N_HEAD)
    writer.add_layer_norm_eps(1e-5)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    if n_labels > 1:
        writer.add_classifier_output_labels([f"label{one}" for one in range(n_labels)])
    n_vocab = _bert_tokenizer(writer)
    weights = _Weights(writer, 2)
    weights.add("token_embd.weight", n_vocab, N_EMBD, scale=1.0)
    weights.add("token_types.weight", 2, N_EMBD)
    weights.add("position_embd.weight", 256, N_EMBD)
    weights.norm("token_embd_norm", N_EMBD)
    for layer in range(N_LAYERS):
        name = f"blk.{layer}"
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.linear(f"{name}.{part}", N_EMBD, N_EMBD)
        weights.linear(f"{name}.ffn_up", N_FF, N_EMBD)
        weights.linear(f"{name}.ffn_down", N_EMBD, N_FF)
        weights.norm(f"{name}.attn_output_norm", N_EMBD)
        weights.norm(f"{name}.layer_output_norm", N_EMBD)
    if n_labels:
        weights.linear("cls", N_EMBD, N_EMBD)
        weights.linear("cls.output", n_labels, N_EMBD)
    _save(writer)
    return path


def _bert_tokenizer(writer: gguf.GGUFWriter) -> int:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,?!"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*special, *(f"▁{one}" for one in letters), *letters]
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types([_CONTROL] * len(special) + [_NORMAL] * (2 * len(letters)))
    writer.add_token_type_count(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    writer.add_add_sep_token(False)  # as converters write it for [CLS] A [SEP] B [SEP]
    for name, number in (("pad", 0), ("unk", 1), ("bos", 2), ("eos", 3), ("sep", 3), ("mask", 4)):
        if name == "unk":
            writer.add_unk_token_id(number)
        else:
            getattr(writer, f"add_{name}_token_id")(number)
    return len(tokens)


def write_reranker(path: Path, *, n_labels: int = 1) -> Path:
    """Write a cross-encoder."""
    return write_bert(path, pooling=gguf.PoolingType.RANK, n_labels=n_labels)


def write_lora(path: Path, *, scale: float = 2.0, n_embd: int = N_EMBD) -> Path:
    """Write a LoRA adapter of rank 2 for the chat model's first layer."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0)
    weights = _Weights(writer, 3)
    weights.add("blk.0.attn_v.weight.lora_a", 2, n_embd, scale=scale)
    weights.add("blk.0.attn_v.weight.lora_b", n_embd, 2, scale=scale)
    _save(writer)
    return path


def write_projector(
    path: Path, *, kind: str = "mlp", n_out: int = N_EMBD, is_crashing: bool = False
) -> Path:
    """Write what sees: mlp (LLaVA), gemma3 (not causal), qwen2vl_merger (M-RoPE); or hears.

    Args:
        is_crashing: leave out a tensor whose absence llama.cpp notices too late.
    """
    if kind == "ultravox":
        return _write_hearing(path, n_out)
    image, patch = (28, 14) if kind != "gemma3" else (56, 14)
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", kind)
    writer.add_bool("clip.use_gelu", True)
    _encoder_facts(writer, "vision", n_out)
    writer.add_uint32("clip.vision.image_size", image)
    writer.add_uint32("clip.vision.patch_size", patch)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    if kind == "gemma3":
        writer.add_uint32("clip.vision.projector.scale_factor", 2)
    weights = _Weights(writer, 4)
    weights.add("v.patch_embd.weight", N_VISION, 3, patch, patch)
    if kind == "qwen2vl_merger":
        weights.add("v.patch_embd.weight.1", N_VISION, 3, patch, patch)
    else:
        weights.zeros("v.patch_embd.bias", N_VISION)
        weights.add("v.position_embd.weight", (image // patch) ** 2, N_VISION)
    weights.norm("v.post_ln", N_VISION)
    _encoder_layers(weights, "v", has_key_bias=not is_crashing)
    _projection(weights, kind, n_out)
    _save(writer)
    return path


def _write_hearing(path: Path, n_out: int) -> Path:
    n_stack, n_wide = 4, 64  # with 8, as the real ones have it, this llama.cpp ends the process
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_audio_encoder", True)
    writer.add_string("clip.projector_type", "ultravox")
    _encoder_facts(writer, "audio", n_out)
    writer.add_uint32("clip.audio.num_mel_bins", N_MELS)
    writer.add_uint32("clip.audio.projector.stack_factor", n_stack)
    weights = _Weights(writer, 5)
    for number, n_in in ((1, N_MELS), (2, N_VISION)):
        weights.add(f"a.conv1d.{number}.weight", N_VISION, n_in, 3)
        weights.zeros(f"a.conv1d.{number}.bias", N_VISION, 1)
    weights.add("a.position_embd.weight", 1500, N_VISION)
    weights.norm("a.post_ln", N_VISION)
    _encoder_layers(weights, "a", has_key_bias=False)
    weights.ones("mm.a.norm_pre.weight", N_VISION * n_stack)
    weights.add("mm.a.mlp.1.weight", 2 * n_wide, N_VISION * n_stack)
    weights.ones("mm.a.norm_mid.weight", n_wide)
    weights.add("mm.a.mlp.2.weight", n_out, n_wide)
    _save(writer)
    return path


def _projection(weights: _Weights, kind: str, n_out: int) -> None:
    if kind == "gemma3":
        weights.add("mm.input_projection.weight", N_VISION, n_out)
        weights.ones("mm.soft_emb_norm.weight", N_VISION)
        return
    n_in = N_VISION * (4 if kind == "qwen2vl_merger" else 1)
    weights.linear("mm.0", n_in if kind == "qwen2vl_merger" else n_out, n_in)
    weights.linear("mm.2", n_out, n_in if kind == "qwen2vl_merger" else n_out)


def _encoder_facts(writer: gguf.GGUFWriter, kind: str, n_out: int) -> None:
    facts = {
        "embedding_length": N_VISION,
        "feed_forward_length": 32,
        "block_count": 2,
        "projection_dim": n_out,
        "attention.head_count": 1,
    }
    for name, value in facts.items():
        writer.add_uint32(f"clip.{kind}.{name}", value)
    writer.add_float32(f"clip.{kind}.attention.layer_norm_epsilon", 1e-5)


def _encoder_layers(weights: _Weights, prefix: str, *, has_key_bias: bool) -> None:
    for layer in range(2):
        name = f"{prefix}.blk.{layer}"
        for part in ("attn_q", "attn_v", "attn_out"):
            weights.linear(f"{name}.{part}", N_VISION, N_VISION)
        weights.add(f"{name}.attn_k.weight", N_VISION, N_VISION)
        if has_key_bias:  # Whisper has none; llama.cpp's Qwen2-VL crashes without it
            weights.zeros(f"{name}.attn_k.bias", N_VISION)
        weights.norm(f"{name}.ln1", N_VISION)
        weights.norm(f"{name}.ln2", N_VISION)
        weights.linear(f"{name}.ffn_up", 32, N_VISION)
        weights.linear(f"{name}.ffn_down", N_VISION, 32)


def picture(
    kind: str = "PNG", *, size: tuple[int, int] = (40, 30), color: Sequence[int] = (200, 30, 90)
) -> bytes:
    """Write a picture of one colour."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", size, tuple(color)).save(file, kind)
    return file.getvalue()
