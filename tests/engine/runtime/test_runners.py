import threading
from dataclasses import replace

import pytest

from engine.errors import LoadError, RuntimeFailedError
from engine.library.store import Library
from engine.runtime import worker
from engine.runtime.gate import Gate
from engine.runtime.log_native import Buffer
from engine.runtime.runners import (
    ChatRunner,
    EmbedRunner,
    LoadPlan,
    choose_batch,
    choose_threads,
    memory_of,
    vram_bytes,
)
from engine.types import DeviceMemory, Options, Priority


def plan(path):
    return LoadPlan(path, Options(), n_ctx=64, n_slots=1, max_queue=8, has_extra_buffers=True)


@pytest.mark.parametrize(
    ("wanted", "n_cores", "threads"), [(0, 2, 2), (-1, 0, 1), (3, 2, 3), (100_000, 2, 8)]
)
def test_as_many_threads_as_asked_within_reason(wanted, n_cores, threads):
    assert choose_threads(wanted, n_cores) == threads


@pytest.mark.parametrize(
    ("wanted", "n_ctx", "n_slots", "batch"),
    [(512, 4096, 4, 512), (512, 64, 2, 128), (-5, 64, 1, 32), (1, 4096, 40, 40)],
)
def test_a_step_has_room_for_every_slot(wanted, n_ctx, n_slots, batch):
    assert choose_batch(wanted, n_ctx, n_slots) == batch


def test_buffers_are_added_up_by_device():
    buffers = [
        Buffer("CPU_Mapped", "weights", 10),
        Buffer("CUDA0", "weights", 5),
        Buffer("CUDA0", "cache", 3),
        Buffer("CUDA_Host", "compute", 2),
        Buffer("CPU_REPACK", "weights", 4),
        Buffer("CUDA1", "compute", 1),
    ]

    memory = memory_of(buffers)

    assert memory == (
        DeviceMemory("CPU", 10, 0, 2),  # what is repacked lies within what is mapped
        DeviceMemory("CUDA0", 5, 3, 0),
        DeviceMemory("CUDA1", 0, 0, 1),
    )
    assert vram_bytes(memory) == 9
    assert memory_of([]) == (DeviceMemory("CPU"),)
    assert memory_of(buffers[4:5]) == (DeviceMemory("CPU", 4),)


def test_two_projectors_are_refused(tiny):
    files = (tiny / "mlp.gguf", tiny / "gemma3.gguf")

    with pytest.raises(LoadError, match="the model has 2 projectors; only one"):
        ChatRunner(replace(plan(tiny / "chat.gguf"), projectors=files), Gate())


def test_a_model_whose_step_does_not_end_is_not_freed_under_it(starter_models, monkeypatch):
    from tests.engine.runtime.test_worker import GREEDY, ask

    monkeypatch.setattr(worker, "CLOSE_WAIT_S", 0.1)
    runner = ChatRunner(plan(Library(starter_models).find("smollm2:135m").model_path), Gate())
    work = ask(runner, "Hello", replace(GREEDY, num_predict=4))
    began, may_end, decode = threading.Event(), threading.Event(), runner._context.decode

    def long_decode(batch):
        began.set()
        may_end.wait(30)
        decode(batch)

    monkeypatch.setattr(runner._context, "decode", long_decode)
    runner.worker.submit(work)
    assert began.wait(30)
    runner.close()
    assert runner.model.pointer
    may_end.set()

    assert work.events.get(timeout=10)  # the step ended well, its memory was still there
    runner.close()
    assert not runner.model.pointer


def test_a_stopped_encoder_refuses_instead_of_computing_in_freed_memory(starter_models):
    runner = EmbedRunner(plan(Library(starter_models).find("all-minilm").model_path), Gate())
    runner.close()

    with pytest.raises(RuntimeFailedError, match="being unloaded"):
        runner.embed([[101, 102]], Priority.QUERY)


def test_a_reranker_is_not_read_as_vectors(starter_models, tmp_path):
    data = Library(starter_models).find("all-minilm").model_path.read_bytes()
    key, uint32 = b"bert.pooling_type", (4).to_bytes(4, "little")
    at = data.index(key) + len(key) + len(uint32)
    ranks = tmp_path / "ranks.gguf"
    ranks.write_bytes(data[:at] + uint32 + data[at + 4 :])

    with pytest.raises(LoadError, match="ranks.gguf: a reranker gives scores"):
        EmbedRunner(plan(ranks), Gate())
