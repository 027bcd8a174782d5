"""Exams on disk: made, taken in the background, cancelled, swept, and what they decide."""

import threading
from contextlib import closing
from dataclasses import replace

import pytest

from app.exam.errors import (
    BadCaseError,
    ExamNotFoundError,
    ExamStoreError,
    NoRerankerError,
    NothingToAskError,
    QueueFullError,
)
from app.exam.examiner import MAX_QUEUED, UNJUDGED_SHARE, Examiner
from app.exam.json_of import OwnQuestion
from app.exam.store import ExamStore
from app.exam.types import Run, Verdict
from app.query.answer import BAR
from ingest.errors import CollectionNotFoundError
from tests.app.exam.test_run import by_words

PATIENCE_S = 30.0


def ended(examiner, run_id):
    """Wait until a run has ended; gives it with its results."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        run, results = examiner.run(run_id)
        if run.state not in ("queued", "running"):
            return run, results
        tick.wait(0.02)
    raise AssertionError("the run did not end")


@pytest.fixture
def holding(shelf, tmp_path):
    """An examiner whose searches wait until they are let go."""
    let_go = threading.Event()

    def lexical(*asked):
        assert let_go.wait(PATIENCE_S)
        return shelf.lexical(*asked)

    with closing(ExamStore(tmp_path / "first.sqlite3")) as store:
        exam = Examiner(store, shelf.beats(), shelf.hands())
        made = exam.make("default", 40)
        exam.close()
    examiner = Examiner(
        ExamStore(tmp_path / "first.sqlite3"), shelf.beats(lexical=lexical), shelf.hands()
    )
    yield examiner, made, let_go
    let_go.set()
    examiner.close()


def test_an_exam_is_made_kept_taken_and_deleted(examiner):
    exam = examiner.make("default", 60)
    assert examiner.exams() == [exam]

    run, results = ended(examiner, examiner.start(exam.id, n_answers=6).id)

    assert (run.state, run.n_done, run.n_cases) == ("done", 60, 60)
    assert run.settings["embedding"] == "bge-m3:latest"
    assert run.settings["dense share, en"]
    assert [one.case_id for one in results] == [case.id for case in exam.cases]
    examiner.delete(exam.id)
    assert examiner.exams() == []
    assert examiner.runs() == []


def test_the_same_library_gives_the_same_exam_again(examiner):
    first = examiner.make("default", 40)

    assert examiner.make("default", 40) == first
    assert len(examiner.exams()) == 1


@pytest.mark.parametrize("what", ["exam", "run", "start", "cancel", "delete"])
def test_what_is_not_there_is_told(examiner, what):
    with pytest.raises(ExamNotFoundError, match="eval list"):
        getattr(examiner, what)("nothing")


def test_a_collection_that_is_not_there_or_empty_makes_no_exam(examiner, shelf):
    with pytest.raises(CollectionNotFoundError):
        examiner.make("other")
    shelf.texts.clear()
    with pytest.raises(NothingToAskError, match="--cases"):
        examiner.make("default")


def test_own_questions_are_kept_and_come_along_into_the_next_exam(examiner, shelf):
    own = [OwnQuestion("Who built the light?", "arden.md", "Miles Ardenson"), OwnQuestion("谁？")]
    first = examiner.make("default", 20, own)
    added = examiner.add_case(
        first.id, [OwnQuestion("Which beer?", "brill.md", "Black Brill Stout")]
    )
    shelf.texts["new.md"] = "# New\n\nThe new bridge of Arden was opened in 1999 by a mayor.\n"

    second = examiner.make("default", 20)

    assert first.cases[0].kind == "own"
    assert first.cases[1].kind == "unanswerable"
    assert added.cases[-1].question == "Which beer?"
    assert second.id != first.id
    assert [case.question for case in second.cases if case.is_own] == [
        "Who built the light?", "谁？", "Which beer?",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (OwnQuestion("Who?", "nothing.md", "Ann"), "no document 'nothing.md'"),
        (OwnQuestion("Who?", "arden.md", "Napoleon"), "does not hold 'Napoleon'"),
        (OwnQuestion("Who?", "arden.md", " "), "the answer is missing"),
        (OwnQuestion(" \n"), "the question is missing"),
    ],
)
def test_an_own_question_that_fits_no_document_is_refused(examiner, own, told):
    exam = examiner.make("default", 20)

    with pytest.raises(BadCaseError, match=told):
        examiner.add_case(exam.id, [own])
    assert examiner.exam(exam.id) == exam


def test_a_run_is_cancelled_and_the_next_one_is_taken(holding):
    examiner, exam, let_go = holding
    first, second = examiner.start(exam.id, n_answers=0), examiner.start(exam.id, n_answers=0)

    assert examiner.cancel(first.id).state == "cancelled"
    let_go.set()

    assert ended(examiner, second.id)[0].state == "done"
    run, results = examiner.run(first.id)
    assert run.state == "cancelled"
    assert len(results) <= 1


def test_a_full_queue_refuses(holding):
    examiner, exam, _ = holding

    def ask_too_often():
        for _ in range(MAX_QUEUED + 2):
            examiner.start(exam.id)

    with pytest.raises(QueueFullError, match="cancel one"):
        ask_too_often()


def test_cancelling_a_run_that_waits_makes_room(holding):
    examiner, exam, let_go = holding
    running = examiner.start(exam.id, n_answers=0)
    tick = threading.Event()
    while examiner.run(running.id)[0].state == "queued":
        tick.wait(0.01)
    waiting = [examiner.start(exam.id, n_answers=0) for _ in range(MAX_QUEUED)]

    examiner.cancel(waiting[0].id)

    last = examiner.start(exam.id, n_answers=0)
    for one in [running, *waiting[1:]]:
        examiner.cancel(one.id)
    let_go.set()
    assert ended(examiner, last.id)[0].state == "done"
    assert examiner.run(waiting[0].id)[0].state == "cancelled"


def test_a_run_that_was_cut_off_is_failed_at_the_next_start(tmp_path, examiner, shelf):
    exam = examiner.make("default", 20)
    path = tmp_path / "cut.sqlite3"
    with closing(ExamStore(path)) as store:
        store.add(exam)
        store.add_run(Run("r", exam.id, "default", "2026", "running"))

    with closing(ExamStore(path)) as store:
        assert store.run("r").state == "failed"
        assert store.run("r").message == "the server stopped"


def test_a_collection_that_goes_while_it_is_examined_fails_the_run(holding, shelf):
    examiner, exam, let_go = holding
    run = examiner.start(exam.id, n_answers=0)
    shelf.is_gone = True
    let_go.set()

    found = ended(examiner, run.id)[0]

    assert found.state == "failed"
    assert "default" in found.message


def test_a_sentence_that_moved_is_found_again_and_a_lost_one_is_told(examiner, shelf):
    exam = examiner.make("default", 60)
    shelf.texts["arden.md"] = "# Arden\n\nA new first line.\n\n" + shelf.texts["arden.md"][9:]
    shelf.texts["brill.md"] = "# Brill\n\nNothing of it is left.\n"

    run, results = ended(examiner, examiner.start(exam.id, n_answers=0).id)

    after = {case.id: case for case in examiner.exam(exam.id).cases}
    asked = [case for case in exam.cases if case.path == "arden.md" and case.is_answerable]
    moved = [after[case.id] for case in asked]
    lost = [after[case.id] for case in exam.cases if case.path == "brill.md"]
    assert moved
    assert all(one.text == shelf.texts["arden.md"][one.start : one.end] for one in moved)
    assert lost
    assert all(one.is_stale and not one.text and not one.question for one in lost)
    n_stale = sum(one.is_stale for one in after.values())
    assert sum(one.is_stale for one in results) == n_stale >= len(lost)
    assert f"{n_stale} questions" in run.message


def test_documents_that_are_there_again_give_their_questions_again(examiner, shelf):
    own = [OwnQuestion("Who built the light?", "arden.md", "Miles Ardenson")]
    first, there = examiner.make("default", 40, own), dict(shelf.texts)
    shelf.texts.clear()
    examiner.sweep()
    assert all(case.is_stale for case in examiner.exam(first.id).cases)
    with pytest.raises(NothingToAskError):
        examiner.make("default", 40)

    shelf.texts.update(there)

    assert examiner.make("default", 40) == first


def test_an_own_question_is_found_again_in_a_document_that_came_back(examiner, shelf):
    own = [OwnQuestion("Who built the light?", "arden.md", "Miles Ardenson")]
    exam, text = examiner.make("default", 20, own), shelf.texts.pop("arden.md")
    examiner.sweep()
    assert examiner.exam(exam.id).cases[0].is_stale

    shelf.texts["arden.md"] = "# Arden\n\nAnew.\n\n" + text
    examiner.sweep(is_idle=True)
    assert examiner.exam(exam.id).cases[0].is_stale
    examiner.sweep()

    (found, *_) = examiner.exam(exam.id).cases
    assert not found.is_stale
    assert "Miles Ardenson" in found.text == shelf.texts["arden.md"][found.start : found.end]


def test_an_exam_that_is_made_again_is_the_newest(examiner, shelf):
    first = examiner.make("default", 20)
    shelf.texts["new.md"] = "# New\n\nThe new bridge of Arden was opened in 1999 by a mayor.\n"
    examiner.make("default", 20)
    del shelf.texts["new.md"]

    assert examiner.make("default", 20).id == first.id
    assert examiner.exams()[0].id == first.id


def test_what_is_deleted_is_not_kept_in_the_file_either(tmp_path, shelf):
    secret = "Corby"
    path = tmp_path / "exam.sqlite3"
    with closing(Examiner(ExamStore(path), shelf.beats(), shelf.hands())) as examiner:
        examiner.make("default", 200)
        held = b"".join(one.read_bytes() for one in tmp_path.glob("exam.sqlite3*"))
        assert secret.encode() in held
        del shelf.texts["corby.md"]
        examiner.sweep()

        held = b"".join(one.read_bytes() for one in tmp_path.glob("exam.sqlite3*"))

    assert secret.encode() not in held


def test_what_is_deleted_is_forgotten_before_the_file_is_closed(tmp_path, shelf):
    path = tmp_path / "exam.sqlite3"
    with closing(Examiner(ExamStore(path), shelf.beats(), shelf.hands())) as examiner:
        examiner.make("default", 200)
        del shelf.texts["corby.md"]

    assert b"Corby" not in b"".join(one.read_bytes() for one in tmp_path.glob("exam.sqlite3*"))


def test_what_was_deleted_before_the_start_is_forgotten_at_once(tmp_path, shelf):
    path, swept = tmp_path / "exam.sqlite3", threading.Event()
    with closing(Examiner(ExamStore(path), shelf.beats(), shelf.hands())) as examiner:
        exam = examiner.make("default", 200)
    del shelf.texts["corby.md"]
    store = ExamStore(path)
    put = store.put_cases

    def put_cases(*given):
        put(*given)
        swept.set()

    store.put_cases = put_cases
    with closing(Examiner(store, shelf.beats(), shelf.hands())) as examiner:
        assert swept.wait(PATIENCE_S)
        assert sum(case.is_stale for case in examiner.exam(exam.id).cases) > 0


def test_the_verdict_on_a_reranker_is_kept_and_used(tmp_path, shelf):
    beats = shelf.beats(rerank=lambda _, texts: [0.5] * len(texts), reranker="flat")
    with closing(Examiner(ExamStore(tmp_path / "e"), beats, shelf.hands())) as examiner:
        exam = examiner.make("default", 60)
        assert examiner.beats.rerank_share("default") == UNJUDGED_SHARE

        run, _ = ended(examiner, examiner.start(exam.id, is_judging=True).id)

        assert run.state == "done", run.message
        assert examiner.beats.rerank_share("default") == 0.0
        assert "no gain" in examiner.verdict("default").reason
    other = replace(beats, reranker="another", rerank=by_words)
    with closing(Examiner(ExamStore(tmp_path / "e"), other, shelf.hands())) as examiner:
        assert examiner.beats.rerank_share("default") == UNJUDGED_SHARE
        examiner.forget_verdict("default")
        assert examiner.verdict("default") == Verdict("default")


def test_without_a_reranker_there_is_nothing_to_judge(examiner):
    exam = examiner.make("default", 20)

    with pytest.raises(NoRerankerError, match="QUIRE_RERANKER"):
        examiner.start(exam.id, is_judging=True)


def test_a_run_decides_the_bar_of_refusal_for_its_embedding_model(examiner):
    exam = examiner.make("default", 120)
    assert examiner.beats.refusal_bar("default") is None

    ended(examiner, examiner.start(exam.id, n_answers=0).id)

    bar = examiner.beats.refusal_bar("default")
    assert bar is not None
    assert abs(bar - BAR) <= 0.061
    examiner._beats = replace(examiner.beats, embedding_model=lambda _: "another")
    assert examiner.refusal_bar("default") is None


def test_a_file_that_is_not_ours_is_told(tmp_path):
    path = tmp_path / "exam.sqlite3"
    path.write_bytes(b"not a database" * 100)

    with pytest.raises(ExamStoreError, match="exam.sqlite3"):
        ExamStore(path)


def test_a_file_of_a_newer_version_is_told(tmp_path):
    path = tmp_path / "exam.sqlite3"
    with closing(ExamStore(path)) as store:
        store._db.execute("PRAGMA user_version=99")

    with pytest.raises(ExamStoreError, match="version 99"):
        ExamStore(path)
