import pytest

from app.machine import GIB
from app.machine import Machine as Measured
from app.models import EMBEDDING, chat_model_for
from app.recommended import KNOWN, Known, advised, fit_of, slow_of, weights_like
from engine.library.names import parse
from engine.runtime.devices import Device, Machine
from engine.runtime.host_memory import HostMemory


def machine(memory_gib: float, vram_gib: float = 0) -> Machine:
    host = HostMemory(int(memory_gib * GIB), int(memory_gib * GIB))
    size = int(vram_gib * GIB)
    gpus = (Device("CUDA0", "gpu", "CUDA", size, size),) if vram_gib else ()
    return Machine(host, gpus)


def known(name: str) -> Known:
    return next(one for one in KNOWN if one.name == name)


@pytest.mark.parametrize(
    ("name", "memory", "vram", "fit"),
    [
        ("qwen2.5:0.5b", 4, 0, "memory"),
        ("qwen2.5:14b", 8, 0, "none"),
        ("qwen2.5:14b", 32, 0, "memory"),
        ("qwen2.5:14b", 32, 24, "gpu"),
        ("qwen2.5:14b", 32, 6, "split"),
        ("bge-m3", 4, 0, "memory"),
        ("bge-m3", 1, 0, "none"),
        ("nomic-embed-text", 8, 8, "gpu"),
    ],
)
def test_a_model_fits_where_it_would_be_placed(name, memory, vram, fit):
    found = fit_of(known(name), machine(memory, vram))

    assert found.fit == fit
    assert bool(found.reason) == (fit == "none")
    assert (found.need_bytes > known(name).size_bytes // 2) == (fit != "none")


def test_what_does_not_fit_says_what_is_needed():
    assert "needs" in fit_of(known("phi4:14b"), machine(4)).reason


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: one.name)
def test_every_row_is_sound(one):
    weights = weights_like(one)

    assert parse(one.name)
    assert 0.8 * one.size_bytes < weights.size_bytes <= one.size_bytes
    assert one.shape.n_embd % one.shape.n_head == 0 or one.name == "gemma3:4b"
    assert one.is_free == (one.licence in ("Apache-2.0", "MIT"))


def test_names_are_told_once():
    assert len({one.name for one in KNOWN}) == len(KNOWN)


@pytest.mark.parametrize(
    ("memory", "n_cores", "vram"), [(2, 1, 0), (8, 4, 0), (64, 32, 0), (32, 8, 24)]
)
def test_what_the_program_would_choose_is_in_the_table(memory, n_cores, vram):
    chat = chat_model_for(Measured(memory * GIB, n_cores, vram * GIB))
    fits = [(one, fit_of(one, machine(memory, vram))) for one in KNOWN]

    assert advised(fits, chat, EMBEDDING) == {chat, "nomic-embed-text"}


def test_what_is_larger_than_bearable_is_slow_on_a_processor_only():
    small = [(one, fit_of(one, machine(32))) for one in KNOWN]
    large = [(one, fit_of(one, machine(32, 48))) for one in KNOWN]

    assert "qwen2.5:14b" in slow_of(small, "qwen2.5:1.5b")
    assert "qwen2.5:0.5b" not in slow_of(small, "qwen2.5:1.5b")
    assert "bge-m3" not in slow_of(small, "qwen2.5:0.5b")
    assert slow_of(large, "qwen2.5:14b") == frozenset()
