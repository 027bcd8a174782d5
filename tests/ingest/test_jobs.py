import pytest

from ingest.errors import JobNotFoundError, QueueFullError
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


def test_steps_that_a_job_finds_out_about_are_done_before_the_next_sync_of_the_folder(jobs):
    jobs.add("sync", "c", [Task("sync", "", "/root")])
    jobs.add("later", "c", [Task("sync", "", "/root")])
    waiting = jobs.next()
    jobs.extend(waiting, [Task("file", "a", "/root")])
    jobs.finish(waiting, "done")

    assert jobs.next().task == Task("file", "a", "/root")
    assert jobs.job("sync").n_files == 1


def test_what_a_task_found_out_before_a_crash_is_not_queued_twice(jobs):
    jobs.add("sync", "c", [Task("sync", "", "/root")])
    jobs.extend(jobs.next(), [Task("file", "a", "/root"), Task("file", "b", "/root")])
    jobs.extend(jobs.next(), [Task("file", "b", "/root")])

    assert jobs.job("sync").n_files == 1


def test_a_small_upload_goes_before_the_files_of_a_folder(jobs):
    jobs.add("sync", "c", [Task("sync", "", "/root")])
    waiting = jobs.next()
    jobs.extend(waiting, [Task("file", str(n), "/root") for n in range(100)])
    jobs.finish(waiting, "done")
    jobs.finish(jobs.next(), "stored")
    jobs.add("note", "c", uploads("note.md"))

    assert jobs.next().job_id == "note"
    jobs.finish(jobs.next(), "stored")
    assert jobs.next().job_id == "sync"


def test_a_newer_version_of_a_path_never_overtakes_the_older(jobs):
    jobs.add("heap", "c", uploads(*map(str, range(100))))
    jobs.add("again", "c", uploads("99"))
    jobs.add("elsewhere", "other", uploads("99"))

    assert jobs.next().job_id == "heap"
    assert jobs.next(frozenset({"again"})).job_id == "elsewhere"


def test_a_postponed_task_has_its_turn_after_the_others(jobs):
    jobs.add("one", "c", uploads("a", "b"))
    first = jobs.next()
    jobs.postpone(first, "1")
    jobs.finish(first, "done")

    assert jobs.next().task.path == "b"
    jobs.finish(jobs.next(), "stored")
    assert jobs.next().task == Task("upload", "a", source="1")
    assert (jobs.job("one").n_files, jobs.job("one").n_done) == (2, 1)


def test_what_failed_can_be_tried_again(jobs):
    jobs.add("one", "c", uploads("a", "b"))
    jobs.finish(jobs.next(), "failed", "damaged")
    jobs.finish(jobs.next(), "stored")

    assert jobs.retry("one") == 1
    assert jobs.job("one").state == "queued"
    assert jobs.job("one").errors == ()
    jobs.finish(jobs.next(), "stored")
    assert (jobs.job("one").state, jobs.job("one").n_stored) == ("done", 2)
    assert jobs.retry("one") == 0
    with pytest.raises(JobNotFoundError):
        jobs.retry("none")


def test_one_file_of_a_job_can_be_tried_again_alone(jobs):
    jobs.add("one", "c", uploads("a", "b"))
    for _ in range(2):
        jobs.finish(jobs.next(), "failed", "damaged")

    assert jobs.retry("one", "c") == 0
    assert jobs.retry("one", "b") == 1
    assert [one.path for one in jobs.job("one").errors] == ["a"]
    assert jobs.next().task.path == "b"


def test_a_cancelled_job_keeps_what_it_stored_and_says_so(jobs):
    jobs.add("one", "c", uploads("a", "b", "c"))
    jobs.finish(jobs.next(), "stored")
    running = jobs.next()

    assert [one.task.path for one in jobs.cancel("one")] == ["b", "c"]
    jobs.finish(running, "stored")

    job = jobs.job("one")
    assert (job.state, job.n_stored, job.n_done, job.errors) == ("failed", 1, 1, ())
    assert job.message == "cancelled with 2 steps left; what was stored stays"
    assert jobs.next() is None
    assert jobs.cancel("one") == []
    assert jobs.retry("one") == 2
    assert jobs.next().task.path == "b"
    with pytest.raises(JobNotFoundError):
        jobs.cancel("none")


def test_the_bytes_kept_for_a_retry_go_with_the_job(jobs, tmp_path):
    staged = tmp_path / "0"
    staged.write_bytes(b"x")
    jobs.add("old", "c", [Task("upload", "a", source=str(staged))])
    jobs.finish(jobs.next(), "failed", "the model failed")

    for number in range(202):
        jobs.add(str(number), "c", [])

    assert not staged.exists()


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


def folder_of(jobs, job_id, n_files):
    jobs.add(job_id, "c", [Task("sync", "", "/root")])
    waiting = jobs.next()
    jobs.extend(waiting, [Task("file", str(n), "/root") for n in range(n_files)])
    jobs.finish(waiting, "done")


def test_low_steps_wait_until_nothing_else_does(jobs):
    jobs.add("migrate", "c", [Task("carry", "0"), Task("carry", "1"), Task("switch", "c")])
    order = []
    for late in ("sync", "upload", None):
        if late == "sync":
            jobs.add(late, "c", [Task("sync", "", "/root")])
        elif late:
            jobs.add(late, "c", uploads(*map(str, range(20))))
        while (waiting := jobs.next()) is not None:
            order.append(waiting.task.kind)
            jobs.finish(waiting, "done")
            if waiting.task.kind == "carry" and late:
                break

    assert order == ["sync", "carry", *["upload"] * 20, "carry", "switch"]
    assert (jobs.job("migrate").n_files, jobs.job("migrate").state) == (2, "done")


def test_a_low_step_has_its_turn_when_only_parked_jobs_wait_besides(jobs):
    jobs.add("migrate", "c", [Task("carry", "0")])
    jobs.add("stuck", "c", uploads("a"))

    assert jobs.next(frozenset({"stuck"})).job_id == "migrate"


def test_the_heap_of_a_folder_keeps_neither_uploads_nor_syncs_out_of_the_queue(jobs):
    folder_of(jobs, "heap", MAX_WAITING_TASKS + 10)

    jobs.add("note", "c", uploads("a"))
    jobs.add("again", "c", [Task("sync", "", "/root")])

    order = []
    for _ in range(3):
        waiting = jobs.next()
        order.append(waiting.job_id)
        jobs.finish(waiting, "done")
    assert order == ["note", "heap", "again"]


def test_a_file_that_another_job_of_the_folder_will_read_is_named(jobs):
    folder_of(jobs, "heap", 3)
    jobs.add("other", "d", [Task("file", "x", "/root")])
    jobs.add("mine", "c", [Task("file", "y", "/root"), Task("remove", "z", "/root")])
    jobs.add("elsewhere", "c", [Task("file", "w", "/other")])

    assert jobs.queued_files("mine", "c", "/root") == {"0", "1", "2"}
    jobs.finish(jobs.upcoming("heap", 1)[0], "stored")
    assert jobs.queued_files("mine", "c", "/root") == {"1", "2"}


def test_tasks_that_were_done_together_are_noted_together(jobs):
    jobs.add("one", "c", uploads("a", "b", "c"))

    jobs.finish_all(jobs.upcoming("one", 2), "done")
    jobs.finish_all([], "done")

    assert (jobs.job("one").n_done, jobs.job("one").state) == (2, "queued")
    jobs.finish_all(jobs.upcoming("one", 2), "done")
    assert jobs.job("one").state == "done"
