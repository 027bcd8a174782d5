import pytest

from ingest.errors import QueueFullError
from ingest.jobs_store import MAX_WAITING_JOBS, MAX_WAITING_TASKS, Jobs, Task
from ingest.store import Store


@pytest.fixture
def jobs(tmp_path):
    store = Store(tmp_path / "kb.sqlite3")
    yield Jobs(store)
    store.close()


def uploads(*paths):
    return [Task("upload", path) for path in paths]


def test_the_oldest_job_has_its_turn_first(jobs):
    jobs.add("first", "c", uploads("a", "b"))
    jobs.add("second", "c", uploads("x"))

    order = []
    while (waiting := jobs.next()) is not None:
        order.append((waiting.job_id, waiting.task.path))
        jobs.finish(waiting, "stored")

    assert order == [("first", "a"), ("first", "b"), ("second", "x")]


def test_a_job_goes_from_queued_over_running_to_done(jobs):
    jobs.add("one", "c", uploads("a", "b"))
    assert jobs.job("one").state == "queued"

    waiting = jobs.next()
    assert jobs.job("one").state == "running"
    jobs.finish(waiting, "failed", "damaged")
    assert jobs.job("one").progress == 0.5
    jobs.finish(jobs.next(), "skipped")

    job = jobs.job("one")
    assert (job.state, job.n_done, job.n_stored, job.n_skipped) == ("done", 2, 0, 1)
    assert [(error.path, error.reason) for error in job.errors] == [("a", "damaged")]
    assert jobs.counts() == {"queued": 0, "running": 0}


def test_a_job_has_failed_if_nothing_could_be_stored(jobs):
    jobs.add("one", "c", uploads("a"))
    jobs.finish(jobs.next(), "failed", "damaged")

    assert jobs.job("one").state == "failed"


def test_a_parked_job_does_not_hold_up_the_next_one(jobs):
    jobs.add("stuck", "c", uploads("a"))
    jobs.add("next", "c", uploads("b"))

    assert jobs.next(frozenset({"stuck"})).job_id == "next"


def test_steps_that_a_job_finds_out_about_are_done_before_the_next_job(jobs):
    jobs.add("sync", "c", [Task("sync", "", "/root")])
    jobs.add("later", "c", uploads("x"))
    waiting = jobs.next()
    jobs.extend("sync", [Task("file", "a", "/root")])
    jobs.finish(waiting, "done")

    assert jobs.next().task == Task("file", "a", "/root")
    assert jobs.job("sync").n_files == 1


def test_the_same_sync_is_found_while_it_waits(jobs):
    jobs.add("sync", "c", [Task("sync", "", "/root")])

    assert jobs.queued_sync("c", "/root", "") == "sync"
    assert jobs.queued_sync("c", "/other", "") is None
    jobs.next()
    assert jobs.queued_sync("c", "/root", "") is None


def test_too_many_waiting_files_are_refused(jobs):
    jobs.add("one", "c", uploads(*map(str, range(MAX_WAITING_TASKS - 1))))

    with pytest.raises(QueueFullError, match="9,999 files in 1 jobs wait"):
        jobs.add("two", "c", uploads("a", "b"))
    jobs.add("three", "c", uploads("a"))


def test_too_many_waiting_jobs_are_refused(jobs):
    for number in range(MAX_WAITING_JOBS):
        jobs.add(str(number), "c", uploads("a"))

    with pytest.raises(QueueFullError):
        jobs.add("more", "c", uploads("a"))


def test_old_finished_jobs_are_forgotten(jobs):
    for number in range(250):
        jobs.add(str(number), "c", [])

    assert len(jobs.jobs(1000)) < 210
    assert jobs.jobs(1)[0].id == "249"
