from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import BusyError, LoadError
from engine.runtime.pool import Key, Pool
from engine.types import ModelDetails, ModelEntry


class Runner:
    """A runner that remembers whether it was closed."""

    n_ctx, size_bytes = 128, 1000

    def __init__(self):
        self.is_closed = False

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
    with pool.use(key(name), entry(name), lambda: runner, keep_alive_s) as held:
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
    with pool.use(key("a"), entry("a"), lambda: runner, 60.0):
        pool.expire("a")
        assert not runner.is_closed

    assert runner.is_closed


def test_negative_keep_alive_never_expires(pool):
    use(pool, "a", keep_alive_s=-1)

    assert pool.running()[0].expires_at is None


def test_a_failed_load_leaves_no_trace(pool):
    def load():
        raise LoadError("no")

    with pytest.raises(LoadError), pool.use(key("a"), entry("a"), load, 60.0):
        pass

    assert pool.running() == []


def test_a_closed_pool_refuses(pool):
    pool.close()

    with pytest.raises(BusyError):
        use(pool, "a")
