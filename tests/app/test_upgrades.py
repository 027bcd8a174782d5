"""Files that earlier versions wrote are opened by this one, and nothing is lost.

`upgrades/` holds a small file of each version, written by the program of that time (zstd). Whoever
adds a migration adds the file of the version before it, made by the program without it.
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from app.access import schema as access
from app.conversations import schema as conversations
from app.conversations.store import FILE as CONVERSATIONS
from app.conversations.store import Conversations
from app.exam import schema as exams
from app.exam.errors import ExamStoreError
from app.exam.store import ExamStore
from ingest import schema as catalogue
from ingest.errors import IngestError
from ingest.store import Store
from tests.app.backup.conftest import opened
from tests.app.conversations.conftest import TEXT, Texts, answer, question
from tests.fakes import bag_of_terms

FILES = Path(__file__).with_name("upgrades")
KINDS = {"kb": catalogue, "conversations": conversations, "exam": exams, "access": access}

# SHA-256 of each migration that was released. A line is added, never changed: the files of people
# who ran a migration do not change with it.
RELEASED = {
    "kb": (
        "dcb5f15be621",
        "8f170c28b842",
        "9c1414638643",
    ),
    "conversations": ("e3413790b61e",),
    "exam": ("f3f5701a304a",),
    "access": (),
}


def versions_of(kind):
    return sorted(int(one.name.split("-")[1].split(".")[0]) for one in FILES.glob(f"{kind}-*"))


def unpacked(kind, version, target):
    packed = (FILES / f"{kind}-{version}.sqlite3.zst").read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(zstandard.ZstdDecompressor().decompress(packed))
    return target


def version_of(path):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return connection.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("kind", KINDS)
def test_migrations_that_were_released_never_change(kind):
    digests = [hashlib.sha256(one.encode()).hexdigest()[:12] for one in KINDS[kind].MIGRATIONS]

    assert tuple(digests[: len(RELEASED[kind])]) == RELEASED[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_file_of_every_earlier_version(kind):
    earlier = len(RELEASED[kind]) if RELEASED[kind] else 0

    assert versions_of(kind) == [*range(1, earlier + 1)]
    assert earlier >= len(KINDS[kind].MIGRATIONS) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_tables_come_out_the_same_whichever_version_they_began_with(kind, tmp_path):
    """Step by step from each earlier version, and all at once: one and the same file."""
    migrations, tables = KINDS[kind].MIGRATIONS, set()
    for version in range(len(migrations) + 1):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            catalogue.bring_up(connection, migrations[:version], "it has")
            KINDS[kind].migrate(connection)
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
            tables.add(tuple(rows))
            assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations),)

    assert len(tables) == 1


@pytest.mark.parametrize("version", versions_of("kb"))
def test_a_library_of_an_earlier_version_keeps_all_and_answers(version, tmp_path):
    path = unpacked("kb", version, tmp_path / "home" / "kb.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        before = connection.execute("SELECT key, data FROM vectors ORDER BY key").fetchall()

    with opened(tmp_path / "home") as kb:
        held = {one.name: (one.n_documents, one.model) for one in kb.collections()}
        assert held == {"default": (5, "bag:latest"), "second": (1, "bag:latest")}
        texts = {one.paths[0]: kb.text(one.id) for one in kb.documents("default")[0]}
        assert texts["keys.md"] == "# Keys\n\nThe spare keys hang behind the red door."
        assert texts["钥匙.md"] == "# 钥匙\n\n备用钥匙挂在红门后面。"
        assert texts["plan.md"] == "# Plan\n\nThe harbour is dredged every spring."
        assert texts["long.md"].endswith("Paragraph 59 tells of the number 413.")
        for one in kb.documents()[0]:
            for chunk in kb.chunks(one.id):
                assert chunk.text == kb.text(one.id)[chunk.start : chunk.end]
        vector = bag_of_terms("Keys\nThe spare keys hang behind the red door.")
        assert kb.dense("default", vector, 1)[0].path == "keys.md"
        assert kb.lexical("default", "dredged harbour", 1)[0].path == "plan.md"
        assert kb.lexical("default", "红门", 1)[0].path == "钥匙.md"
        assert kb.lexical("second", "green tea", 1)[0].path == "same.md"
        assert not kb.lexical("default", "secret", 5)  # was deleted at that time
        failed = [error for job in kb.jobs() for error in job.errors]
        assert [one.path for one in failed] == ["bad.md"]
        job = kb.wait(kb.submit("default", [("new.md", b"# New\n\nAdded today.")]), 60)
        assert job.errors == ()
        assert kb.lexical("default", "added today", 1)[0].path == "new.md"

    assert version_of(path) == len(catalogue.MIGRATIONS)
    with closing(sqlite3.connect(path)) as connection:
        after = set(connection.execute("SELECT key, data FROM vectors"))
        roots = connection.execute("SELECT DISTINCT root FROM places ORDER BY root").fetchall()
    assert set(before) <= after
    assert roots == [("",), ("/library/docs",)]


@pytest.mark.parametrize("version", versions_of("conversations"))
def test_conversations_of_an_earlier_version_are_read_word_for_word(version, tmp_path):
    path = unpacked("conversations", version, tmp_path / CONVERSATIONS)

    store = Conversations(path, Texts({"d1": TEXT}).shelf())
    with closing(store):
        listed = {one.title: one.id for one in store.page().summaries}
        assert set(listed) == {"When was the harbour opened?", "My own title"}
        found = store.get(listed["When was the harbour opened?"])
        assert found.messages == (question(), answer(trace={"timings": {"pack": 0.5}}))
        assert [one.title for one in store.page("harbour").summaries] == [
            "When was the harbour opened?"
        ]
        store.append(found.id, (question("And how tall is it?"), answer()))
        assert store.summary(found.id).n_messages == 4

    assert version_of(path) == len(conversations.MIGRATIONS)


@pytest.mark.parametrize("version", versions_of("exam"))
def test_exams_of_an_earlier_version_keep_their_questions_runs_and_verdicts(version, tmp_path):
    path = unpacked("exam", version, tmp_path / "exam.sqlite3")

    with closing(ExamStore(path)) as store:
        (exam,) = store.exams()
        assert exam.cases[0].question == "Where do the keys hang?"
        runs = {one.id: one.state for one in store.runs()}
        assert runs == {"r1": "done", "r2": "failed"}  # r2 was under way when it was written
        (result,) = store.results("r1")
        assert (result.rank, result.found[0].path) == (1, "keys.md")
        verdict = store.verdict("default")
        assert (verdict.bar, verdict.embedding) == (0.25, "bag:latest")

    assert version_of(path) == len(exams.MIGRATIONS)


def open_catalogue(path):
    Store(path).close()


def open_conversations(path):
    Conversations(path, Texts({}).shelf()).close()


def open_exams(path):
    ExamStore(path).close()


@pytest.mark.parametrize(
    ("kind", "open_it", "error"),
    [
        ("kb", open_catalogue, IngestError),
        ("conversations", open_conversations, IngestError),
        ("exam", open_exams, ExamStoreError),
    ],
)
def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(kind, open_it, error, tmp_path):
    path = unpacked(kind, 1, tmp_path / "newer.sqlite3")
    newer = len(KINDS[kind].MIGRATIONS) + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump()) if kind != "kb" else path.read_bytes()[100:]

    with pytest.raises(error, match=f"version {newer}, this program knows up to {newer - 1}"):
        open_it(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (newer,)
        after = list(connection.iterdump()) if kind != "kb" else path.read_bytes()[100:]
    assert after == before
