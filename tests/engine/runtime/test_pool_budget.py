"""The pool keeps to what the machine has; made-up models, made-up memory."""

import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runtime.pool import Pool, PoolCounts
from engine.types import DeviceMemory
from tests.engine.runtime.test_pool import entry, key

CAPACITY = {"CPU": 100, "CUDA0": 50}


class World:
    """Memory that models take and give back; knows what went wrong."""

    def __init__(self, max_loaded=9):
        self.lock = threading.Lock()
        self.living = []
        self.faults = []
        self.pool = Pool(max_loaded, 60.0, self.free)

    def used(self):
        with self.lock:
            return {
                device: sum(one.sizes.get(device, 0) for one in self.living) for device in CAPACITY
            }

    def free(self):
        used = self.used()
        return {device: max(0, most - used[device]) for device, most in CAPACITY.items()}

    def use(self, name, sizes, keep_alive_s=60.0):
        def fits(rooms):
            if any(rooms.whole[device] < size for device, size in sizes.items()):
                return True
            return all(rooms.free[device] >= size for device, size in sizes.items())

        return self.pool.use(
            key(name), entry(name), lambda _: Model(self, sizes), keep_alive_s, fits=fits
        )


class Model:
    """A runner of a given size."""

    n_ctx = 8

    def __init__(self, world, sizes):
        self.world, self.sizes, self.n_users = world, sizes, 0
        self.memory = tuple(DeviceMemory(device, size) for device, size in sizes.items())
        with world.lock:
            world.living.append(self)
        used = world.used()
        is_over = any(used[device] > most for device, most in CAPACITY.items())
        if is_over and all(size <= CAPACITY[device] for device, size in sizes.items()):
            world.faults.append(f"over the budget: {used}")

    def stop(self):
        pass

    def close(self):
        if self.n_users:
            self.world.faults.append("closed while it was used")
        with self.world.lock:
            self.world.living.remove(self)


@pytest.fixture
def world():
    made = World()
    yield made
    made.pool.close()


def names(world):
    return {one.entry.name for one in world.pool.running()}


def touch(world, name, **sizes):
    with world.use(name, sizes):
        pass


def test_models_stay_side_by_side_while_they_fit(world):
    for name in ("chat", "embedding", "reranker"):
        touch(world, name, CPU=30, CUDA0=10)

    assert names(world) == {"chat", "embedding", "reranker"}


def test_the_longest_unused_leave_until_the_next_fits_and_no_more(world):
    for name in "abc":
        touch(world, name, CPU=30)
    touch(world, "a", CPU=30)

    touch(world, "d", CPU=50)

    assert names(world) == {"a", "d"}
    assert world.pool.counts().n_evictions == 2


def test_memory_of_another_device_evicts_nobody(world):
    touch(world, "a", CUDA0=40)

    touch(world, "b", CPU=90)

    assert names(world) == {"a", "b"}


def test_what_never_fits_evicts_nobody(world):
    touch(world, "a", CPU=30)

    touch(world, "huge", CPU=1000)

    assert names(world) == {"a", "huge"}  # a real load refuses itself


def test_a_load_waits_until_a_model_in_use_is_free():
    world = World()
    done = threading.Event()

    def work():
        touch(world, "b", CPU=80)
        done.set()

    with world.use("a", {"CPU": 80}):
        thread = threading.Thread(target=work)
        thread.start()
        while not world.pool._loading.locked() and not done.is_set():
            pass
        assert not done.is_set()
        assert names(world) == {"a"}
    thread.join(10)

    assert done.is_set()
    assert names(world) == {"b"}
    assert not world.faults
    world.pool.close()


def test_the_cap_on_models_still_holds():
    world = World(max_loaded=2)

    for name in "abc":
        touch(world, name, CPU=1)

    assert names(world) == {"b", "c"}
    world.pool.close()


def test_what_other_programs_took_counts(world):
    touch(world, "a", CPU=40)
    with world.lock:
        world.living.append(other := Model.__new__(Model))
        other.sizes = {"CPU": 30}

    rooms = world.pool.rooms()

    assert (rooms.free["CPU"], rooms.whole["CPU"]) == (30, 70)


def test_what_other_programs_give_back_counts_though_a_model_stays(world):
    other = Model.__new__(Model)
    other.sizes = {"CPU": 70}
    world.living.append(other)
    touch(world, "a", CPU=20)
    assert world.pool.rooms().free["CPU"] == 10

    world.living.remove(other)

    assert world.pool.rooms().free["CPU"] == 60  # not 80: the weights may be mapped


def test_what_happened_is_counted(world):
    touch(world, "a", CPU=60)
    touch(world, "b", CPU=60)
    world.pool.expire("b")

    counts = world.pool.counts()

    assert (counts.n_loads, counts.n_evictions, counts.n_expired) == (2, 1, 1)
    assert counts.loads_seconds >= 0
    assert PoolCounts() == PoolCounts(0, 0, 0, 0.0)


def test_memory_is_listed_by_device_and_kind(world):
    touch(world, "a", CPU=30, CUDA0=10)

    (running,) = world.pool.running()

    assert running.memory == (DeviceMemory("CPU", 30), DeviceMemory("CUDA0", 10))
    assert (running.size_bytes, running.size_vram_bytes) == (40, 10)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens_nobody_passes_the_budget_is_closed_in_use_or_waits_for_ever(seed):
    world = World(max_loaded=random.Random(seed).randint(1, 6))
    sizes = {
        name: {"CPU": random.Random(f"{seed}{name}").randint(1, 60), "CUDA0": ord(name) % 7 * 8}
        for name in "abcdefgh"
    }
    threads = [
        threading.Thread(target=_behave, args=(world, sizes, seed + one), daemon=True)
        for one in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    world.pool.close()
    assert not world.faults
    assert not world.living


def _behave(world, sizes, seed):
    chance = random.Random(seed)
    for _ in range(25):
        name = chance.choice("abcdefgh")
        if chance.random() < 0.15:
            world.pool.expire(name)
            continue
        with world.use(name, sizes[name], chance.choice([60.0, 60.0, 0.0, -1.0])) as model:
            with world.lock:
                model.n_users += 1
            world.pool.running()
            with world.lock:
                model.n_users -= 1
