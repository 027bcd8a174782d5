import threading
from pathlib import Path

import pytest

from engine.library.store import Library
from engine.runtime.compute_thread import ComputeThread
from engine.runtime.encoder import Encoder
from engine.runtime.gate import Gate
from engine.runtime.llama import Context, Model
from engine.types import Options, Priority


def test_a_call_gives_its_result():
    assert ComputeThread().run(lambda: 6 * 7) == 42


def test_an_error_comes_to_its_caller_and_the_thread_goes_on():
    computing = ComputeThread()

    with pytest.raises(ZeroDivisionError):
        computing.run(lambda: 1 // 0)

    assert computing.run(lambda: "still here") == "still here"


def test_all_callers_share_one_thread():
    computing = ComputeThread()
    seen = []

    def call():
        seen.append(computing.run(threading.get_ident))

    callers = [threading.Thread(target=call) for _ in range(8)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()

    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_a_call_inside_a_call_does_not_wait_for_itself():
    computing = ComputeThread()

    assert computing.run(lambda: computing.run(lambda: "inner")) == "inner"


def test_who_computes_learns_that_another_waits():
    computing, seen = ComputeThread(), []

    def compute():
        seen.append(computing.is_wanted())
        other.start()
        while not computing.is_wanted():
            other.join(0.001)

    other = threading.Thread(target=lambda: computing.run(lambda: seen.append("other")))
    computing.run(compute)
    other.join()

    assert seen == [False, "other"]
    assert not computing.is_wanted()


def test_what_is_computed_is_not_kept():
    """A batch or a context that stays reachable would never be freed."""
    import gc
    import weakref

    class Thing:
        pass

    computing, thing = ComputeThread(), Thing()
    gone = threading.Event()
    weakref.finalize(thing, gone.set)
    computing.run(lambda thing=thing: None)
    del thing
    gc.collect()

    assert gone.wait(5)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts the system's threads")
def test_more_callers_make_no_more_native_threads(starter_models):
    """Each thread that computed had a team of its own, and every stream became half as fast."""
    path = Library(starter_models).find("all-minilm").model_path
    with Model(path, Options()) as model:
        context = Context(
            model, n_ctx=512, n_sequences=64, n_batch=512, n_threads=2, is_embedding=True
        )
        encoder = Encoder(model, context, n_ctx=512, gate=Gate())
        text = model.tokenize("one team", add_special=True, parse_special=False)
        encoder.embed([text], Priority.QUERY)
        n_native = _count_native()
        counted, may_end = [], threading.Event()

        def embed():
            encoder.embed([text], Priority.QUERY)
            counted.append(1)
            may_end.wait(30)

        callers = [threading.Thread(target=embed) for _ in range(3)]
        for one in callers:
            one.start()
            while len(counted) < callers.index(one) + 1:
                one.join(0.01)
        n_after = _count_native()
        may_end.set()
        for one in callers:
            one.join()
        encoder.close()
        context.close()

    assert n_after == n_native


def _count_native():
    """Count the threads of this process that are not Python's."""
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()
