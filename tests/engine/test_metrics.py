import threading

import pytest
from prometheus_client import generate_latest

from engine.metrics import Meter
from engine.runtime.pool import PoolCounts
from engine.runtime.stats import Tally, WorkerStats
from engine.types import Final


class Worker:
    def __init__(self, **counted):
        self.tally = Tally(**counted)

    def stats(self):
        return self.tally.seen(n_waiting=3, n_slots=4, n_busy=2, n_cached_prefixes=1)


@pytest.fixture
def meter():
    return Meter(list, lambda: PoolCounts(n_loads=5, n_evictions=2, loads_seconds=1.5))


def value(meter, name, **labels):
    return meter.registry.get_sample_value(f"quire_{name}", labels)


def test_what_a_worker_did_stays_counted_when_it_is_gone(meter):
    worker = Worker(n_generated_tokens=7, n_reused_tokens=3)
    meter.watch("m", worker)
    assert value(meter, "queue_length", model="m") == 3
    del worker

    assert value(meter, "generated_tokens_total", model="m") == 7
    assert value(meter, "prompt_tokens_reused_total", model="m") == 3
    assert value(meter, "queue_length", model="m") == 0


def test_two_workers_of_one_model_are_added_up(meter):
    both = [Worker(n_generated_tokens=1), Worker(n_generated_tokens=2)]
    for one in both:
        meter.watch("m", one)

    assert value(meter, "generated_tokens_total", model="m") == 3
    assert value(meter, "slots", model="m") == 8


def test_a_thousand_loads_leave_no_thousand_entries(meter):
    for _ in range(1000):
        meter.watch("m", Worker(n_steps=1))

    assert len(meter._watched) < 100
    assert value(meter, "steps_total", model="m") == 1000


def test_an_answer_is_put_into_its_buckets(meter):
    final = Final("stop", n_generated=11, total_ns=3_000_000_000, generate_ns=1_000_000_000)
    meter.answered("m", final)
    meter.answered("m", Final("load", total_ns=10**12))

    assert value(meter, "time_to_first_token_seconds_sum", model="m") == pytest.approx(2)
    assert value(meter, "answer_seconds_count", model="m") == 1
    assert value(meter, "decode_tokens_per_second_sum", model="m") == pytest.approx(10)


def test_every_counter_of_a_worker_and_of_the_pool_is_shown(meter):
    meter.watch("m", worker := Worker())
    text = generate_latest(meter.registry).decode()

    assert value(meter, "model_loads_total") == 5
    assert value(meter, "model_load_seconds_total") == 1.5
    hidden = {"n_waiting", "n_slots", "n_busy"}
    from engine import metrics

    shown = {field for _, _, field in (*metrics._GROWING, *metrics._PRESENT)}
    assert {*WorkerStats.__dataclass_fields__} - shown - hidden == set()
    assert "process_resident_memory_bytes" in text
    assert worker.tally.n_steps == 0


def test_engines_have_figures_of_their_own(meter):
    other = Meter(list, PoolCounts)
    other.answered("m", Final("stop", total_ns=1))

    assert value(meter, "answer_seconds_count", model="m") is None


def test_a_scrape_while_models_come_and_go_does_not_fail(meter):
    is_over = threading.Event()

    def come_and_go():
        while not is_over.is_set():
            meter.watch("m", Worker(n_steps=1))

    going = threading.Thread(target=come_and_go)
    going.start()
    try:
        counts = [value(meter, "steps_total", model="m") or 0 for _ in range(30)]
    finally:
        is_over.set()
        going.join(30)
    assert counts == sorted(counts)
