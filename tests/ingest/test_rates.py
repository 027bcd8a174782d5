import numpy as np

from ingest.rates import WINDOW_S, Meter


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_nothing_done_is_no_pace_and_no_promise():
    rates = Meter(Clock()).rates("job", 5)

    assert (rates.passages_per_s, rates.bytes_per_s, rates.eta_s) == (0.0, 0.0, None)


def test_the_pace_is_what_was_done_over_the_time_it_took():
    clock = Clock()
    meter = Meter(clock)
    embed = meter.counting(lambda texts, _: np.zeros((len(texts), 2), np.float32))

    embed(["a"] * 30, False)
    embed(["question"], True)
    meter.add_bytes(5_000)
    meter.finish("job")
    meter.finish("other")
    clock.now += 10

    rates = meter.rates("job", 4)
    assert (rates.passages_per_s, rates.bytes_per_s, rates.eta_s) == (3.0, 500.0, 40.0)


def test_only_the_last_minute_counts():
    clock = Clock()
    meter = Meter(clock)
    meter.add_bytes(10**9)
    clock.now += WINDOW_S + 1
    meter.add_bytes(600)

    assert meter.rates("job", 1).bytes_per_s == 600 / WINDOW_S


def test_a_start_forgets_the_time_in_which_nothing_was_to_do():
    clock = Clock()
    meter = Meter(clock)
    clock.now += 50
    meter.start()
    meter.finish("job")
    clock.now += 2

    assert meter.rates("job", 3).eta_s == 6.0
