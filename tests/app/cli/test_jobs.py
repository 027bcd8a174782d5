"""What the command line tells of jobs, and how long it says that they will take."""

from __future__ import annotations

import pytest

from app.api.wire import JobOut
from app.cli.jobs import described, pace_of
from app.cli.waiting import file_of, left_of, wait_for_jobs


def job(**more):
    plain = {"id": "j1", "collection": "notes", "state": "running", "progress": 0.25, "n_files": 8}
    counts = {"n_done": 2, "n_stored": 1, "n_skipped": 0, "message": "", "errors": []}
    created = {"created_at": "2026-11-20T09:30:00+00:00"}
    return JobOut.model_validate({**plain, **counts, **created, **more})


class Server:
    """Answers with one state of a job after the other."""

    is_private = False

    def __init__(self, *states):
        self.states = list(states)

    def job(self, job_id):
        state = self.states.pop(0)
        if isinstance(state, BaseException):
            raise state
        return state


@pytest.mark.parametrize(
    ("more", "n_files", "expected"),
    [
        ({"eta_s": 60.0}, 8, 60.0),
        ({"eta_s": 60.0}, 14, 120.0),  # twice as many are left when later jobs count too
        ({"eta_s": 60.0}, 0, 60.0),  # a sync, whose files nobody counted before
        ({"eta_s": None}, 8, None),
        ({"eta_s": 0.0, "n_done": 8}, 8, None),
    ],
)
def test_the_time_left_is_the_servers_own_stretched_over_all_files(more, n_files, expected):
    assert left_of(job(**more), n_files) == expected


def test_the_pace_of_a_job_is_worded_as_far_as_it_is_known():
    running = job(passages_per_s=12.34, bytes_per_s=1_500_000.0, eta_s=125.0, message="a.md")

    assert pace_of(running) == "2 of 8 files, 12.3 passages/s, 1.5 MB/s, about 2:05 left, a.md"
    assert pace_of(job()) == "2 of 8 files"


def test_a_job_is_told_with_every_reason_and_what_to_do_next():
    errors = [{"path": "a.pdf", "reason": "encrypted"}]

    told = described(job(state="done", n_done=8, n_stored=7, errors=errors))

    assert told.splitlines() == [
        "job j1 into 'notes': done, 2026-11-20T09:30",
        "  8 files: 7 stored, 0 already known, 1 failed",
        "  a.pdf: encrypted",
        "to try again: quire job j1 --retry",
    ]
    assert described(job()).endswith("to leave the rest undone: quire job j1 --cancel")


def test_a_long_name_is_cut_and_its_folder_left_out():
    assert file_of("embedding /home/ann/papers/a.md: 3 of 9 passages") == "a.md: 3 of 9 passages"
    assert file_of("x" * 99) == "x" * 39 + "…"
    assert file_of("") == ""


def test_an_interrupted_wait_says_that_the_server_goes_on(capsys):
    server = Server(job(), KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        wait_for_jobs(server, iter([("j1", 8)]), 8)

    assert "the server goes on with job j1; `quire job j1 --cancel` ends it" in (
        capsys.readouterr().err
    )


def test_a_pipe_gets_no_bar(capsys):
    finished = wait_for_jobs(Server(job(), job(state="done")), iter([("j1", 8)]), 8)

    assert [one.state for one in finished] == ["done"]
    assert capsys.readouterr().err == ""
