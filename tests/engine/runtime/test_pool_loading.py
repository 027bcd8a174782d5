"""What goes on while a model loads."""

import threading

import pytest

from engine.runtime.pool import Pool
from tests.engine.runtime.test_pool import Runner, entry, key


@pytest.fixture
def pool():
    made = Pool(max_loaded=2)
    yield made
    made.close()


def test_loaded_models_go_on_serving(pool):
    with pool.use(key("a"), entry("a"), Runner, 60.0):
        pass
    began, go_on = threading.Event(), threading.Event()

    def load(_):
        began.set()
        assert go_on.wait(10)
        return Runner()

    def use_the_other():
        with pool.use(key("b"), entry("b"), load, 60.0):
            pass

    thread = threading.Thread(target=use_the_other)
    thread.start()
    assert began.wait(10)
    with pool.use(key("a"), entry("a"), Runner, 60.0) as served:
        assert not served.is_closed
    go_on.set()
    thread.join(10)

    assert {one.entry.name for one in pool.running()} == {"a", "b"}


def test_a_model_that_is_still_loading_is_listed(pool):
    seen = []

    def load(_):
        seen.extend(pool.running())
        return Runner()

    with pool.use(key("a"), entry("a"), load, 60.0):
        pass

    assert [one.entry.name for one in seen] == ["a"]
    assert seen[0].expires_at is not None
