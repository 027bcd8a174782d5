"""`quire backup` and `quire restore`, as typed."""

import io
import json
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from app.backup import record
from app.cli.failures import explain
from app.cli.main import build
from tests.app.backup.conftest import fill


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    fill(home)
    monkeypatch.setenv("QUIRE_HOME", str(home))
    monkeypatch.setenv("QUIRE_PORT", "1")  # nobody listens there
    return home


def quire(*words, **more):
    """Run a command; an error that is worded for people comes back as text."""
    done = CliRunner().invoke(build(), words, **more)
    told = explain(done.exception) if isinstance(done.exception, Exception) else None
    return done.exit_code, done.stderr + (told or "")


def test_a_backup_is_taken_checked_and_restored(home, tmp_path):
    archive = str(tmp_path / "library.backup")

    code, said = quire("backup", archive)
    assert code == 0, said
    assert "3 documents, 3 passages" in said
    assert "models are not in it" in said
    assert record.noted(home)[0].target == archive

    code, said = quire("backup", archive, "--verify")
    assert (code, "whole: 3 documents" in said) == (0, True), said

    code, said = quire("restore", archive, "--home", str(tmp_path / "new"))
    assert code == 0, said
    assert "run `quire pull bag:latest`" in said
    assert (tmp_path / "new" / "kb.sqlite3").is_file()


def test_a_file_that_is_there_is_not_replaced_unasked(home, tmp_path):
    archive = tmp_path / "library.backup"
    archive.write_text("mine")

    code, said = quire("backup", str(archive))
    assert (code, "--force" in said, archive.read_text()) == (1, True, "mine")

    assert quire("backup", str(archive), "--force")[0] == 0


def test_a_library_that_is_there_is_kept_aside(home, tmp_path):
    archive = str(tmp_path / "library.backup")
    quire("backup", archive)

    code, said = quire("restore", archive)
    assert (code, "--force" in said) == (1, True)

    code, said = quire("restore", archive, "--force")
    assert code == 0, said
    assert "home.before-" in said


def test_a_damaged_archive_is_named(home, tmp_path):
    archive = tmp_path / "library.backup"
    quire("backup", str(archive))
    archive.write_bytes(archive.read_bytes()[:-40])

    for words in (["backup", str(archive), "--verify"], ["restore", str(archive), "--force"]):
        code, said = quire(*words)
        assert code == 1
        assert f"{archive} cannot be used" in said
        assert "nothing was changed" in said


def test_a_file_that_is_missing_is_told(home, tmp_path):
    code, said = quire("restore", str(tmp_path / "none"))

    assert (code, "No such file" in said) == (1, True)


def test_an_archive_goes_through_pipes(home, tmp_path, monkeypatch):
    out = SimpleNamespace(buffer=io.BytesIO(), isatty=lambda: False)
    with monkeypatch.context() as patched:
        from app.cli import backup

        patched.setattr(backup, "sys", SimpleNamespace(stdout=out, stdin=sys.stdin))
        backup.backup("-", force=False, with_models=False, verify=False)
        archive = out.buffer.getvalue()
        stdin = SimpleNamespace(buffer=io.BytesIO(archive))
        patched.setattr(backup, "sys", SimpleNamespace(stdout=out, stdin=stdin))
        backup.restore("-", home=str(tmp_path / "new"), force=False)

    assert archive[:4] == b"\x28\xb5\x2f\xfd"  # zstd
    assert (tmp_path / "new" / "kb.sqlite3").is_file()


@pytest.mark.parametrize("newer", [{}, {"format": 99}])
def test_what_an_archive_says_does_not_speak_to_the_terminal(home, tmp_path, capfd, newer):
    from tests.app.backup.conftest import taken
    from tests.app.backup.forging import forge

    odd = {"program": "\x1b[2J", "made_at": "\x1b]0;x\x07", "home": "/a\nerror: b"} | newer
    archive = tmp_path / "archive"
    archive.write_bytes(forge(taken(home), table=lambda one: one | odd))

    done = CliRunner().invoke(build(), ["backup", str(archive), "--verify"])

    said = capfd.readouterr().err + done.stderr + str(done.exception or "")
    assert "?[2J" in said
    assert "\x1b" not in said
    assert "\nerror: b" not in said


def test_an_archive_is_not_printed_on_a_terminal(home, monkeypatch):
    from app.cli import backup

    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(backup, "sys", SimpleNamespace(stdout=terminal))

    with pytest.raises(Exception, match="1"):
        backup.backup("-", force=False, with_models=False, verify=False)
    assert record.noted(home) == []


def test_findings_are_printed_for_programs_and_bad_ones_end_with_1(home):
    done = CliRunner().invoke(build(), ["doctor", "--json"])

    findings = json.loads(done.stdout)
    assert any(one["level"] == "bad" for one in findings)  # the model of the test is nowhere
    assert done.exit_code == 1
