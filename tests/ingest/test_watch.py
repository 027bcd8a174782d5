import shutil
import threading

import pytest

from ingest.watch import Pace
from tests.fakes import bag_of_terms
from tests.ingest.watching import until, write

FAST = Pace(stable_s=0.05, unstable_s=1.0, look_s=0.05)


@pytest.fixture
def sync(kb, folder):
    def run(**flags):
        return kb.wait(kb.sync(folder, "default", **flags), 30)

    return run


def paths(kb):
    return sorted(path for document in kb.documents()[0] for path in document.paths)


def test_a_sync_follows_new_changed_moved_and_deleted_files(kb, sync, folder, model):
    write(folder, {"a.txt": "about tea", "sub/b.txt": "about coffee", ".hidden": "x", "c.tmp": "x"})
    assert sync().n_stored == 2
    assert paths(kb) == ["a.txt", "sub/b.txt"]
    n_before = model.n_embedded

    (folder / "sub").rename(folder / "moved")
    (folder / "a.txt").rename(folder / "renamed.txt")
    shutil.copy(folder / "renamed.txt", folder / "copy.txt")
    assert sync().errors == ()
    assert paths(kb) == ["copy.txt", "moved/b.txt", "renamed.txt"]
    assert model.n_embedded == n_before

    write(folder, {"renamed.txt": "about cocoa now"})
    (folder / "moved/b.txt").unlink()
    sync()
    assert paths(kb) == ["copy.txt", "renamed.txt"]
    assert kb.dense("default", bag_of_terms("about cocoa now"), 1)[0].path == "renamed.txt"
    assert kb.lexical("default", "coffee", 5) == []


def test_a_sync_without_changes_does_nothing(kb, sync, folder):
    write(folder, {"a.txt": "about tea"})
    sync()

    assert sync().n_files == 0


def test_a_vanished_folder_removes_nothing_and_says_so(kb, sync, folder):
    write(folder, {"a.txt": "about tea"})
    sync()
    shutil.rmtree(folder)

    job = sync()

    assert job.state == "failed"
    assert "nothing was removed" in job.errors[0].reason
    assert paths(kb) == ["a.txt"]


def test_an_empty_folder_on_another_disk_is_one_that_is_not_mounted(kb, sync, folder):
    write(folder, {f"{n}.txt": f"text {n}" for n in range(3)})
    sync()
    kb._store.set_meta(f"disk of {folder}", "another one")
    shutil.rmtree(folder)
    folder.mkdir()

    job = sync()

    assert job.state == "failed"
    assert "on another disk than before: nothing was removed" in job.errors[0].reason
    assert len(paths(kb)) == 3
    write(folder, {"0.txt": "text 0"})
    sync()  # something of before is there: it moved to this disk
    assert paths(kb) == ["0.txt"]


def test_what_was_indexed_answers_until_the_new_version_is_stored(open_kb, folder, model):
    may_go_on, is_embedding = threading.Event(), threading.Event()

    def embed(texts, is_query):
        if "about oats" in texts:
            is_embedding.set()
            may_go_on.wait(20)
        return model.embed(texts, is_query)

    kb = open_kb(model.embedder(embed=embed))
    write(folder, {"a.txt": "about tea"})
    kb.wait(kb.sync(folder, "default"), 20)
    write(folder, {"a.txt": "about oats"})
    job_id = kb.sync(folder, "default")
    assert is_embedding.wait(20)

    found = [hit.text for hit in kb.lexical("default", "about", 5)]
    near = [hit.text for hit in kb.dense("default", bag_of_terms("about tea"), 5)]
    may_go_on.set()
    kb.wait(job_id, 20)

    assert (found, near) == (["about tea"], ["about tea"])
    assert [hit.text for hit in kb.lexical("default", "about", 5)] == ["about oats"]


def test_a_replaced_file_is_one_step(kb, sync, folder):
    write(folder, {"a.txt": "about tea", "b.txt": "about oats"})
    sync()

    write(folder, {"a.txt.tmp": "about cocoa"})
    (folder / "a.txt.tmp").replace(folder / "a.txt")

    assert sync().n_files == 1


def test_mass_deletions_wait_for_a_confirmation(kb, sync, folder):
    write(folder, {f"{n}.txt": f"text {n}" for n in range(12)})
    sync()
    for n in range(6):
        (folder / f"{n}.txt").unlink()

    job = sync()
    assert "6 of 12 files are gone" in job.errors[0].reason
    assert kb.documents()[1] == 12

    assert sync(is_confirmed=True).errors == ()
    assert kb.documents()[1] == 6


def test_uploads_of_the_same_name_are_left_alone_by_a_sync(kb, sync, folder, put):
    put({"a.txt": "uploaded"})
    write(folder, {"a.txt": "watched"})
    sync()
    (folder / "a.txt").unlink()
    sync()

    assert kb.text(kb.documents()[0][0].id) == "uploaded"


def test_ignore_files_and_links_to_the_outside_are_heeded(kb, sync, folder, tmp_path):
    outside = tmp_path / "outside"
    write(outside, {"secret.txt": "secret"})
    write(folder, {"a.txt": "tea", "drafts/b.txt": "draft", ".ragignore": "drafts/\n"})
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)

    sync()

    assert paths(kb) == ["a.txt"]


def test_a_broken_file_in_a_folder_is_reported_by_its_path(sync, folder):
    write(folder, {"sub/bad.txt": "\0broken", "good.txt": "fine"})

    assert [error.path for error in sync().errors] == ["sub/bad.txt"]


@pytest.mark.parametrize("is_polling", [False, True])
def test_a_watched_folder_stays_indexed(kb, folder, is_polling):
    write(folder, {"before.txt": "was there before"})
    pace = Pace(stable_s=0.05, unstable_s=1.0, is_polling=is_polling, look_s=0.05)

    with until(lambda: paths(kb) == ["before.txt"]):
        kb.watch(folder, "default", pace)
        kb.watch(folder, "default", pace)
    with until(lambda: paths(kb) == ["before.txt", "later.txt"]):
        write(folder, {"later.txt": "came later"})
    with until(lambda: paths(kb) == ["later.txt"]):
        (folder / "before.txt").unlink()
    with until(lambda: kb.lexical("default", "replaced", 1)):
        write(folder, {".new": "was replaced"})
        (folder / ".new").rename(folder / "later.txt")
    assert paths(kb) == ["later.txt"]
    assert [(one.folder, one.collection, one.state) for one in kb.watched()] == [
        (folder, "default", "watching")
    ]


def test_a_folder_that_is_gone_keeps_its_documents_and_is_followed_when_it_is_back(kb, folder):
    write(folder, {"a.txt": "tea"})
    with until(lambda: paths(kb) == ["a.txt"]):
        kb.watch(folder, "default", FAST)
    with until(lambda: kb.watched()[0].state == "missing"):
        shutil.rmtree(folder)

    assert "is not there: nothing is removed" in kb.watched()[0].reason
    assert paths(kb) == ["a.txt"]
    with until(lambda: paths(kb) == ["b.txt"]):
        write(folder, {"b.txt": "coffee"})


def test_a_folder_that_comes_later_is_picked_up(kb, folder):
    folder.rmdir()
    with until(lambda: kb.watched()[0].state == "missing"):
        kb.watch(folder, "default", FAST)

    with until(lambda: paths(kb) == ["a.txt"]):
        write(folder, {"a.txt": "tea"})
