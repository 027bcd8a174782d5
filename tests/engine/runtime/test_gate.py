import threading

import pytest

from engine.errors import BusyError
from engine.runtime import gate as module
from engine.runtime.gate import (
    MAX_CREDIT_S,
    Gate,
    Past,
    background_may_start,
    credit_after,
    may_break_off,
)
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


@pytest.mark.parametrize("priority", list(Priority))
def test_who_lets_go_and_comes_back_goes_after_those_that_waited(priority):
    gate, done = Gate(), []

    def wait():
        with gate.hold(priority, timeout_s=5):
            done.append("waited")

    thread = threading.Thread(target=wait)
    with gate.hold(Priority.INTERACTIVE):
        assert not gate.is_wanted()
        assert gate.is_shared()
        thread.start()
        while not gate.is_wanted():
            thread.join(0.001)
    with gate.hold(Priority.INTERACTIVE, timeout_s=5):
        done.append("back")
    thread.join(5)

    assert done == ["waited", "back"]


def asks(gate, done):
    with gate.hold(Priority.QUERY, timeout_s=5):
        done.append("asked")


@pytest.mark.parametrize("priority", [Priority.BACKGROUND, Priority.QUERY, Priority.INTERACTIVE])
def test_a_question_breaks_off_documents_and_nothing_else(priority):
    gate, done, broken_off = Gate(), [], threading.Event()
    is_background = priority == Priority.BACKGROUND

    with gate.hold(priority, break_off=broken_off.set if is_background else None):
        thread = threading.Thread(target=asks, args=(gate, done))
        thread.start()
        if is_background:
            assert broken_off.wait(5)
        assert not done  # still one at a time
    thread.join(5)

    assert done == ["asked"]
    assert broken_off.is_set() == is_background
    assert gate.is_shared()


def test_a_token_that_is_read_waits_for_the_step_of_documents():
    gate, broken_off = Gate(), threading.Event()

    with gate.hold(Priority.BACKGROUND, break_off=broken_off.set), pytest.raises(BusyError):  # noqa: SIM117
        with gate.hold(Priority.INTERACTIVE, timeout_s=0.01):
            pass

    assert not broken_off.is_set()


def test_a_gate_where_only_documents_come_is_not_shared():
    gate = Gate()

    with gate.hold(Priority.BACKGROUND):
        pass

    assert not gate.is_shared()


def test_questions_without_end_leave_half_of_the_background_work():
    past, kept_s, lost_s = Past(), 0.0, 0.0

    for _ in range(1000):  # a question always comes when a step is almost done
        is_lost = may_break_off(past, 0.09)
        credit_s = credit_after(past, 0.1, is_lost=is_lost)
        past = Past(credit_s=credit_s)
        kept_s, lost_s = kept_s + 0.1 * (not is_lost), lost_s + 0.1 * is_lost

    assert lost_s <= kept_s + MAX_CREDIT_S + 0.1
    assert lost_s > 10
