import re
import shutil
import tempfile
from pathlib import Path

import pytest

from ingest.faults import POINTS, install, reach
from tests.ingest.libraries import (
    DiedError,
    check_index,
    check_nothing_is_left,
    forking,
    rows,
)

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
PARAGRAPH = "{} {}. " + "word " * 30

# What a library does when it dies: which steps there are in an upload, a sync, a deletion.
ANY_FILE = (
    "task taken",
    "file read",
    "file loaded",
    "text cut",
    "vectors computed",
    "vectors kept",
    "document kept",
    "vectors indexed",
    "index followed",
    "task done",
    "task noted",
    "task settled",
)
STEPS = {
    "upload": ("files staged", "job queued", *ANY_FILE, "original kept"),
    "watched folder": (
        "job queued",
        "folder listed",
        "steps queued",
        *ANY_FILE,
        "place moved",
        "place removed",
    ),
    "deletion": ("document deleted", "collection deleted"),
}


def test_a_point_does_nothing_until_somebody_listens():
    seen = []
    reach("file read")
    take_out = install(seen.append)
    reach("file loaded")
    take_out()
    reach("file read")

    assert seen == ["file loaded"]


def test_every_point_that_is_listed_is_reached_somewhere_and_no_other():
    reached = set()
    for path in (ROOT / "ingest").rglob("*.py"):
        reached |= set(re.findall(r'\breach\("([^"]+)"\)', path.read_text(encoding="utf-8")))

    assert reached == set(POINTS)


def text_of(name, n_paragraphs=3):
    return "\n\n".join([f"# {name}", *(PARAGRAPH.format(name, n) for n in range(n_paragraphs))])


def paged(name, n_paragraphs=3):
    """Look like a file whose original is kept."""
    return f"%PDF-1.4\n\n{text_of(name, n_paragraphs)}"


def plant(tree):
    tree.mkdir()
    for name in ("stays", "moves", "changes", "goes"):
        (tree / f"{name}.txt").write_text(text_of(name))


def alter(tree):
    (tree / "moves.txt").rename(tree / "moved.txt")
    (tree / "changes.txt").write_text(text_of("changes", 4))
    (tree / "goes.txt").unlink()
    (tree / "new.txt").write_text(text_of("new"))
    (tree / "copy.txt").write_text(text_of("new"))


class Scene:
    """A library that holds a folder and uploads; each act begins with a copy of it."""

    def __init__(self, folder, begin):
        self.folder, self.begin = folder, begin
        self.tree, self.home = folder / "tree", folder / "home"
        self.log = folder / "home.log"
        plant(self.tree)
        library = begin(self.home)
        self.prepare(library)
        library.close()
        for one in (self.tree, self.home):
            shutil.copytree(one, folder / f"first {one.name}")
        shutil.copyfile(self.log, folder / "first log")
        shutil.copytree(self.tree, folder / "second tree")
        alter(folder / "second tree")
        self.built = {what: self.build(what) for what in STEPS}

    def prepare(self, library):
        library.ask("send", collection="docs", files={"sent before.txt": paged("before")})
        library.ask("send", collection="other", files={"sent.txt": paged("before", 2)})
        self.settle(library)

    def settle(self, library):
        library.ask("settle", folders={str(self.tree): "docs"})

    def lay_out(self, tree):
        shutil.rmtree(self.tree)
        shutil.copytree(self.folder / tree, self.tree)

    def build(self, what):
        """Come to the same end without dying, in a library that knows nothing."""
        self.lay_out("first tree")
        library = self.begin(self.folder / f"fresh {what}")
        if what == "watched folder":
            self.lay_out("second tree")
        self.prepare(library)
        if what != "watched folder":
            self.act(library, what)
        library.close()
        return rows(library.home, "docs")

    def act(self, library, what):
        if what == "upload":
            files = {"sent.txt": paged("sent"), "again.txt": paged("sent")}
            library.ask("send", collection="docs", files=files)
            library.ask("settle")
        elif what == "watched folder":
            self.lay_out("second tree")
            self.settle(library)
        else:
            library.ask("delete_document", path="sent before.txt")
            library.ask("delete_collection", name="other")

    def die(self, what, point):
        self.lay_out("first tree")
        shutil.rmtree(self.home)
        shutil.copytree(self.folder / "first home", self.home)
        shutil.copyfile(self.folder / "first log", self.log)
        library = self.begin(self.home)
        library.ask("arm", name=point)
        with pytest.raises(DiedError):
            self.act(library, what)
        library.leave()


@pytest.fixture(scope="module")
def scene():
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, forking(Path(folder)) as begin:
        yield Scene(Path(folder), begin)


CASES = [(what, point) for what, points in STEPS.items() for point in points]
# From its bytes to the index an upload goes the way of a file in a folder: that is tried always.
SLOW = {("upload", point) for point in ANY_FILE[1 : ANY_FILE.index("task done")]}


@pytest.mark.parametrize(
    ("what", "point"),
    [pytest.param(*one, marks=[pytest.mark.slow] if one in SLOW else []) for one in CASES],
    ids=map(" at ".join, CASES),
)
def test_a_kill_between_two_steps_leaves_a_library_that_heals_and_pays_once(scene, what, point):
    scene.die(what, point)

    library = scene.begin(scene.home)
    scene.settle(library)
    if point == "files staged":  # nobody was told that they were accepted
        scene.act(library, what)

    assert rows(scene.home, "docs") == scene.built[what]
    check_index(library, "docs")
    status = library.ask("status")
    assert (status["n_orphans"], status["is_index_behind"]) == (0, False)
    assert status["n_collections"] == (1 if point == "collection deleted" else 2)
    library.close()
    check_nothing_is_left(library)


def test_every_point_is_one_at_which_some_test_kills():
    elsewhere = {
        path: path.read_text(encoding="utf-8")
        for path in (ROOT / "tests").rglob("test_*.py")
        if path != Path(__file__)
    }

    for point in set(POINTS) - {point for _, point in CASES}:
        assert any(f'"{point}"' in text for text in elsewhere.values()), point
