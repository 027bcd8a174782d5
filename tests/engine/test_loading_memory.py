"""Loads on machines with little memory, and loads that fail for it. No GPU was asked."""

import threading
from dataclasses import replace

import pytest

from engine.config import EngineSettings
from engine.errors import OutOfMemoryError
from engine.library.store import Library
from engine.loading import Loader, choose_prefix_cache
from engine.placing import this_machine
from engine.runtime.devices import Machine
from engine.runtime.host_memory import HostMemory
from engine.runtime.placement import host_margin
from engine.runtime.sizes import GIB, HOST, MIB
from engine.types import DeviceMemory, Options
from tests.engine.runtime.machines import LARGE


class Runner:
    """What stands for a loaded model."""

    def __init__(self, placement):
        self.placement, self.n_ctx = placement, placement.n_ctx
        self.memory = tuple(DeviceMemory(name, size) for name, size in placement.needs().items())

    def stop(self):
        pass

    def close(self):
        pass


class DryLoader(Loader):
    """Loads nothing; fails for memory as often as it is told."""

    def __init__(self, settings, machine, fails=lambda placement: False):
        super().__init__(settings, measure=lambda: machine)
        self.fails, self.tried = fails, []

    def _open(self, load, placement, free):
        self.tried.append(placement)
        if self.fails(placement):
            raise OutOfMemoryError("llama.cpp: alloc failed")
        return Runner(placement)


@pytest.fixture
def entry(starter_models):
    return Library(starter_models).find("smollm2:135m")


@pytest.fixture
def dry(starter_models):
    opened = []

    def make(machine, fails=lambda placement: False, **settings):
        opened.append(DryLoader(EngineSettings(starter_models, **settings), machine, fails))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def small(gib):
    return Machine(HostMemory(int(gib * GIB), int(gib * GIB)))


def load(loader, entry, **options):
    with loader.chat(entry, Options(**options)) as runner:
        return runner


def test_a_context_beyond_memory_is_refused_before_anything_is_taken(entry, dry):
    loader = dry(small(0.4), n_parallel=2)

    with pytest.raises(OutOfMemoryError, match=r"smollm2:135m: the model needs .*can be had") as it:
        load(loader, entry, num_ctx=8192)

    assert loader.tried == []
    largest = int(str(it.value).split("largest num_ctx that fits is ")[1].split(":")[0])
    assert load(loader, entry, num_ctx=largest).n_ctx == largest


def test_a_context_beyond_memory_ends_in_its_error_with_the_real_engine_too(entry, starter_models):
    def measure():
        real = this_machine()
        return real.with_free({HOST: 300 * MIB + host_margin(real.host.total_bytes)})

    settings = EngineSettings(starter_models, n_parallel=1)
    loader = Loader(settings, measure=measure)

    with pytest.raises(OutOfMemoryError, match="largest num_ctx"):
        load(loader, entry, num_ctx=8192)
    assert loader.running() == []
    loader.close()


def test_a_context_that_nobody_asked_for_gives_way_to_memory(entry, dry):
    roomy, short = dry(small(8)), dry(small(0.38))

    assert load(roomy, entry).n_ctx == 4096
    assert load(short, entry).n_ctx == 2048


def test_a_context_that_gave_way_comes_back_with_the_memory(entry, dry):
    loader = dry(small(8), fails=lambda placement: placement.n_ctx > 2048)
    assert load(loader, entry).n_ctx == 2048

    loader.fails = lambda placement: False
    assert load(loader, entry).n_ctx == 2048  # it is loaded so
    loader.expire(entry)

    assert load(loader, entry).n_ctx == 4096


def test_a_load_that_fails_for_memory_is_tried_with_fewer_layers(entry, dry):
    loader = dry(LARGE, fails=lambda placement: placement.n_gpu_layers > 4)

    runner = load(loader, entry, num_ctx=4096)

    assert [one.n_gpu_layers for one in loader.tried] == [31, 15, 7, 3]
    assert {one.n_ctx for one in loader.tried} == {4096}
    assert runner.placement.n_gpu_layers == 3


def test_then_with_a_shorter_context_if_nobody_asked_for_it(entry, dry):
    loader = dry(LARGE, fails=lambda placement: placement.n_ctx > 4096)

    assert load(loader, entry).n_ctx == 4096

    assert [one.n_ctx for one in loader.tried if one.n_gpu_layers == 31] == [8192, 4096]
    assert load(loader, entry).n_ctx == 4096  # remembered: it is not loaded again
    assert loader.counts().n_loads == 1


def test_at_the_end_the_error_says_what_is_needed_and_what_there_is(entry, dry):
    loader = dry(LARGE, fails=lambda placement: True)

    with pytest.raises(OutOfMemoryError) as caught:
        load(loader, entry, num_ctx=4096)

    text = str(caught.value)
    assert text.startswith("smollm2:135m: the model needs")
    assert "CUDA0 has 24.0 GiB free" in text
    assert "num_ctx" in text
    assert "llama.cpp: alloc failed" in text
    assert loader.tried[-1].n_gpu_layers == 0


def test_one_model_in_two_configurations_and_beside_an_embedding_model(entry, starter_models, dry):
    loader = dry(LARGE)
    embedder = Library(starter_models).find("all-minilm")

    with (
        loader.chat(entry, Options(num_ctx=1024)) as short,
        loader.chat(entry, Options(num_ctx=2048)) as long,
        loader.embedding(embedder, Options()) as embedding,
    ):
        assert (short.n_ctx, long.n_ctx, embedding.n_ctx) == (1024, 2048, 512)
        assert len(loader.running()) == 3


def test_an_automatic_context_and_the_same_one_said_share_what_is_loaded(entry, dry):
    loader = dry(small(8))

    assert load(loader, entry) is load(loader, entry, num_ctx=4096)


def test_conversations_without_a_slot_take_a_quarter_of_what_is_left_at_most():
    assert choose_prefix_cache(512, 4000, "chat") == 512
    assert choose_prefix_cache(512, 1000, "chat") == 250
    assert choose_prefix_cache(512, -7, "chat") == 0
    assert choose_prefix_cache(512, 4000, "embedding") == 0


def test_two_threads_get_the_same_model(entry, dry):
    loader, found = dry(small(8)), []
    threads = [threading.Thread(target=lambda: found.append(load(loader, entry))) for _ in "ab"]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert found[0] is found[1]


def test_settings_reach_the_placement(entry, dry):
    loader = dry(LARGE, cache_type="q8_0", gpu_overhead_bytes=int(23.4 * GIB), is_spread=True)

    placement = load(loader, entry, num_ctx=2048).placement

    assert (placement.cache_type, placement.flash_attention) == ("q8_0", True)
    assert placement.n_gpu_layers < 31
    off = dry(LARGE, cache_type="q8_0", flash_attention=False)
    assert load(off, entry).placement == replace(
        load(off, entry).placement, cache_type="f16", flash_attention=False
    )
