"""Events of an answer as they come, read in a thread of their own so that one can leave at once.

A server may be silent for minutes while a large model reads a prompt. Who waits for it
here is told four times a second that nothing came, and may then go: the connection is
cut, which ends the answer on the server too.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue

import httpx

from ui.shapes import Json

TICK_S = 0.25
_JOIN_S = 5.0
_MAX_WAITING = 1_000  # events read ahead


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, or a tick when nothing came for a while."""

    name: str  # status, passages, token, citations, done, error; tick
    data: Json = field(default_factory=dict)


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """Read server-sent events: `event:` and `data:` lines, a blank line ends each.

    Source: WHATWG HTML, 9.2.6 (interpreting an event stream).
    """
    name, data = "", list[str]()
    for line in lines:
        kind, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if kind == "event":
            name = value
        elif kind == "data":
            data.append(value)
        elif not line and data:
            yield _event(name, "\n".join(data))
            name, data = "", []
    if data:
        yield _event(name, "\n".join(data))


@contextmanager
def events_of(response: httpx.Response) -> Iterator[Iterator[Event]]:
    """Read a response's events, with ticks in between; leaving cuts the connection.

    Raises:
        httpx.HTTPError: from the iterator, if the connection breaks.
    """
    waiting: Queue[Event | httpx.HTTPError | None] = Queue(_MAX_WAITING)
    is_left = threading.Event()

    def pass_on(item: Event | httpx.HTTPError | None) -> None:
        while not is_left.is_set():
            with suppress(Full):
                waiting.put(item, timeout=TICK_S)
                return

    def read() -> None:
        try:
            for event in read_events(response.iter_lines()):
                pass_on(event)
        except httpx.HTTPError as error:
            pass_on(error)
        pass_on(None)

    reader = threading.Thread(target=read, name="answer events", daemon=True)
    reader.start()
    try:
        yield _taken(waiting)
    finally:
        is_left.set()
        if reader.is_alive():
            _cut(response)
            reader.join(_JOIN_S)


def _taken(waiting: Queue[Event | httpx.HTTPError | None]) -> Iterator[Event]:
    while True:
        try:
            item = waiting.get(timeout=TICK_S)
        except Empty:
            yield Event("tick")
            continue
        if item is None:
            return
        if isinstance(item, httpx.HTTPError):
            raise item
        yield item


def _cut(response: httpx.Response) -> None:
    # Closing a socket does not wake a thread that reads from it; shutting it down does.
    network = response.extensions["network_stream"]
    with suppress(OSError):
        network.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _event(name: str, text: str) -> Event:
    try:
        data = json.loads(text)
    except ValueError:
        data = {"error": text}
    return Event(name or "message", data if isinstance(data, dict) else {"value": data})
