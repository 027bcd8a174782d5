"""What is taken is whole, also while it is written to; what is put back answers the same."""

import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from app.backup import record, take
from app.backup.errors import BackupBusyError, BackupError, HomeTakenError, NoRoomError
from app.backup.put import restore, verify
from app.backup.swap import is_mount
from app.backup.take import Backup
from app.backup.write import write_to
from tests.app.backup.conftest import FACTS, fill, opened, stream, taken
from tests.fakes import bag_of_terms


def rows(home, table, order):
    connection = sqlite3.connect(home / "kb.sqlite3")
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
    finally:
        connection.close()


def answers(kb, query):
    vector = bag_of_terms(query)
    return (
        [(one.path, one.score, one.text) for one in kb.dense("default", vector, 3)],
        [(one.path, one.score, one.text) for one in kb.lexical("default", query, 3)],
    )


def test_a_library_that_was_put_back_holds_and_answers_the_same(home, tmp_path):
    with opened(home) as kb:
        said = answers(kb, "where are the spare keys")
        data = taken(home)

    done = restore(stream(data), tmp_path / "new")

    for table, order in [
        ("documents", "id"),
        ("texts", "document_id, part"),
        ("chunks", "id"),
        ("vectors", "key"),
        ("places", "path"),
        ("collections", "id"),
        ("spaces", "id"),
    ]:
        assert rows(tmp_path / "new", table, order) == rows(home, table, order), table
    with opened(tmp_path / "new") as kb:
        assert answers(kb, "where are the spare keys") == said
    assert done.before is None
    assert (tmp_path / "new" / "quire.toml").read_text() == "QUIRE_CHUNK_TOKENS = 60\n"
    assert (tmp_path / "new" / "inbox" / "team" / "plan é.txt").read_text() == "the plan"


def test_a_backup_while_files_come_in_holds_each_document_whole(tmp_path):
    home = tmp_path / "home"
    texts = {f"{n}.md": f"# File {n}\n\n" + f"Sentence {n} of many. " * 200 for n in range(60)}
    fill(home, {"first.md": "# First\n\nThe first one."})
    archives = []
    with opened(home) as kb:

        def write():
            for name, text in texts.items():
                kb.submit("default", [(name, text.encode())])

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive() and len(archives) < 6:
            archives.append(taken(home))
        writer.join()
    assert archives

    for number, data in enumerate(archives):
        new = tmp_path / f"new-{number}"
        done = restore(stream(data), new)
        with sqlite3.connect(new / "kb.sqlite3") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
        with opened(new) as kb:
            for job in kb.jobs(limit=100):  # uploads that waited are in the archive too
                assert kb.wait(job.id, 60).errors == ()
            documents, total = kb.documents(limit=100)
            assert total >= done.manifest.n_documents >= 1
            for one in documents:
                assert kb.text(one.id) == texts.get(one.paths[0], "# First\n\nThe first one.")
                assert kb.chunks(one.id)


def test_uploads_that_were_acknowledged_are_ingested_after_the_restore(tmp_path):
    home = tmp_path / "home"
    fill(home)
    gate = threading.Event()
    from ingest.knowledge_base import KnowledgeBase
    from tests.fakes import FakeModel, load_plain

    def slow(data, name):
        gate.wait(60)
        return load_plain(data, name)

    with KnowledgeBase(
        home, FakeModel().embedder(), load=slow, chunk_tokens=60, max_file_bytes=1_000_000
    ) as kb:
        job = kb.submit("default", [("late.md", b"# Late\n\nStill to come.")])
        data = taken(home)
        gate.set()
        kb.wait(job, 60)

    restore(stream(data), tmp_path / "new")

    with opened(tmp_path / "new") as kb:
        assert kb.wait(job, 60).errors == ()
        assert kb.lexical("default", "still to come", 1)[0].path == "late.md"


def test_places_in_the_data_directory_move_with_it(home, tmp_path):
    with opened(home) as kb:
        kb.wait(kb.sync(home / "inbox", "default"), 60)
        kb.watch(home / "inbox", "default", is_kept=True)

    restore(stream(taken(home)), tmp_path / "new")

    roots = {row[1] for row in rows(tmp_path / "new", "places", "path")}
    assert roots == {"", str(tmp_path / "new" / "inbox")}
    assert [row[1] for row in rows(tmp_path / "new", "roots", "root")] == [
        str(tmp_path / "new" / "inbox")
    ]
    with opened(tmp_path / "new") as kb:
        job = kb.wait(kb.sync(tmp_path / "new" / "inbox", "default"), 60)
        assert kb.documents()[1] == len(FACTS) + 1
        assert job.errors == ()


def test_an_archive_is_private_and_whole_or_not_there(home, tmp_path):
    target = tmp_path / "library.backup"
    with Backup(home) as backup:
        n_bytes = write_to(backup, target)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.stat().st_size == n_bytes
    with target.open("rb") as file:
        assert verify(file).n_documents == len(FACTS)
    assert not list(home.glob("backup-*/"))


def test_a_file_that_is_there_is_only_replaced_when_told(home, tmp_path):
    target = tmp_path / "library.backup"
    target.write_bytes(b"something else")
    with Backup(home) as backup:
        with pytest.raises(BackupError, match="--force"):
            write_to(backup, target)
        assert target.read_bytes() == b"something else"
        write_to(backup, target, is_replacing=True)

    with target.open("rb") as file:
        verify(file)


@pytest.mark.parametrize(("name", "match"), [("", "is a folder"), ("no/x", "there is no folder")])
def test_a_target_that_cannot_be_is_refused_with_a_cure(home, tmp_path, name, match):
    with Backup(home) as backup, pytest.raises(BackupError, match=match):
        write_to(backup, tmp_path / name)


def test_a_full_disk_leaves_no_half_archive(home, tmp_path, monkeypatch):
    def full(self):
        yield b"some bytes"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Backup, "stream", full)
    target = tmp_path / "library.backup"
    with Backup(home) as backup, pytest.raises(NoRoomError, match="another disk"):
        write_to(backup, target)

    assert [one.name for one in tmp_path.iterdir()] == ["home"]


def test_too_little_room_for_the_copies_is_said_before(home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9))

    with pytest.raises(NoRoomError, match="MB free"):
        Backup(home)

    assert not list(home.glob("backup-*/"))


def test_no_library_is_no_backup(tmp_path):
    with pytest.raises(BackupError, match="no library"):
        Backup(tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_backups_at_once_are_refused_and_the_next_one_is_not(home):
    with Backup(home), pytest.raises(BackupBusyError, match="already"):
        Backup(home)

    with Backup(home) as backup:
        assert b"".join(backup.stream())


def test_a_stream_that_nobody_reads_to_its_end_leaves_nothing(home):
    backup = Backup(home)
    pieces = backup.stream()
    next(pieces)
    pieces.close()
    del backup, pieces

    assert not list(home.glob("backup-*/"))
    Backup(home).close()


def test_a_file_that_changes_while_it_is_read_is_told(home):
    old = home / "inbox" / "team" / "plan é.txt"
    os.utime(old, (1, 1))  # one that nobody seems to write to
    with Backup(home) as backup:
        old.write_text("another", encoding="utf-8")
        with pytest.raises(BackupError, match="changed while it was read"):
            b"".join(backup.stream())


def test_nobody_waits_while_originals_are_copied(home, tmp_path, monkeypatch):
    """On a disk without second names that takes as long as they are large."""
    kept = home / "originals" / "aa" / ("a" * 64)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"%PDF-1.4")
    copyfile, copied = shutil.copyfile, []

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    def while_others_write(source, target):
        if "originals" in Path(source).parts:
            writer = sqlite3.connect(home / "kb.sqlite3", timeout=0, isolation_level=None)
            writer.execute("BEGIN IMMEDIATE")
            writer.close()
            copied.append(source)
        return copyfile(source, target)

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(shutil, "copyfile", while_others_write)
    restore(stream(taken(home)), tmp_path / "new")

    assert copied == [kept]
    assert (tmp_path / "new" / kept.relative_to(home)).read_bytes() == b"%PDF-1.4"


def test_a_file_that_is_being_written_is_taken_as_it_was(home, tmp_path):
    log = home / "inbox" / "growing.log"
    log.write_text("line 1\n")
    with Backup(home) as backup:
        with log.open("a") as file:
            file.write("line 2\n")
        data = b"".join(backup.stream())

    restore(stream(data), tmp_path / "new")

    assert (tmp_path / "new" / "inbox" / "growing.log").read_text() == "line 1\n"


def test_links_are_left_alone_and_odd_names_are_told(home, tmp_path):
    (home / "inbox" / "link").symlink_to("/etc/passwd")
    (home / "inbox" / "a\\b.txt").write_text("x")
    with Backup(home) as backup:
        names = [one.name for one in backup.manifest.members]
        told = backup.manifest.left_out

    assert "inbox/link" not in names
    assert len(told) == 1
    assert "not every system" in told[0]


def test_a_library_that_is_open_is_not_replaced(home, tmp_path):
    data = taken(home)
    with opened(home), pytest.raises(HomeTakenError, match="stop the server first"):
        restore(stream(data), home, is_replacing=True)


def test_a_library_that_is_there_is_kept_aside_only_when_told(home, tmp_path):
    data = taken(home)
    with opened(home) as kb:
        kb.wait(kb.submit("default", [("new.md", b"# New\n\nAdded afterwards.")]), 60)

    with pytest.raises(HomeTakenError, match="--force"):
        restore(stream(data), home)
    done = restore(stream(data), home, is_replacing=True)

    with opened(home) as kb:
        assert kb.documents()[1] == len(FACTS)
    with opened(done.before) as kb:
        assert kb.documents()[1] == len(FACTS) + 1
    assert done.before.parent == home.parent
    assert done.before.name.startswith("home.before-")


def test_models_and_logs_stay_where_they_are(home):
    (home / "models").mkdir()
    (home / "models" / "weights").write_bytes(b"w")
    (home / "history").write_text("quire run")

    restore(stream(taken(home)), home, is_replacing=True)

    assert (home / "models" / "weights").read_bytes() == b"w"
    assert (home / "history").read_text() == "quire run"


def test_a_home_that_cannot_be_renamed_is_restored_all_the_same(home, monkeypatch):
    """A mounted folder: nothing moves to the folder beside it."""
    data = taken(home)
    rename = Path.rename

    def no_crossing(self, target):
        if home not in Path(target).parents:
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", no_crossing)
    done = restore(stream(data), home, is_replacing=True)

    assert done.before.parent == home
    assert (done.before / "kb.sqlite3").is_file()
    assert [one.name for one in home.parent.iterdir()] == ["home"]
    with opened(home) as kb:
        assert kb.documents()[1] == len(FACTS)


@pytest.mark.parametrize("is_new", [True, False])
def test_an_inbox_that_is_a_mount_of_its_own_stays_and_nothing_is_lost(
    home, tmp_path, monkeypatch, is_new
):
    """As in a container: the system refuses to rename such a folder, whatever is asked."""
    data = taken(home)
    place = tmp_path / "new" if is_new else home
    mount = place / "inbox"
    mount.mkdir(parents=True, exist_ok=True)
    (mount / "host.txt").write_text("of the host")
    rename = Path.rename

    def busy(self, target):
        if mount in (self, Path(target)):
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", busy)
    monkeypatch.setattr("app.backup.swap.is_mount", lambda path: path == mount)
    monkeypatch.setattr("app.backup.put.is_mount", lambda path: path == mount)
    done = restore(stream(data), place, is_replacing=not is_new)

    assert (mount / "host.txt").read_text() == "of the host"
    assert (done.beside["inbox"] / "team" / "plan é.txt").read_text() == "the plan"
    assert done.beside["inbox"].parent == place
    assert not list(place.glob("restoring*"))
    with opened(place) as kb:
        assert kb.documents()[1] == len(FACTS)


def test_a_catalogue_that_is_a_mount_is_refused_before_anything_changes(home, monkeypatch):
    data = taken(home)
    before = rows(home, "documents", "id")
    catalogue = home / "kb.sqlite3"
    monkeypatch.setattr("app.backup.swap.is_mount", lambda path: path == catalogue)

    with pytest.raises(BackupError, match="mount"):
        restore(stream(data), home, is_replacing=True)

    assert rows(home, "documents", "id") == before
    assert not list(home.glob("restoring*"))


def test_the_system_s_list_of_mounts_is_read(monkeypatch, tmp_path):
    """A folder of the same disk that is mounted elsewhere looks like any other folder."""
    lines = "63 43 254:0 /a /data/my\\040inbox rw - ext4 /dev/vda rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: lines)

    assert is_mount(Path("/data/my inbox"))
    assert not is_mount(tmp_path)


def test_a_link_to_a_folder_that_is_gone_makes_room(home, tmp_path):
    data = taken(home)
    new = tmp_path / "new"
    new.mkdir()
    (new / "inbox").symlink_to(tmp_path / "gone")

    restore(stream(data), new)

    assert (new / "inbox" / "team" / "plan é.txt").is_file()
    assert not (new / "restoring.json").exists()


def test_a_folder_with_models_and_an_empty_inbox_counts_as_empty(home, tmp_path):
    data = taken(home)
    new = tmp_path / "new"
    (new / "models").mkdir(parents=True)
    (new / "inbox").mkdir()

    done = restore(stream(data), new)

    assert done.before is None
    assert (new / "inbox" / "team" / "plan é.txt").is_file()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "new"]


def test_a_damaged_catalogue_is_no_backup(home):
    (home / "kb.sqlite3").write_bytes(b"no database" * 1000)
    for log in home.glob("kb.sqlite3-*"):
        log.unlink()

    with pytest.raises(BackupError, match="quire doctor"):
        Backup(home)


def test_backups_are_noted_and_the_oldest_forgotten(tmp_path):
    for n in range(25):
        record.note(tmp_path, record.Taken(f"t{n}", "-", n))

    kept = record.noted(tmp_path)
    assert [kept[0].made_at, kept[-1].made_at, len(kept)] == ["t5", "t24", 20]
    (tmp_path / record.FILE).write_text("{")
    assert record.noted(tmp_path) == []


def test_copies_that_a_killed_backup_left_go_but_not_those_of_one_under_way(home):
    left = home / "backup-left"
    left.mkdir()
    (left / "kb.sqlite3").write_bytes(b"x")
    with Backup(home):
        assert not left.exists()
        (n_before,) = [len(list(home.glob("backup-*/")))]
        take.sweep(home)
        assert len(list(home.glob("backup-*/"))) == n_before == 1
    left.mkdir()

    take.sweep(home)

    assert not left.exists()
