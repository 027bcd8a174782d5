import threading

import httpx
import pytest

from app.pulls import MAX_KEPT, PullNotFoundError, PullQueueFullError, Pulls, rate_of, why_of
from engine.errors import CancelledError, RegistryError
from engine.types import Progress


def steps_of(*steps):
    """A pull that gives these steps and then ends, or raises the last."""

    def open_(_):
        for one in steps:
            if isinstance(one, Exception):
                raise one
            yield one

    return open_


def ended(pulls, pull_id="p1"):
    """Wait until a pull has ended, then give it."""
    for thread in threading.enumerate():
        if thread.name == "pull":
            thread.join(10)
    return next(one for one in pulls.listed() if one.id == pull_id)


def test_a_pull_goes_on_by_itself_and_adds_up_its_layers():
    a, b = "sha256:a", "sha256:b"
    pulls = Pulls(
        steps_of(
            Progress("pulling manifest"),
            Progress("pulling a", a, 100, 40),
            Progress("pulling a", a, 100, 100),
            Progress("pulling b", b, 50, 50),
            Progress("success"),
        )
    )

    pulls.start("m")
    found = ended(pulls)

    assert (found.state, found.status) == ("done", "success")
    assert (found.done_bytes, found.total_bytes) == (150, 150)
    assert [one.digest for one in found.layers.values()] == [a, b]


def test_who_asks_twice_gets_the_same_pull_and_too_many_are_refused():
    go = threading.Event()

    def open_(_):
        yield Progress("pulling manifest")
        go.wait(10)

    pulls = Pulls(open_)
    try:
        assert pulls.start("a") is pulls.start("a")
        pulls.start("b")
        pulls.start("c")
        with pytest.raises(PullQueueFullError, match="3 models"):
            pulls.start("d")
    finally:
        go.set()
    ended(pulls)


def test_a_cancelled_pull_ends_and_closes_what_it_reads():
    is_closed, go = threading.Event(), threading.Event()

    def open_(_):
        try:
            while True:
                yield Progress("pulling a", "sha256:a", 100, 1)
                go.wait(10)
        finally:
            is_closed.set()

    pulls = Pulls(open_)
    assert pulls.end(pulls.start("m").id).state == "cancelled"
    go.set()

    assert is_closed.wait(10)
    assert ended(pulls).state == "cancelled"
    pulls.end("p1")
    assert pulls.listed() == []
    with pytest.raises(PullNotFoundError):
        pulls.end("p1")


def unreachable() -> RegistryError:
    error = RegistryError("pull model manifest: registry.example cannot be reached")
    error.__cause__ = httpx.ConnectError("no route")
    return error


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (unreachable(), "failed", "unreachable"),
        (RegistryError("file does not exist"), "failed", "refused"),
        (OSError("disk"), "failed", "failed"),
        (CancelledError(), "cancelled", ""),
    ],
)
def test_an_error_is_told_with_its_kind(error, state, why):
    pulls = Pulls(steps_of(Progress("pulling manifest"), error))

    pulls.start("m")
    found = ended(pulls)

    assert (found.state, found.why) == (state, why)
    assert bool(found.error) == (state == "failed")


def test_only_the_last_ended_pulls_are_kept():
    pulls = Pulls(steps_of(Progress("success")))
    for number in range(MAX_KEPT + 5):
        ended(pulls, pulls.start(f"m{number}").id)

    assert len(pulls.listed()) <= MAX_KEPT + 1


def test_the_rate_is_that_of_the_last_seconds():
    assert rate_of([]) == 0
    assert rate_of([(0, 0), (0, 10)]) == 0
    assert rate_of([(0, 0), (10, 1_000), (14, 1_400)]) == 100
    assert why_of(ValueError()) == "failed"
