import math
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import BusyError, LoadError
from engine.runtime import pool as module
from engine.runtime.pool import Key, Pool
from engine.types import DeviceMemory, ModelDetails, ModelEntry


class Runner:
    """A runner that remembers whether it was closed."""

    n_ctx, memory = 128, (DeviceMemory("CPU", 700, 200, 100), DeviceMemory("CUDA0", 50))

    def __init__(self, free=None):
        self.is_closed = self.is_stopped = False

    def stop(self):
        self.is_stopped = True

    def close(self):
        self.is_closed = True


def entry(name):
    details = ModelDetails("llama", "1M", "F16")
    return ModelEntry(
        name, "d", 1, datetime.now(UTC), details, Path("x"), name, {}, None, None, (), (), ()
    )


def key(name):
    return Key(name, "chat", ())


@pytest.fixture
def pool():
    made = Pool(max_loaded=2)
    yield made
    made.close()


def use(pool, name, keep_alive_s=60.0):
    runner = Runner()
    with pool.use(key(name), entry(name), lambda _: runner, keep_alive_s) as held:
        return held


def test_a_model_is_loaded_once_and_kept(pool):
    first = use(pool, "a")

    assert use(pool, "a") is first
    assert [one.entry.name for one in pool.running()] == ["a"]


def test_the_longest_unused_leaves_when_room_is_needed(pool):
    first, second = use(pool, "a"), use(pool, "b")
    use(pool, "a")

    use(pool, "c")

    assert (first.is_closed, second.is_closed) == (False, True)


def test_keep_alive_zero_unloads_after_the_request(pool):
    runner = use(pool, "a", keep_alive_s=0)

    assert runner.is_closed
    assert pool.running() == []


def test_a_model_in_use_is_never_unloaded_under_its_user(pool):
    runner = Runner()
    with pool.use(key("a"), entry("a"), lambda _: runner, 60.0):
        pool.expire("a")
        assert not runner.is_closed

    assert runner.is_closed


def test_negative_keep_alive_never_expires(pool):
    use(pool, "a", keep_alive_s=-1)

    assert pool.running()[0].expires_at is None


def test_a_failed_load_leaves_no_trace(pool):
    def load(_):
        raise LoadError("no")

    with pytest.raises(LoadError), pool.use(key("a"), entry("a"), load, 60.0):
        pass

    assert pool.running() == []


def test_a_closed_pool_refuses(pool):
    pool.close()

    with pytest.raises(BusyError):
        use(pool, "a")


@pytest.mark.parametrize("keep_alive_s", [1e18, math.inf, math.nan])
def test_a_keep_alive_beyond_all_calendars_never_expires(pool, keep_alive_s):
    use(pool, "a", keep_alive_s=keep_alive_s)

    assert pool.running()[0].expires_at is None


def test_closing_stops_a_model_in_use_and_its_last_user_frees_it(pool, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_WAIT_S", 0.05)
    runner = Runner()
    with pool.use(key("a"), entry("a"), lambda _: runner, 60.0):
        pool.close()
        assert (runner.is_stopped, runner.is_closed) == (True, False)

    assert runner.is_closed


def test_a_model_that_comes_after_the_close_is_freed(pool):
    runner = Runner()

    def load(_):
        pool.close()
        return runner

    with pytest.raises(BusyError), pool.use(key("a"), entry("a"), load, 60.0):
        pass

    assert runner.is_closed


def test_who_waits_for_room_is_sent_away_when_the_pool_closes(monkeypatch):
    monkeypatch.setattr(module, "CLOSE_WAIT_S", 0.05)
    pool, loads, refused = Pool(max_loaded=1), [], []

    def wait():
        try:
            with pool.use(key("b"), entry("b"), lambda _: loads.append(1) or Runner(), 60.0):
                pass
        except BusyError:
            refused.append(1)

    with pool.use(key("a"), entry("a"), Runner, 60.0):
        thread = threading.Thread(target=wait)
        thread.start()
        while not pool._loading.locked():
            pass
        pool.close()
        thread.join(5)

    assert (loads, refused) == ([], [1])


def test_with_room_for_one_two_models_take_turns():
    pool = Pool(max_loaded=1)
    most, held = [], []

    def work(name):
        for _ in range(10):
            with pool.use(key(name), entry(name), Runner, 60.0) as runner:
                held.append(runner)
                most.append(len(pool.running()))
                assert not runner.is_closed

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    pool.close()

    assert (len(held), max(most)) == (20, 1)
    assert all(runner.is_closed for runner in held)


def test_a_stay_that_was_asked_for_lasts_until_another_one_is(pool):
    with pool.use(key("a"), entry("a"), Runner, -1.0):
        pass
    with pool.use(key("a"), entry("a"), Runner, None):
        pass
    assert pool.running()[0].expires_at is None

    with pool.use(key("a"), entry("a"), Runner, 60.0):
        pass
    assert pool.running()[0].expires_at is not None


def test_what_is_loaded_can_be_borrowed_and_nothing_else(pool):
    with pool.borrowed("sha256:a") as nothing:
        assert nothing is None

    runner = use(pool, "a")
    with pool.borrowed(key("a").model_digest) as borrowed:
        pool.expire(key("a").model_digest)
        assert borrowed is runner
        assert not borrowed.is_closed
    assert borrowed.is_closed
