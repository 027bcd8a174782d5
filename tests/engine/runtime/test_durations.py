from types import SimpleNamespace

from engine.answering import Task, _read
from engine.replies.rules import ReplyRules
from engine.runtime.slots import Generation, Slot
from engine.runtime.stream import TextStream
from engine.types import Final, Options


def finished(*, submitted_ns, seated_ns, first_token_ns):
    work = Generation([1, 2, 3], Options(), SimpleNamespace(), TextStream(()), n_limit=5)
    Slot(0).seat(work, 0)
    work.submitted_ns, work.seated_ns, work.first_token_ns = submitted_ns, seated_ns, first_token_ns
    work.finish("stop")
    return work.events.get()


def test_waiting_for_a_slot_counts_for_the_whole_not_for_the_prompt():
    final = finished(submitted_ns=1_000, seated_ns=8_000, first_token_ns=9_500)

    assert final.prompt_ns == 1_500
    assert final.total_ns >= 7_000 + final.prompt_ns + final.generate_ns


def test_a_request_is_seated_when_it_takes_its_slot():
    work = Generation([1, 2, 3], Options(), SimpleNamespace(), TextStream(()), n_limit=5)

    Slot(0).seat(work, 0)

    assert work.seated_ns >= work.submitted_ns


def test_the_whole_holds_loading_and_writing_the_prompt_too():
    inner = Final("stop", total_ns=50, prompt_ns=20, generate_ns=30)
    (final,) = _read(iter([inner]), Task(Options(), ReplyRules(), load_ns=100, began_ns=1))

    assert final.load_ns == 100
    assert final.total_ns >= final.load_ns + final.prompt_ns + final.generate_ns
    assert final.total_ns > 10**6  # since the request came, which was long ago
