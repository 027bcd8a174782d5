"""The worker with its pool, its pauses and its second chances."""

import errno
import threading
from time import monotonic

import pytest

from ingest.ahead import Ahead
from ingest.jobs import Aids, Worker
from ingest.jobs_store import Jobs, Task, Waiting
from ingest.load_pool import LoadPool, PoolLimits
from ingest.room import GAIN_BYTES
from ingest.store import Store
from tests.ingest.watching import wait_until


@pytest.fixture
def jobs(tmp_path):
    store = Store(tmp_path / "kb.sqlite3")
    yield Jobs(store)
    store.close()


@pytest.fixture
def start(jobs):
    workers = []

    def start_one(run, **aids):
        settled, tidied = [], []
        worker = Worker(
            jobs,
            run,
            settle=settled.append,
            idle=lambda: tidied.append(monotonic()),
            aids=Aids(**aids),
        )
        worker.settled, worker.tidied = settled, tidied
        workers.append(worker)
        worker.start()
        return worker

    yield start_one
    for worker in workers:
        worker.stop()


def test_a_full_disk_pauses_the_job_which_goes_on_by_itself_when_there_is_room(jobs, start):
    free = [1024**2]

    def run(_waiting, _report):
        if free[0] < GAIN_BYTES:
            raise OSError(errno.ENOSPC, "No space left on device")
        return "stored", ""

    worker = start(run, free_bytes=lambda: free[0])
    jobs.add("one", "c", [Task("upload", "a")])
    worker.wake()
    wait_until(lambda: "paused" in worker.job("one").message)

    assert worker.job("one").state == "running"
    assert "1.0 MB free" in worker.job("one").message
    free[0] += GAIN_BYTES
    job = worker.wait("one", 20)
    assert (job.state, job.n_stored, job.errors) == ("done", 1, ())


def test_a_disk_that_refuses_although_it_has_room_is_reported(jobs, start):
    def run(_waiting, _report):
        raise OSError(errno.ENOSPC, "No space left on device")

    worker = start(run)
    jobs.add("one", "c", [Task("upload", "a")])
    worker.wake()

    job = worker.wait("one", 20)
    assert job.state == "failed"
    assert "full" in job.errors[0].reason


def test_a_job_that_waits_for_room_can_be_cancelled(jobs, start):
    def run(_waiting, _report):
        raise OSError(errno.ENOSPC, "No space left on device")

    worker = start(run, free_bytes=lambda: 0)
    jobs.add("one", "c", [Task("upload", "a")])
    worker.wake()
    wait_until(lambda: "paused" in worker.job("one").message)

    assert worker.cancel("one").message.startswith("cancelled with 1 steps left")
    assert worker.wait("one", 20).state == "failed"


def test_a_running_task_ends_when_its_job_is_cancelled_and_what_was_stored_stays(jobs, start):
    reported = threading.Event()

    def run(waiting, report):
        while waiting.task.path == "b":
            reported.set()
            report("working")
        return "stored", ""

    worker = start(run)
    jobs.add("one", "c", [Task("upload", one) for one in "abc"])
    worker.wake()
    assert reported.wait(20)

    worker.cancel("one")
    jobs.add("two", "c", [Task("upload", "x")])
    worker.wake()

    assert worker.wait("two", 20).n_stored == 1
    assert (worker.job("one").n_stored, worker.job("one").state) == (1, "failed")
    assert {one.task.path for one in worker.settled} == {"a", "b", "c", "x"}


def test_what_failed_for_a_passing_reason_keeps_its_bytes_and_is_tried_again(jobs, start):
    is_broken = [True]

    def run(_waiting, _report):
        if is_broken[0]:
            raise RuntimeError("out of memory")
        return "stored", ""

    worker = start(run)
    jobs.add("one", "c", [Task("upload", "a")])
    worker.wake()
    assert worker.wait("one", 20).errors[0].reason == "RuntimeError: out of memory"
    assert worker.settled == []
    is_broken[0] = False

    assert worker.retry("one").state in ("queued", "running", "done")
    assert worker.wait("one", 20).n_stored == 1
    assert [one.task.path for one in worker.settled] == ["a"]


def test_files_are_loaded_while_another_one_is_worked_on(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.pdf").write_bytes(b"ok " + name.encode())
    tasks = [
        Waiting("job", at, "c", Task("file", f"{name}.pdf", str(tmp_path)))
        for at, name in enumerate("ab")
    ]
    asked = []

    def is_known(collection, digest):
        asked.append((collection, digest))
        return False

    pool = LoadPool(1, PoolLimits(time_limit_s=20), target="tests.ingest.nasty_load:load")
    ahead = Ahead(pool, is_known, 10**6)
    try:
        ahead.look(tasks[0], tasks)
        begun = ahead._in_flight[("job", 1)].future
        assert "b.pdf" in begun.result(20)[1].text
        assert ahead.load(b"ok a", "a.pdf").title == "title"
        ahead.look(tasks[1], tasks[1:])
        assert ahead.load(b"ok b", "b.pdf") is begun.result()[1]
        assert len(asked) == 1

        ahead.look(tasks[0], tasks)
        ahead.look(tasks[1], tasks[1:])
        assert " 7 " in ahead.load(b"changed", "b.pdf").text
        ahead.look(tasks[0], [tasks[0], Waiting("job", 9, "c", Task("file", "gone.pdf", "/"))])
        assert not ahead._in_flight
    finally:
        ahead.close()


def test_it_tidies_up_a_while_after_the_last_change_of_a_folder(jobs, start):
    ended = []
    worker = start(lambda *_: ended.append(monotonic()) or ("done", ""), rest_s=0.3)
    jobs.add("one", "c", [Task("remove", "a", "/root"), Task("remove", "b", "/root")])
    worker.wake()
    wait_until(lambda: worker.tidied)

    assert worker.tidied[0] - ended[-1] >= 0.3


@pytest.mark.parametrize("root", ["", "/root"])
def test_it_tidies_up_at_once_after_uploads_and_when_it_is_stopped(jobs, start, root):
    worker = start(lambda *_: ("done", ""), rest_s=3_600)
    jobs.add("one", "c", [Task("remove", "a", root)])
    worker.wake()
    worker.wait("one", 20)

    if root:
        assert not worker.tidied
        wait_until(lambda: not worker._message[0])
        worker.stop()
    wait_until(lambda: worker.tidied)


def test_a_job_that_comes_while_it_rests_does_not_wait(jobs, start):
    worker = start(lambda *_: ("done", ""), rest_s=3_600)
    for job_id in ("one", "two", "three"):
        jobs.add(job_id, "c", [Task("remove", "a", "/root")])
        worker.wake()
        began = monotonic()
        assert worker.wait(job_id, 20).state == "done"
        assert monotonic() - began < 4  # an idle worker looks at the queue every five seconds
