"""Random operations on two folders, restarts and kills between: always equal to a fresh build."""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.ingest.libraries import (
    DiedError,
    check_index,
    check_nothing_is_left,
    check_paid,
    forking,
    rows,
)

NAMES = ["a.txt", "A.txt", "b.txt", "x/a.txt", "x/c.txt", "y/a.txt", "x/z/d.txt"]
ROOTS = {"docs": "papers", "notes": "thoughts"}  # folder → collection
FILES = st.sampled_from([f"{root}/{name}" for root in ROOTS for name in NAMES])
FOLDERS = st.sampled_from([f"{root}/{name}" for root in ROOTS for name in ("x", "y", "x/z", "n")])
OUTSIDE = "outside"
TOPICS = ["tea", "coffee", "cocoa", "水"]
RULES = st.sampled_from(["", "*.txt\n", "a.txt\n", "/x/\n", "*.txt\n!a.txt\n", "z\n"])
UNREADABLE = "unreadable.txt"
# Two contents may share paragraphs, and so chunks; some have the same length.
TEXTS = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3).map(
    lambda topics: "\n\n".join(
        f"# {one}\n\nabout {one}, " + f"{one} and more. " * 12 for one in topics
    )
)


class Folders(RuleBasedStateMachine):
    """Two watched folders and what lies beside them, under somebody's hands."""

    begin = None  # opens a library in a process of its own

    @initialize()
    def start(self):
        self.top = Path(tempfile.mkdtemp(prefix="following-"))
        for one in (*ROOTS, OUTSIDE):
            (self.top / one).mkdir()
        self.clock = 10**18
        self.n_builds = 0
        self.is_dirty = True
        self.former = []
        self.library = self.begin(self.top / "home")
        self.fresh = self.begin(self.top / "fresh")

    def files(self):
        return sorted(
            one
            for root in (*ROOTS, OUTSIDE)
            for one in (self.top / root).rglob("*")
            if one.is_file() and not one.name.startswith(".") and one.name != UNREADABLE
        )

    def place(self, path):
        path = self.top / path
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def note(self, path):
        """Give a written file a time of its own, whatever the resolution of the disk's clock."""
        self.clock += 1_000_000
        os.utime(path, ns=(self.clock, self.clock))
        self.former.append((path, path.read_bytes()))
        self.is_dirty = True

    # Hands

    @rule(path=FILES, text=TEXTS)
    def write(self, path, text):
        self.place(path).write_text(text, encoding="utf-8")
        self.note(self.top / path)

    @rule(path=FILES, text=TEXTS)
    def replace(self, path, text):
        temporary = self.place(path).with_name(".writing")
        temporary.write_text(text, encoding="utf-8")
        self.note(temporary)
        temporary.replace(self.top / path)

    @rule(path=FILES, text=TEXTS)
    def turn_the_clock_back(self, path, text):
        self.clock -= 10**15
        self.write(path, text)

    @precondition(lambda self: self.former)
    @rule(data=st.data())
    def revert(self, data):
        path, content = data.draw(st.sampled_from(self.former))
        if path.parent.is_dir() and not path.name.startswith("."):
            path.write_bytes(content)
            self.note(path)

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def empty(self, data):
        path = data.draw(st.sampled_from(self.files()))
        path.write_bytes(b"")
        self.note(path)

    @rule(folder=FOLDERS)
    def add_what_nobody_can_read(self, folder):
        # Always at a path of its own: a file that was read once is kept when it is damaged.
        path = self.place(f"{folder}/{UNREADABLE}")
        path.write_text("\0broken", encoding="utf-8")
        self.note(path)

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def delete(self, data):
        data.draw(st.sampled_from(self.files())).unlink()
        self.is_dirty = True

    @precondition(lambda self: self.files())
    @rule(data=st.data(), path=FILES)
    def move(self, data, path):
        data.draw(st.sampled_from(self.files())).rename(self.place(path))
        self.is_dirty = True

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def move_out(self, data):
        old = data.draw(st.sampled_from(self.files()))
        old.rename(self.top / OUTSIDE / old.name)
        self.is_dirty = True

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def change_case(self, data):
        old = data.draw(st.sampled_from(self.files()))
        old.rename(old.with_name(old.name.swapcase().replace(".TXT", ".txt")))
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
        one.rename(self.top / ".aside")
        two.rename(one)
        (self.top / ".aside").rename(two)
        self.is_dirty = True

    @rule(old=FOLDERS, new=FOLDERS)
    def move_folder(self, old, new):
        old, new = self.top / old, self.top / new
        if old.is_dir() and not new.exists() and not new.is_relative_to(old):
            new.parent.mkdir(exist_ok=True)
            old.rename(new)
            self.is_dirty = True

    @rule(folder=FOLDERS)
    def delete_folder(self, folder):
        shutil.rmtree(self.top / folder, ignore_errors=True)
        self.is_dirty = True

    @rule(folder=st.sampled_from(["docs", "docs/x", "notes"]), text=RULES)
    def ignore(self, folder, text):
        path = self.top / folder / ".quireignore"
        if path.parent.is_dir():
            path.write_text(text, encoding="utf-8")
            self.is_dirty = True

    # The library

    def tell_to_sync(self):
        for root, collection in ROOTS.items():
            self.library.ask("sync", folder=str(self.top / root), collection=collection)

    def open_again(self):
        self.library = self.begin(self.top / "home")

    @rule(is_busy=st.booleans())
    def restart(self, is_busy):
        if is_busy:
            self.tell_to_sync()
        self.library.close()
        self.open_again()

    @precondition(lambda self: self.is_dirty)
    @rule(n_steps=st.integers(1, 40))
    def die_at_a_step(self, n_steps):
        self.library.ask("arm", n_steps=n_steps)
        try:
            self.tell_to_sync()
            self.library.ask("settle")
            self.library.ask("arm")
        except DiedError:
            self.library.leave()
            self.open_again()

    @precondition(lambda self: self.is_dirty)
    @rule()
    def die_at_any_moment(self):
        self.tell_to_sync()
        self.library.kill()
        self.open_again()

    @precondition(lambda self: self.is_dirty)
    @rule()
    def settle(self):
        folders = {str(self.top / root): name for root, name in ROOTS.items()}
        refused = self.library.ask("settle", folders=folders)
        self.n_builds += 1
        builds = {root: f"{name} {self.n_builds}" for root, name in folders.items()}
        refused_too = self.fresh.ask("settle", folders=builds)

        for root, name in folders.items():
            assert rows(self.library.home, name) == rows(self.fresh.home, builds[root])
            assert refused[name] == refused_too[builds[root]]
            check_index(self.library, name)
            again = self.library.ask("n_files", folder=root, collection=name)
            assert again == len(refused[name])
        check_paid(self.library)
        status = self.library.ask("status")
        assert (status["n_orphans"], status["is_index_behind"]) == (0, False)
        self.is_dirty = False

    def teardown(self):
        if not hasattr(self, "library"):
            return
        try:
            last = self.place("docs/last.txt")
            last.write_text("# last\n\n" + "last words " * 20, encoding="utf-8")
            self.note(last)
            self.settle()
            last.unlink()
            self.settle()
            self.library.close()
            self.open_again()
            self.library.close()
            check_nothing_is_left(self.library)
        finally:
            shutil.rmtree(self.top)


CHECKS = list(HealthCheck)


@pytest.fixture
def machine():
    """Give a machine whose libraries are forked and end with the test."""
    with tempfile.TemporaryDirectory(prefix="following-") as folder, ExitStack() as opened:

        class Forking(Folders):
            begin = staticmethod(opened.enter_context(forking(Path(folder))))

        yield Forking.TestCase


@pytest.mark.timeout(300)
def test_a_catalogue_always_equals_a_fresh_build(machine):
    machine.settings = settings(
        max_examples=4,
        stateful_step_count=14,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=CHECKS,
    )
    machine("runTest").runTest()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_catalogue_equals_a_fresh_build_for_long(machine):
    machine.settings = settings(
        max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=CHECKS
    )
    machine("runTest").runTest()
