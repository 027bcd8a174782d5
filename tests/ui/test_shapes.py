from ui.shapes import job_from, passages_from, reply_from, status_from, text_from
from ui.told import Notice


def test_unknown_fields_are_dropped_and_missing_ones_take_defaults():
    job = job_from({"id": "j", "state": "running", "color": "red", "message": None})

    assert (job.id, job.state, job.message, job.errors) == ("j", "running", "", ())
    assert not job.is_finished


def test_a_reply_takes_the_passages_told_before_if_it_lists_none():
    before = passages_from({"passages": [{"n": 1, "document_id": "d", "text": "t"}]})

    reply = reply_from({"answer": "a", "mode": "refused", "refused": None}, before)

    assert reply.passages == before
    assert reply.refused


def test_headings_may_come_as_a_path_or_as_text():
    found = passages_from({"passages": [{"n": 1, "heading": "A"}, {"headings": ["A", "B"]}]})

    assert [(one.n, one.heading) for one in found] == [(1, "A"), (2, "A › B")]


def test_status_counts_the_jobs_that_are_not_finished():
    status = status_from(
        {"jobs": {"queued": 2, "running": 1}, "models": {"chat": {"name": "m"}}, "notices": ["n"]}
    )

    assert (status.n_active_jobs, status.chat_model, status.notices) == (3, "m", (Notice("n"),))
    assert status_from({}).n_active_jobs == 0


def test_a_text_comes_with_its_chunks():
    text = text_from({"id": "d", "text": "ab", "chunks": [{"start": 0, "end": 2, "page": None}]})

    assert [(one.start, one.end, one.page) for one in text.chunks] == [(0, 2, None)]
