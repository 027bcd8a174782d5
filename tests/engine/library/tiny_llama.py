"""Llama models small enough for a test and large enough for every type of quantization."""

import gguf
import numpy as np

N_WIDTH = 256  # what the k-quants take at once


def write_llama(path, *, file_type=gguf.LlamaFileType.MOSTLY_F16, seed=1, **texts):
    """Write a model of one layer; `texts` are further metadata."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(file_type)
    writer.add_context_length(128)
    writer.add_embedding_length(N_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(N_WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_rope_dimension_count(N_WIDTH // 4)
    writer.add_layer_norm_rms_eps(1e-5)
    add_tokens(writer)
    for key, text in texts.items():
        writer.add_string(key.replace("__", "."), text)
    for name, data in tensors(seed):
        writer.add_tensor(name, data)
    finish(writer)
    return path


def add_tokens(writer):
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581a", "b"]
    kinds = [2, 3, 3, *[6] * 256, 1, 1]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)


def tensors(seed=1):
    """Give (name, values) of all tensors."""
    random = np.random.default_rng(seed)

    def matrix(rows):
        return (random.standard_normal((rows, N_WIDTH)) * 0.02).astype(np.float16)

    yield "token_embd.weight", matrix(261)
    yield "output_norm.weight", np.ones(N_WIDTH, np.float32)
    yield "blk.0.attn_norm.weight", np.ones(N_WIDTH, np.float32)
    yield "blk.0.ffn_norm.weight", np.ones(N_WIDTH, np.float32)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        yield f"blk.0.{part}.weight", matrix(N_WIDTH)


def write_split(folder, n_parts=3, *, counts=None, seed=1):
    """Write the same model as parts; give their paths."""
    all_tensors = list(tensors(seed))
    paths = []
    for number in range(n_parts):
        path = folder / f"model-{number + 1:05}-of-{n_parts:05}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if number == 0:
            writer.add_file_type(1)
            writer.add_context_length(128)
            writer.add_embedding_length(N_WIDTH)
            add_tokens(writer)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", n_parts)
        writer.add_int32("split.tensors.count", counts or len(all_tensors))
        for name, data in all_tensors[number::n_parts]:
            writer.add_tensor(name, data)
        finish(writer)
        paths.append(path)
    return paths


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
