"""Random operations on a folder, restarts between: the catalogue always equals a fresh build."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, bag_of_terms, load_plain

FILES = st.sampled_from(["a.txt", "A.txt", "b.txt", "x/a.txt", "x/c.txt", "y/a.txt", "x/z/d.txt"])
FOLDERS = st.sampled_from(["x", "y", "x/z", "new"])
TOPICS = ["tea", "coffee", "cocoa", "水"]
RULES = st.sampled_from(["", "*.txt\n", "a.txt\n", "/x/\n", "*.txt\n!a.txt\n", "z\n"])
# Two contents may share paragraphs, and so chunks; some have the same length.
TEXTS = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3).map(
    lambda topics: "\n\n".join(
        f"# {one}\n\nabout {one}, " + f"{one} and more. " * 12 for one in topics
    )
)


def open_kb(home, model):
    limits = {"chunk_tokens": 40, "max_file_bytes": 1_000_000}
    return KnowledgeBase(home, model.embedder(), load=load_plain, **limits)


def rows(home, collection):
    """Read everything the catalogue holds of a collection, without its numbers and dates."""
    with closing(sqlite3.connect(home / "kb.sqlite3", isolation_level=None)) as connection:
        ask = lambda query, *values: sorted(connection.execute(query, values).fetchall(), key=repr)  # noqa: E731
        (number,) = connection.execute(
            "SELECT id FROM collections WHERE name = ?", (collection,)
        ).fetchone()
        connection.execute(
            f"CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, terms_{number}, 'instance')"
        )
        of = "FROM documents d WHERE d.collection_id = ?"
        return {
            "documents": ask(
                "SELECT digest, media_type, size_bytes, n_characters, blocks, metadata"
                f" {of}", number
            ),
            "places": ask(
                "SELECT p.path, p.size_bytes, p.mtime_ns, d.digest FROM places p"
                " JOIN documents d ON d.id = p.document_id WHERE p.collection_id = ?", number
            ),
            "texts": ask(
                "SELECT d.digest, t.part, t.text FROM texts t JOIN documents d"
                " ON d.id = t.document_id WHERE d.collection_id = ?", number
            ),
            "chunks": ask(
                'SELECT d.digest, c.start, c."end", c.page, c.headings, c.n_tokens, c.vector_key'
                " FROM chunks c JOIN documents d ON d.id = c.document_id"
                " WHERE c.collection_id = ?", number
            ),
            "terms": ask(
                'SELECT d.digest, c.start, t.term, t.offset FROM temp.terms t'
                " JOIN chunks c ON c.id = t.doc JOIN documents d ON d.id = c.document_id"
                " WHERE d.collection_id = ?", number
            ),
            "n_terms": ask("SELECT count(*) FROM temp.terms"),
        }  # fmt: skip


def vector_keys(home, table):
    with closing(sqlite3.connect(home / "kb.sqlite3")) as connection:
        column = "key" if table == "vectors" else "vector_key"
        return {row[0] for row in connection.execute(f"SELECT {column} FROM {table}")}


class Folder(RuleBasedStateMachine):
    """A folder under somebody's hands."""

    @initialize()
    def start(self):
        self.top = Path(tempfile.mkdtemp(prefix="following-"))
        self.root = self.top / "docs"
        self.root.mkdir()
        self.clock = 10**18
        self.n_builds = 0
        self.is_dirty = True
        self.model = FakeModel()
        self.kb = open_kb(self.top / "home", self.model)
        self.fresh = open_kb(self.top / "fresh", FakeModel())

    def files(self):
        return sorted(
            one for one in self.root.rglob("*") if one.is_file() and not one.name.startswith(".")
        )

    def place(self, path):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def note(self, path):
        """Give a written file a time of its own, whatever the resolution of the disk's clock."""
        self.clock += 1_000_000
        os.utime(path, ns=(self.clock, self.clock))
        self.is_dirty = True

    @rule(path=FILES, text=TEXTS)
    def write(self, path, text):
        self.place(path).write_text(text, encoding="utf-8")
        self.note(self.root / path)

    @rule(path=FILES, text=TEXTS)
    def replace(self, path, text):
        temporary = self.place(path).with_name(".writing")
        temporary.write_text(text, encoding="utf-8")
        self.note(temporary)
        temporary.replace(self.root / path)

    @rule(path=FILES, text=TEXTS)
    def turn_the_clock_back(self, path, text):
        self.clock -= 10**15
        self.write(path, text)

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def delete(self, data):
        data.draw(st.sampled_from(self.files())).unlink()
        self.is_dirty = True

    @precondition(lambda self: self.files())
    @rule(data=st.data(), path=FILES)
    def rename(self, data, path):
        data.draw(st.sampled_from(self.files())).rename(self.place(path))
        self.is_dirty = True

    @precondition(lambda self: self.files())
    @rule(data=st.data(), path=FILES)
    def copy(self, data, path):
        old, new = data.draw(st.sampled_from(self.files())), self.place(path)
        if old != new:
            shutil.copyfile(old, new)
            self.note(new)

    @precondition(lambda self: len(self.files()) > 1)
    @rule(data=st.data())
    def swap(self, data):
        one, two = data.draw(st.permutations(self.files()))[:2]
        one.rename(self.root / ".aside")
        two.rename(one)
        (self.root / ".aside").rename(two)
        self.is_dirty = True

    @rule(old=FOLDERS, new=FOLDERS)
    def move_folder(self, old, new):
        old, new = self.root / old, self.root / new
        if old.is_dir() and not new.exists() and not new.is_relative_to(old):
            new.parent.mkdir(exist_ok=True)
            old.rename(new)
            self.is_dirty = True

    @rule(folder=FOLDERS)
    def delete_folder(self, folder):
        shutil.rmtree(self.root / folder, ignore_errors=True)
        self.is_dirty = True

    @rule(folder=st.sampled_from(["", "x"]), text=RULES)
    def ignore(self, folder, text):
        path = self.root / folder / ".quireignore"
        if path.parent.is_dir():
            path.write_text(text, encoding="utf-8")
            self.is_dirty = True

    @rule()
    def restart(self):
        self.kb.close()
        self.kb = open_kb(self.top / "home", self.model)

    @rule()
    def restart_in_the_middle(self):
        self.kb.sync(self.root, "docs")
        self.restart()

    @precondition(lambda self: self.is_dirty)
    @rule()
    def settle(self):
        for job in self.kb.jobs():  # those that a restart interrupted
            self.kb.wait(job.id, 60)
        n_before = self.model.n_embedded
        job = self.kb.wait(self.kb.sync(self.root, "docs"), 60)
        assert (job.state, job.errors) == ("done", ())
        self.n_builds += 1
        name = f"build {self.n_builds}"
        job = self.fresh.wait(self.fresh.sync(self.root, name), 60)
        assert (job.state, job.errors) == ("done", ())

        ours, built = rows(self.top / "home", "docs"), rows(self.top / "fresh", name)

        assert ours == built
        assert {row[-1] for row in ours["chunks"]} <= vector_keys(self.top / "home", "vectors")
        found = self.kb.dense("docs", bag_of_terms("tea"), 1_000) if ours["chunks"] else []
        assert len(found) == len(ours["chunks"])
        assert self.kb.status()["n_orphans"] == 0
        again = self.kb.wait(self.kb.sync(self.root, "docs"), 60)
        assert again.n_files == 0
        n_keys = len({row[-1] for row in ours["chunks"]})
        assert self.model.n_embedded - n_before <= n_keys
        self.is_dirty = False

    def teardown(self):
        if not hasattr(self, "kb"):
            return
        try:
            self.settle()
            self.kb.close()
            open_kb(self.top / "home", self.model).close()
            home = self.top / "home"
            assert vector_keys(home, "vectors") == vector_keys(home, "chunks")
        finally:
            self.kb.close()
            self.fresh.close()
            shutil.rmtree(self.top)


CHECKS = list(HealthCheck)


@pytest.mark.timeout(120)
def test_a_catalogue_always_equals_a_fresh_build():
    Folder.TestCase.settings = settings(
        max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=CHECKS
    )
    Folder.TestCase("runTest").runTest()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_catalogue_equals_a_fresh_build_for_long():
    Folder.TestCase.settings = settings(
        max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=CHECKS
    )
    Folder.TestCase("runTest").runTest()
