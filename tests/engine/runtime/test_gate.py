import threading

import pytest

from engine.errors import BusyError
from engine.runtime import gate as module
from engine.runtime.gate import Gate, Past, background_may_start
from engine.types import Priority


@pytest.mark.parametrize(
    ("past", "now_s", "may_start"),
    [
        (Past(), 100.0, True),  # nobody was here
        (Past(urgent_ended_s=99.0), 100.0, True),  # the stream ended a second ago
        (Past(urgent_ended_s=99.99), 100.0, True),  # streaming, and background never ran
        (Past(99.99, background_ended_s=99.9, background_took_s=0.5), 100.0, False),
        (Past(99.99, background_ended_s=99.4, background_took_s=0.5), 100.0, True),
    ],
)
def test_background_takes_half_the_time_at_most_while_somebody_streams(past, now_s, may_start):
    assert background_may_start(past, now_s) is may_start


def test_the_more_urgent_waits_less(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", dict.fromkeys(Priority, 60.0))
    gate, order = Gate(), []
    started = {priority: threading.Event() for priority in Priority}

    def work(priority):
        started[priority].set()
        with gate.hold(priority):
            order.append(priority)

    with gate.hold(Priority.INTERACTIVE):
        threads = []
        for priority in (Priority.BACKGROUND, Priority.QUERY, Priority.INTERACTIVE):
            thread = threading.Thread(target=work, args=(priority,))
            thread.start()
            threads.append(thread)
            while len(gate._waiting) < len(threads):
                started[priority].wait(0.01)
    for thread in threads:
        thread.join(5)

    assert order == [Priority.INTERACTIVE, Priority.QUERY, Priority.BACKGROUND]


def test_a_gate_that_never_opens_is_an_error_not_a_hang():
    gate = Gate()

    with gate.hold(Priority.QUERY), pytest.raises(BusyError):  # noqa: SIM117
        with gate.hold(Priority.QUERY, timeout_s=0.01):
            pass


def test_the_gate_opens_again_after_an_error():
    gate = Gate()

    with pytest.raises(ValueError, match="inside"), gate.hold(Priority.QUERY):
        raise ValueError("inside")

    with gate.hold(Priority.BACKGROUND, timeout_s=1):
        pass


@pytest.mark.parametrize("priority", [Priority.QUERY, Priority.BACKGROUND])
def test_streams_without_end_do_not_starve_the_rest(priority, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", dict.fromkeys(module.PATIENCE_S, 0.05))
    gate, is_over = Gate(), threading.Event()

    def stream():
        while not is_over.is_set():
            with gate.hold(Priority.INTERACTIVE):
                is_over.wait(0.005)

    threads = [threading.Thread(target=stream) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        while len(gate._waiting) < 3:
            is_over.wait(0.001)
        with gate.hold(priority, timeout_s=2):
            pass
    finally:
        is_over.set()
        for thread in threads:
            thread.join(5)
