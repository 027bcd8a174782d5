"""The request at hand: who asks, and which collections are touched; follows it through threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from app.access.errors import ForbiddenError

Scope = Literal["read", "ask", "ingest", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "ask", "ingest", "admin")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: one key, or everybody where no keys are asked for."""

    key_id: str  # empty = nobody had to show a key
    name: str
    scopes: frozenset[Scope]
    collections: frozenset[str] | None = None  # those that may be used; None = all

    def may(self, scope: Scope) -> bool:
        """Tell whether a scope is held; `admin` holds all."""
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, collection: str) -> bool:
        """Tell whether a collection may be used."""
        return self.collections is None or collection in self.collections


EVERYBODY = Caller("", "", frozenset(SCOPES))


@dataclass(slots=True)
class Facts:
    """What is known of one request; the audit log writes it down when the answer has ended."""

    request_id: str = ""
    caller: Caller = EVERYBODY
    collections: set[str] = field(default_factory=set)  # that the request used, or asked for


_facts: ContextVar[Facts | None] = ContextVar("facts", default=None)


@contextmanager
def handling(facts: Facts) -> Iterator[Facts]:
    """Let `facts` be those of the request at hand, also in the threads that it starts."""
    token = _facts.set(facts)
    try:
        yield facts
    finally:
        _facts.reset(token)


def facts() -> Facts:
    """Give the facts of the request at hand; outside of one, facts of nobody in particular."""
    return _facts.get() or Facts()


def caller() -> Caller:
    """Tell who asks; outside of a request everybody, who may do everything."""
    return facts().caller


def check_collection(collection: str) -> None:
    """Note that a collection is used, and refuse who may not.

    Raises:
        ForbiddenError: the key does not name it; the same words whether or not it exists.
    """
    at_hand = facts()
    at_hand.collections.add(collection)
    if not at_hand.caller.sees(collection):
        allowed = ", ".join(sorted(at_hand.caller.collections or ())) or "none"
        raise ForbiddenError(
            f"the key {at_hand.caller.name!r} may not use collection {collection!r}; "
            f"it may use: {allowed}"
        )
