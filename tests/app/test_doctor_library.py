"""Findings about a library, with their cures."""

from datetime import UTC, datetime

import pytest

from app.api.index_wire import CompactionOut
from app.api.wire import ChatModelOut, EmbeddingModelOut, ModelsOut, StatusOut
from app.backup import record
from app.backup.copy_store import look, quick_check
from app.backup.record import Taken
from app.config import settings_from
from app.doctor_library import (
    judge_backups,
    judge_bound,
    judge_catalogue,
    judge_clock,
    judge_counts,
    judge_index,
    judge_jobs,
    library_findings,
)
from tests.app.backup.conftest import fill

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest", "is_told"),
    [
        ("", False),
        ("no time", False),
        ("2030-06-15T11:00:00+00:00", False),
        ("2030-06-15T12:04:00+00:00", False),
        ("2030-06-15T12:06:00+00:00", True),
        ("2031-01-01T00:00:00", True),
    ],
)
def test_documents_of_the_future_tell_of_a_wrong_clock(newest, is_told):
    assert bool(judge_clock(newest, NOW)) is is_told


@pytest.mark.parametrize(
    ("times", "n_documents", "level", "said"),
    [
        ([], 0, None, ""),
        ([], 5, "warn", "ever"),
        (["2030-06-14T12:00:00+00:00"], 5, "ok", "1 day old"),
        (["2030-06-01T12:00:00+00:00"], 5, "warn", "14 days old"),
        (["2030-06-15T11:00:00+00:00", "2020-01-01T00:00:00"], 5, "ok", "0 days old"),
        (["nonsense"], 5, "warn", "ever"),
    ],
)
def test_a_backup_that_is_old_or_was_never_taken_is_told(times, n_documents, level, said):
    found = judge_backups([Taken(one, "/b", 1) for one in times], NOW, n_documents=n_documents)

    assert [one.level for one in found] == ([level] if level else [])
    assert all(said in one.what for one in found)


def test_an_index_that_is_behind_or_names_what_is_gone_is_told():
    assert judge_counts({"is_index_behind": True, "n_orphans": 0})[0].level == "bad"
    assert judge_counts({"is_index_behind": False, "n_orphans": 3})[0].level == "warn"
    assert judge_counts({"is_index_behind": False, "n_orphans": 0})[0].level == "ok"


def test_files_that_failed_are_counted():
    assert judge_jobs(0) == []
    assert judge_jobs(1)[0].what == "1 file could not be taken in"
    assert judge_jobs(2)[0].what == "2 files could not be taken in"


def test_damage_is_bad_and_a_restore_cures_it():
    assert judge_catalogue("kb.sqlite3", "").level == "ok"
    found = judge_catalogue("kb.sqlite3", "row missing from index")
    assert (found.level, "quire restore" in found.cure) == ("bad", True)


def test_what_is_wrong_with_a_model_is_parted_from_its_cure():
    (found,) = judge_bound(["embedding model a is not installed (123): run `quire pull a`"])

    assert found.what == "embedding model a is not installed (123)"
    assert found.cure == "run `quire pull a`"


def test_bytes_that_could_not_be_removed_are_told():
    models = ModelsOut(
        chat=ChatModelOut(name="c"),
        embedding=EmbeddingModelOut(
            name="e", digest="d", document_prefix="", query_prefix="", n_dimensions=1
        ),
        reranker=None,
    )
    status = StatusOut(
        version="1",
        ready=True,
        mode="full",
        home="/h",
        pid=1,
        uptime_s=1.0,
        models=models,
        compaction=CompactionOut(is_done=False, failed="the disk is full"),
    )

    found = judge_index(status)

    assert [one.level for one in found] == ["ok", "bad"]
    assert found[1].cure == "run `quire index compact`"


def test_a_library_is_looked_at_without_changing_it(tmp_path):
    home = tmp_path / "home"
    fill(home)
    before = (home / "kb.sqlite3").read_bytes()
    record.note(home, Taken("2999-01-01T00:00:00+00:00", "/b", 1))

    found = library_findings(settings_from({"QUIRE_HOME": str(home)}))

    assert (home / "kb.sqlite3").read_bytes() == before
    assert [one.level for one in found] == ["ok", "bad", "ok"]  # the model of the test is nowhere
    assert "bag:latest is not installed" in found[1].what
    assert look(home / "kb.sqlite3").n_documents == 3


def test_a_torn_catalogue_is_found(tmp_path):
    home = tmp_path / "home"
    fill(home)
    raw = bytearray((home / "kb.sqlite3").read_bytes())
    raw[8192 * 2 : 8192 * 6] = b"\x77" * 8192 * 4
    (home / "kb.sqlite3").write_bytes(raw)

    assert quick_check(home / "kb.sqlite3")
    (found,) = library_findings(settings_from({"QUIRE_HOME": str(home)}))
    assert found.level == "bad"


def test_no_library_is_no_finding(tmp_path):
    assert library_findings(settings_from({"QUIRE_HOME": str(tmp_path / "none")})) == []
    assert not (tmp_path / "none").exists()
