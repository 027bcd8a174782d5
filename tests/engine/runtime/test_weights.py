"""What a header says a model takes, for every kind of memory."""

from engine.library.gguf import Header, TensorInfo, read_header
from engine.library.store import Library
from engine.runtime.weights import MAX_ITEMS, LayerMemory, weights_of


def header(architecture, facts, tensors=()):
    metadata = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key}": value for key, value in facts.items()}
    infos = tuple(TensorInfo(name, (size,), "F32", size) for name, size in tensors)
    return Header(3, metadata, infos)


PLAIN = {"block_count": 2, "embedding_length": 64, "attention.head_count": 4}


def test_the_starter_model_takes_what_llama_cpp_reports(starter_models):
    path = Library(starter_models).find("smollm2:135m").model_path

    weights = weights_of(read_header(path, max_items=MAX_ITEMS))

    assert (weights.n_layers, weights.n_vocab, weights.n_ctx_train) == (30, 49_152, 8192)
    assert round(weights.size_bytes / 2**20, 1) == 92.1  # "CPU_Mapped model buffer size"
    assert set(weights.memories) == {LayerMemory(192, 192)}  # 360 MiB for 16,384 tokens
    assert weights.is_tied


def test_an_encoder_remembers_nothing(starter_models):
    path = Library(starter_models).find("all-minilm").model_path

    weights = weights_of(read_header(path, max_items=MAX_ITEMS))

    assert set(weights.memories) == {LayerMemory()}
    assert not weights.is_tied


def test_weights_are_sorted_into_input_layers_and_head():
    tensors = (("token_embd.weight", 100), ("blk.0.a", 10), ("blk.1.a", 20), ("output.weight", 50))

    weights = weights_of(header("llama", PLAIN, tensors))

    assert (weights.input_bytes, weights.layer_bytes, weights.output_bytes) == (400, (40, 80), 200)
    tied = weights_of(header("llama", PLAIN, tensors[:3]))
    assert (tied.input_bytes, tied.output_bytes, tied.size_bytes) == (400, 400, 520)


def test_full_attention_remembers_all_heads():
    assert weights_of(header("llama", PLAIN)).memories == (LayerMemory(64, 64),) * 2


def test_grouped_heads_may_differ_by_layer():
    grouped = PLAIN | {"attention.head_count_kv": [2, 1], "attention.key_length": 32}

    found = weights_of(header("openelm", grouped)).memories

    assert found == (LayerMemory(64, 32), LayerMemory(32, 16))


def test_mla_remembers_one_compressed_key_and_no_value():
    facts = PLAIN | {
        "attention.head_count_kv": 1,
        "attention.key_length": 576,
        "attention.value_length": 512,
        "attention.key_length_mla": 192,
        "attention.value_length_mla": 128,
    }

    assert weights_of(header("deepseek2", facts)).memories == (LayerMemory(576, 0),) * 2


def test_mamba_keeps_a_state_and_no_cache():
    facts = {
        "block_count": 1,
        "embedding_length": 64,
        "ssm.conv_kernel": 4,
        "ssm.inner_size": 128,
        "ssm.state_size": 16,
    }

    assert weights_of(header("mamba", facts)).memories == (
        LayerMemory(state_bytes=(3 * 128 + 128 * 16) * 4),
    )


def test_a_hybrid_has_both():
    listed = PLAIN | {"attention.head_count_kv": [0, 2], "shortconv.l_cache": 3}
    interval = PLAIN | {"full_attention_interval": 2, "ssm.inner_size": 8, "ssm.state_size": 2}

    for found in (header("lfm2", listed), header("qwen3next", interval)):
        first, second = weights_of(found).memories
        assert first.state_bytes
        assert not first.n_key
        assert second.n_key
        assert not second.state_bytes


def test_rwkv_keeps_its_shifted_tokens_and_a_square_a_head():
    facts = {"block_count": 1, "embedding_length": 64, "wkv.head_size": 16, "token_shift_count": 2}

    assert weights_of(header("rwkv6", facts)).memories == (
        LayerMemory(state_bytes=(2 * 64 + 64 * 16) * 4),
    )
