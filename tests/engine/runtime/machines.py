"""Machines and models that nobody has here, for the tables of the placement."""

from dataclasses import replace

from engine.runtime.devices import Device, Machine
from engine.runtime.host_memory import HostMemory
from engine.runtime.sizes import GIB, MIB
from engine.runtime.weights import LayerMemory, Weights


def gpu(number, total_gib, free_gib=None, *, backend="CUDA", kind="gpu"):
    free = total_gib if free_gib is None else free_gib
    name = f"{backend}{number}" if backend != "Metal" else "Metal"
    return Device(name, kind, backend, int(free * GIB), int(total_gib * GIB))


def machine(host_gib, *gpus, free_gib=None):
    free = host_gib if free_gib is None else free_gib
    return Machine(HostMemory(int(free * GIB), int(host_gib * GIB)), gpus)


def mac(gib):
    """Make a Mac: two thirds (three quarters, if large) of its memory may be the GPU's."""
    share = 0.75 if gib > 36 else 0.66
    return machine(gib, gpu(0, gib * share, backend="Metal"), free_gib=gib * 0.85)


NO_GPU = machine(32)
SMALL = machine(32, gpu(0, 8))
LARGE = machine(64, gpu(0, 24))
UNEQUAL = machine(64, gpu(0, 24, 12), gpu(1, 24, 23))
EIGHT = machine(512, *[gpu(number, 80) for number in range(8)])
TAKEN = machine(64, gpu(0, 24, 2.4))


def llm(name, layers, layer_mib, *, cache, vocab, embd, ff, heads, ends_mib, trained=131_072):
    n_key, n_value = cache
    return Weights(
        architecture=name,
        input_bytes=ends_mib * MIB,
        layer_bytes=(layer_mib * MIB,) * layers,
        output_bytes=ends_mib * MIB,
        is_tied=False,
        memories=(LayerMemory(n_key, n_value),) * layers,
        n_vocab=vocab,
        n_embd=embd,
        n_ff=ff,
        n_head=heads,
        head_sizes=(128, 128),
        n_ctx_train=trained,
    )


TINY = llm(
    "llama", 30, 2, cache=(192, 192), vocab=49_152, embd=576, ff=1536, heads=9, ends_mib=20,
    trained=8192,
)  # 135M, q4  # fmt: skip
SEVEN = llm(
    "qwen2", 28, 130, cache=(512, 512), vocab=152_064, embd=3584, ff=18_944, heads=28, ends_mib=330
)  # 7B, q4
SEVENTY = llm(
    "llama", 80, 490, cache=(1024, 1024), vocab=128_256, embd=8192, ff=28_672, heads=64,
    ends_mib=560,
)  # 70B, q4  # fmt: skip
MIXTURE = llm(
    "deepseek2", 60, 1050, cache=(576, 0), vocab=129_280, embd=5120, ff=12_288, heads=128,
    ends_mib=420,
)  # 100B, q4, MLA  # fmt: skip
EMBEDDING = replace(
    TINY,
    architecture="bert",
    memories=(LayerMemory(),) * 30,
    n_ctx_train=512,
)
