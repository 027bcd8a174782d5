"""A transfer is shared by those who want it, and ends with the last of them."""

from __future__ import annotations

import threading

import pytest

from engine.errors import CancelledError, RegistryError
from engine.library.jobs import Jobs


def endless(job):
    while not job.is_stopped:
        job.done_bytes += 1
        job.pause(0.001)


def test_those_who_ask_for_the_same_share_it():
    jobs, go_on, runs = Jobs(), threading.Event(), []

    def work(job):
        runs.append(job)
        job.done_bytes = 7
        go_on.wait(20)

    first, second = jobs.follow("x", work), jobs.follow("x", work)
    next(first), next(second)
    go_on.set()

    assert set(list(first) + list(second)) <= {0, 7}
    assert len(runs) == 1


def test_it_stops_when_the_last_one_leaves():
    jobs, seen = Jobs(), []

    def work(job):
        seen.append(job)
        endless(job)

    first, second = jobs.follow("x", work), jobs.follow("x", work)
    next(first), next(second)

    first.close()
    assert seen[0].is_stopped is False
    second.close()
    assert seen[0].is_stopped


def test_who_comes_later_starts_anew():
    jobs, runs = Jobs(), []

    assert list(jobs.follow("x", runs.append))[0] == 0
    list(jobs.follow("x", runs.append))

    assert len(runs) == 2


def test_everybody_is_told_of_a_failure():
    jobs, go_on = Jobs(), threading.Event()

    def work(_):
        go_on.wait(20)
        raise RegistryError("broken")

    followers = [jobs.follow("x", work) for _ in range(2)]
    for follower in followers:
        next(follower)
    go_on.set()

    for follower in followers:
        with pytest.raises(RegistryError, match="broken"):
            list(follower)


def test_closing_stops_everything():
    jobs = Jobs()
    follower = jobs.follow("x", endless)
    next(follower)

    jobs.close()

    with pytest.raises(CancelledError):
        list(follower)
    with pytest.raises(CancelledError):
        next(jobs.follow("y", endless))
