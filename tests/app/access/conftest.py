"""A file of keys, a clock that a test moves, the real application on the starter models."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from app.access.keyring import Keyring
from app.access.store import FILE, AccessStore


class Clock:
    """A time that goes on when told to."""

    def __init__(self):
        self.now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self):
        return self.now

    def go_on(self, **span):
        self.now += timedelta(**span)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    with closing(AccessStore(tmp_path / FILE)) as one:
        yield one


@pytest.fixture
def keyring(store, clock):
    return Keyring(store, clock=clock)


@pytest.fixture
def another(tmp_path):
    """The same file as another process has it open."""
    with closing(AccessStore(tmp_path / FILE)) as one:
        yield Keyring(one)
