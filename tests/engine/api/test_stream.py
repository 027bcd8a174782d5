"""Several feeds read as one."""

import asyncio
import threading

import pytest

from engine.api.bridge import Bridge
from engine.api.stream import Joined, Single
from engine.types import Piece


def read_all(*opens):
    """Read to the end; give what came from each feed, and the error if one failed."""

    async def read():
        bridge = Bridge()
        joined = Joined([bridge.feed(open_) for open_ in opens])
        items, error = [], None
        try:
            while batch := await joined.batch():
                items += batch
        except ValueError as caught:
            error = caught
        finally:
            joined.close()
        return [[item for at, item in items if at == index] for index in range(len(opens))], error

    return asyncio.run(read())


def test_every_item_comes_with_the_number_of_its_feed():
    got, error = read_all(lambda: iter("abc"), lambda: iter(""), lambda: iter("xy"))

    assert (got, error) == ([["a", "b", "c"], [], ["x", "y"]], None)


def test_one_feed_alone_is_numbered_and_fails_like_several():
    def failing():
        yield from "ab"
        raise ValueError("c")

    items = []

    async def read():
        single = Single(Bridge().feed(failing))
        try:
            while batch := await single.batch():
                items.extend(batch)
        finally:
            single.close()
            single.close()

    with pytest.raises(ValueError, match="c"):
        asyncio.run(read())
    assert items == [(0, "a"), (0, "b")]


def test_no_feeds_are_at_their_end():
    assert read_all() == ([], None)


def test_a_slow_feed_does_not_hold_the_others_up():
    may_go = threading.Event()

    def slow():
        assert may_go.wait(10)
        yield "slow"

    def quick():
        yield "quick"
        may_go.set()

    assert read_all(slow, quick) == ([["slow"], ["quick"]], None)


def test_an_error_comes_after_what_its_feed_gave():
    def failing():
        yield "a"
        raise ValueError("out of luck")

    (got,), error = read_all(failing)

    assert (got, str(error)) == (["a"], "out of luck")


def test_closing_ends_every_feed(caplog):
    ended = threading.Semaphore(0)
    begun = threading.Barrier(4)  # a generator that has not begun has nothing to end

    def endless():
        try:
            begun.wait(10)
            while True:
                yield Piece("x")
        finally:
            ended.release()

    def failing():
        begun.wait(10)
        yield Piece("x")
        raise ValueError("out of luck")

    _, error = read_all(endless, failing, failing, endless)

    assert isinstance(error, ValueError)
    assert ended.acquire(timeout=10)
    assert ended.acquire(timeout=10)
    # asyncio would complain in its log of an error that nobody asked for.
    assert caplog.records == []


@pytest.mark.parametrize("n", [1, 5])
def test_closing_twice_is_fine(n):
    async def close_twice():
        joined = Joined([Bridge().feed(lambda: iter("abc")) for _ in range(n)])
        await joined.batch()
        joined.close()
        joined.close()

    asyncio.run(close_twice())
