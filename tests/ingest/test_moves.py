"""Files that move, change places and are saved as editors save them: nothing is embedded twice."""

import os
import shutil
from hashlib import sha256
from itertools import count

import pytest

from ingest.jobs_store import Task
from ingest.reconcile import Seen
from ingest.tasks import GONE, move_of, plan_move

TEA, OAT, RYE = (
    f"# {one}\n\nabout {one}. " + f"{one} and more. " * 12 for one in ("tea", "oat", "rye")
)
CLOCK = count(10**18, 10**6)


def write(path, text):
    """Write a file and give it a time of its own, whatever the resolution of the disk's clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(now := next(CLOCK), now))


@pytest.fixture
def sync(kb, folder):
    def run(root=folder, collection="default", **flags):
        job = kb.wait(kb.sync(root, collection, **flags), 30)
        assert job.errors == ()
        return job

    return run


def texts(kb, collection="default"):
    return {
        path: kb.text(one.id).split()[1]
        for one in kb.documents(collection, limit=1_000)[0]
        for path in one.paths
    }


@pytest.mark.parametrize(
    ("contents", "order"),
    [
        ([TEA, OAT], "ba"),
        ([TEA, OAT + "longer"], "ba"),
        ([TEA, OAT, RYE], "bca"),
        ([TEA, OAT, RYE], "cab"),
        ([TEA, OAT, TEA], "cba"),
    ],
)
def test_files_that_exchange_their_places_embed_nothing(kb, sync, folder, model, contents, order):
    for name, text in zip("abc", contents, strict=False):
        write(folder / f"{name}.txt", text)
    sync()
    before, n_embedded = texts(kb), model.n_embedded

    for old in order:
        (folder / f"{old}.txt").rename(folder / f".{old}")
    for old, new in zip(order, "abc", strict=False):
        (folder / f".{old}").rename(folder / f"{new}.txt")
    sync()

    assert texts(kb) == {f"{b}.txt": before[f"{a}.txt"] for a, b in zip(order, "abc", strict=False)}
    assert model.n_embedded == n_embedded
    assert sync().n_files == 0


def test_a_long_round_of_renames_embeds_nothing(kb, sync, folder, model):
    for n in range(60):
        write(folder / f"{n}.txt", f"# t{n}\n\nabout {n}")
    sync()
    n_embedded = model.n_embedded

    (folder / "59.txt").rename(folder / ".last")
    for n in reversed(range(59)):
        (folder / f"{n}.txt").rename(folder / f"{n + 1}.txt")
    (folder / ".last").rename(folder / "0.txt")
    job = sync()

    assert texts(kb) == {f"{n}.txt": f"t{(n - 1) % 60}" for n in range(60)}
    assert (job.n_files, job.n_done, model.n_embedded) == (60, 60, n_embedded)


def test_a_file_that_moves_while_another_takes_its_name_embeds_only_the_other(
    kb, sync, folder, model
):
    write(folder / "a.txt", TEA)
    sync()
    n_embedded = model.n_embedded

    (folder / "a.txt").rename(folder / "z.txt")
    write(folder / "a.txt", "# oat\n\nshort")
    sync()

    assert texts(kb) == {"a.txt": "oat", "z.txt": "tea"}
    assert model.n_embedded == n_embedded + 1


def test_a_copy_whose_original_goes_and_a_changed_case_embed_nothing(kb, sync, folder, model):
    write(folder / "a.txt", TEA)
    write(folder / "B.txt", OAT)
    sync()
    n_embedded = model.n_embedded

    shutil.copy(folder / "a.txt", folder / "copy.txt")
    sync()
    (folder / "a.txt").unlink()
    (folder / "B.txt").rename(folder / "b.txt")
    sync()

    assert texts(kb) == {"copy.txt": "tea", "b.txt": "oat"}
    assert model.n_embedded == n_embedded


def test_a_touched_file_is_neither_read_nor_embedded(kb, sync, folder, model):
    write(folder / "a.txt", TEA)
    sync()
    os.utime(folder / "a.txt", ns=(4 * 10**18, 4 * 10**18))  # a clock that is far ahead

    assert (sync().n_skipped, model.n_embedded) == (0, 1)
    os.utime(folder / "a.txt", ns=(-5, -5))
    sync()
    assert sync().n_files == 0


def test_a_time_that_goes_back_with_a_new_content_of_equal_size_is_noticed(kb, sync, folder):
    write(folder / "a.txt", TEA)
    sync()

    write(folder / "a.txt", OAT)
    os.utime(folder / "a.txt", ns=(0, 0))
    sync()

    assert texts(kb) == {"a.txt": "oat"}


def vim(folder):
    """`:w` with backup: tries whether the folder can be written to, puts the old file aside."""
    write(folder / "4913", "")
    yield
    (folder / "4913").unlink()
    (folder / "a.txt").rename(folder / "a.txt~")
    yield
    write(folder / ".a.txt.swp", "swap")
    write(folder / "a.txt", TEA)
    yield
    (folder / "a.txt~").unlink()
    (folder / ".a.txt.swp").unlink()


def libreoffice(folder):
    """A lock beside the file, a temporary one, then an exchange."""
    write(folder / ".~lock.a.txt#", "me")
    yield
    write(folder / "lu1234abcd.tmp", TEA)
    yield
    (folder / "lu1234abcd.tmp").replace(folder / "a.txt")
    yield
    (folder / ".~lock.a.txt#").unlink()


def word(folder):
    """An owner file, the new text as a temporary file, the old one as another."""
    write(folder / "~$a.txt", "me")
    write(folder / "~WRD0001.tmp", TEA)
    yield
    (folder / "a.txt").rename(folder / "~WRL0002.tmp")
    yield
    (folder / "~WRD0001.tmp").rename(folder / "a.txt")
    yield
    (folder / "~WRL0002.tmp").unlink()
    (folder / "~$a.txt").unlink()


def visual_studio_code(folder):
    """In place: cut off, then written."""
    write(folder / "a.txt", "")
    yield
    write(folder / "a.txt", TEA)


def atomic(folder):
    write(folder / "a.txt.tmp", TEA)
    yield
    (folder / "a.txt.tmp").replace(folder / "a.txt")


@pytest.mark.parametrize("save", [vim, libreoffice, word, visual_studio_code, atomic])
def test_however_an_editor_saves_a_file_it_is_embedded_once_at_most(kb, sync, folder, model, save):
    write(folder / "a.txt", TEA)
    sync()
    n_embedded = model.n_embedded

    for _ in save(folder):
        sync()  # somebody looks between the steps
        assert set(texts(kb)) <= {"a.txt"}
    sync()

    assert texts(kb) == {"a.txt": "tea"}
    assert model.n_embedded == n_embedded


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_file_that_moves_between_folders_of_two_collections_embeds_nothing(
    kb, sync, tmp_path, model, first
):
    for name in ("one", "two"):
        write(tmp_path / name / f"{name}.txt", f"# {name}\n\nstays")
    write(tmp_path / "one" / "a.txt", TEA)
    sync(tmp_path / "one", "one")
    sync(tmp_path / "two", "two")
    n_embedded = model.n_embedded

    (tmp_path / "one/a.txt").rename(tmp_path / "two/a.txt")
    for name in (first, *({"one", "two"} - {first})):
        sync(tmp_path / name, name)

    assert (texts(kb, "one"), texts(kb, "two")) == (
        {"one.txt": "one"},
        {"two.txt": "two", "a.txt": "tea"},
    )
    assert model.n_embedded == n_embedded


# What a step finds may differ from what was planned


@pytest.fixture
def planned(kb, sync, folder):
    """Queue steps as a sync would have planned them, and wait for them."""

    def run(*tasks):
        kb._jobs.add("planned", "default", tasks)
        kb._worker.wake()
        job = kb.wait("planned", 30)
        assert job.errors == ()
        return job

    return run


def seen(path):
    found = path.stat()
    return Seen(found.st_size, found.st_mtime_ns)


def move(old, new, text, was=None):
    """Plan a move as a sync does that saw the file at its new path, with that text."""
    plan = plan_move(old, sha256(text.encode()).hexdigest(), was or seen(new))
    return Task("move", new.name, str(new.parent), plan)


def test_a_move_that_was_done_before_a_crash_is_not_done_again(kb, sync, folder, planned):
    for name, text in (("a", TEA), ("b", OAT)):
        write(folder / f"{name}.txt", text)
    sync()
    (folder / "a.txt").rename(folder / ".a")
    (folder / "b.txt").rename(folder / "a.txt")
    (folder / ".a").rename(folder / "b.txt")
    sync()

    planned(
        move("b.txt", folder / "a.txt", OAT),
        move("a.txt", folder / "b.txt", TEA),
    )

    assert texts(kb) == {"a.txt": "oat", "b.txt": "tea"}


def test_a_file_that_was_moved_and_then_written_to_is_read(kb, sync, folder, planned):
    for name, text in (("a", TEA), ("b", RYE)):
        write(folder / f"{name}.txt", text)
    sync()
    (folder / "a.txt").rename(folder / "z.txt")
    (folder / "b.txt").rename(folder / "y.txt")
    was = seen(folder / "z.txt")
    write(folder / "z.txt", OAT)

    job = planned(
        move("a.txt", folder / "gone again.txt", TEA, was),
        move("a.txt", folder / "z.txt", TEA, was),
        move("b.txt", folder / "y.txt", RYE),
    )

    assert texts(kb) == {"z.txt": "oat", "y.txt": "rye"}
    assert (job.n_files, job.n_stored) == (3, 1)


@pytest.mark.parametrize("first", ["a", "b"])
def test_of_two_files_that_changed_places_one_is_written_to_before_its_turn(
    kb, sync, folder, planned, first
):
    for name, text in (("a", TEA), ("b", OAT)):
        write(folder / f"{name}.txt", text)
    sync()
    (folder / "a.txt").rename(folder / ".a")
    (folder / "b.txt").rename(folder / "a.txt")
    (folder / ".a").rename(folder / "b.txt")
    tasks = {
        "a": move("b.txt", folder / "a.txt", OAT),
        "b": move("a.txt", folder / "b.txt", TEA),
    }
    write(folder / "b.txt", RYE)

    planned(tasks.pop(first), *tasks.values())

    assert texts(kb) == {"a.txt": "oat", "b.txt": "rye"}
    assert sync().n_files == 0


def test_a_move_whose_origin_is_not_known_any_more_is_read(kb, sync, folder, planned):
    write(folder / "z.txt", TEA)

    kb.create_collection("default")
    planned(move("a.txt", folder / "z.txt", TEA))

    assert texts(kb) == {"z.txt": "tea"}


def test_a_file_that_is_back_by_the_time_of_its_removal_stays(kb, sync, folder, planned):
    for name in ("a", "b"):
        write(folder / f"{name}.txt", f"# {name}\n\ntext")
    sync()

    planned(Task("remove", "a.txt", str(folder), GONE), Task("remove", "b.txt", str(folder)))

    assert texts(kb) == {"a.txt": "a"}


@pytest.mark.parametrize("old", ["a.txt", "with space/1 2 3.txt", "line\nbreak.txt", "7"])
def test_the_plan_of_a_move_is_read_as_it_was_written(old):
    digest = sha256(b"tea").hexdigest()
    assert move_of(plan_move(old, digest, Seen(12, -5))) == (Seen(12, -5), digest, old)
    assert move_of(old) is None
