import os
import shutil
import threading
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import monotonic

import pytest

from ingest.errors import CollectionNotFoundError, IngestError, QueueFullError
from ingest.reconcile import Seen
from ingest.roots import NotWatchedError, Root
from ingest.watch import Look, Pace, Watcher, paced
from tests.ingest.watching import until, write

FAST = Pace(stable_s=0.03, unstable_s=1.0, look_s=0.03)


def many(n):
    return {f"{number}.txt": f"text {number}" for number in range(n)}


def paths(kb, collection="default"):
    return sorted(path for one in kb.documents(collection)[0] for path in one.paths)


def state(kb):
    return kb.watched()[0].state


def test_several_folders_go_each_into_its_collection(kb, folder, tmp_path):
    write(folder, {"a.txt": "tea"})
    write(tmp_path / "other", {"b.txt": "coffee"})

    with until(lambda: paths(kb, "one") == ["a.txt"] and paths(kb, "two") == ["b.txt"]):
        kb.watch(folder, "one", FAST)
        kb.watch(tmp_path / "other", "two", FAST)

    assert [(one.folder.name, one.collection) for one in kb.watched()] == [
        ("docs", "one"),
        ("other", "two"),
    ]


def test_a_watch_that_is_kept_goes_on_after_a_restart(open_kb, folder, model):
    write(folder, {"a.txt": "tea"})
    kb = open_kb()
    with until(lambda: paths(kb, "notes") == ["a.txt"]):
        kb.watch(folder, "notes", FAST, is_kept=True)
        kb.watch(folder, "default", FAST)
    kb.close()
    write(folder, {"b.txt": "coffee"})

    again = open_kb()
    assert [(one.collection, one.state) for one in again.watched()] == [("notes", "stopped")]
    with until(lambda: paths(again, "notes") == ["a.txt", "b.txt"]):
        again.roots.resume(FAST)

    assert [(one.collection, one.is_kept) for one in again.watched()] == [("notes", True)]


def test_a_start_without_changes_queues_nothing_and_embeds_nothing(open_kb, folder, model):
    write(folder, many(20))
    kb = open_kb()
    with until(lambda: len(paths(kb)) == 20):
        kb.watch(folder, "default", FAST)
    with until(lambda: all(job.state == "done" for job in kb.jobs())):
        pass
    kb.close()
    n_embedded, again = model.n_embedded, open_kb()
    n_jobs = len(again.jobs())

    with until(lambda: state(again) == "watching"):
        again.watch(folder, "default", FAST)
    again.roots.stop()

    assert (len(again.jobs()), model.n_embedded) == (n_jobs, n_embedded)


def test_ending_a_watch_keeps_the_documents(open_kb, folder):
    write(folder, {"a.txt": "tea"})
    kb = open_kb()
    with until(lambda: paths(kb) == ["a.txt"]):
        kb.watch(folder, "default", FAST, is_kept=True)

    assert kb.roots.unwatch(folder, "default") == ""

    assert (kb.watched(), paths(kb)) == ([], ["a.txt"])
    kb.close()
    assert open_kb().watched() == []


def test_ending_a_watch_takes_its_documents_out_if_asked(kb, folder, put):
    put({"a.txt": "uploaded", "b.txt": "tea"})
    write(folder, {"b.txt": "tea", "c.txt": "coffee"})
    with until(lambda: paths(kb) == ["a.txt", "b.txt", "b.txt", "c.txt"]):
        kb.watch(folder, "default", FAST)

    job = kb.wait(kb.roots.unwatch(folder, "default", is_forgotten=True), 20)

    assert job.state == "done"
    assert paths(kb) == ["a.txt", "b.txt"]
    assert (folder / "c.txt").exists()


def test_a_folder_that_is_forgotten_while_it_is_first_read_leaves_nothing(open_kb, folder, model):
    begun, go_on = threading.Event(), threading.Event()

    def embed(texts, is_query):
        begun.set()
        assert go_on.wait(30)
        return model.embed(texts, is_query)

    kb = open_kb(model.embedder(embed=embed))
    write(folder, {f"{n}.txt": f"tea {n}" for n in range(30)})
    kb.watch(folder, "default", FAST)
    assert begun.wait(30)

    job_id = kb.roots.unwatch(folder, "default", is_forgotten=True)
    go_on.set()

    kb.wait(job_id, 30)
    assert not kb._jobs.unfinished()
    assert paths(kb) == []


def test_the_wait_between_two_looks_of_a_poll_counts_the_looking_and_not_the_resting(tmp_path):
    """Else a file on a network disk that is saved twice would be read minutes later."""
    sizes = count()
    looks = []

    def look(_):
        looks.append(monotonic())
        return Look({"a": Seen(next(sizes), 0)})  # never at rest

    pace = Pace(stable_s=0.2, unstable_s=0.3, look_s=0.05, is_polling=True)
    follows = []
    watcher = Watcher(tmp_path, pace, look=look, follow=lambda one: bool(follows.append(one)))
    watcher.start()
    with until(lambda: len(follows) >= 4):
        began = monotonic()
    watcher.stop()

    assert monotonic() - began < 9  # some 0.5 s each; ten times that if the resting counted


def test_what_is_not_watched_can_neither_be_ended_nor_confirmed(kb, folder):
    kb.watch(folder, "notes", FAST)

    with pytest.raises(NotWatchedError, match=r"not watched into 'default'; watched: .* 'notes'"):
        kb.roots.unwatch(folder, "default")
    with pytest.raises(NotWatchedError):
        kb.roots.confirm(folder / "other", "notes")


def test_a_mass_deletion_is_shown_until_somebody_confirms_it(kb, folder):
    write(folder, many(12))
    with until(lambda: len(paths(kb)) == 12):
        kb.watch(folder, "default", FAST)

    with until(lambda: state(kb) == "needs confirmation"):
        for n in range(6):
            (folder / f"{n}.txt").unlink()

    (shown,) = kb.watched()
    assert shown.n_held == 6
    assert f"quire watch --confirm {folder} -c default" in shown.reason
    assert len(paths(kb)) == 12
    with until(lambda: state(kb) == "watching"):
        kb.wait(kb.roots.confirm(folder, "default"), 20)
    assert len(paths(kb)) == 6


def test_new_files_come_in_while_a_mass_deletion_waits_and_a_return_ends_it(kb, folder):
    write(folder, many(12))
    with until(lambda: len(paths(kb)) == 12):
        kb.watch(folder, "default", FAST)
    with until(lambda: state(kb) == "needs confirmation"):
        shutil.move(folder, folder.with_name("away"))
        folder.mkdir()
    with until(lambda: "new.txt" in paths(kb)):
        write(folder, {"new.txt": "coffee"})
    assert (len(paths(kb)), kb.watched()[0].n_held) == (13, 12)

    with until(lambda: kb.watched()[0].n_held == 0):
        write(folder, many(12))

    assert state(kb) == "watching"


def test_a_folder_that_is_replaced_by_a_file_keeps_its_documents(kb, folder):
    write(folder, {"a.txt": "tea"})
    with until(lambda: paths(kb) == ["a.txt"]):
        kb.watch(folder, "default", FAST)

    with until(lambda: state(kb) == "missing"):
        shutil.rmtree(folder)
        folder.write_text("a file", encoding="utf-8")

    assert "is a file now: nothing is removed" in kb.watched()[0].reason
    assert paths(kb) == ["a.txt"]


def test_a_folder_that_is_renamed_and_made_anew_is_watched_anew(kb, folder):
    write(folder, {"a.txt": "tea"})
    with until(lambda: paths(kb) == ["a.txt"]):
        kb.watch(folder, "default", FAST)

    with until(lambda: paths(kb) == ["b.txt"]):
        folder.rename(folder.with_name("old"))
        write(folder, {"b.txt": "coffee"})
    with until(lambda: paths(kb) == ["b.txt", "c.txt"]):
        write(folder, {"c.txt": "cocoa"})


def test_a_changed_ignore_file_is_followed(kb, folder):
    write(folder, {"a.txt": "tea", "sub/b.txt": "coffee"})
    with until(lambda: paths(kb) == ["a.txt", "sub/b.txt"]):
        kb.watch(folder, "default", FAST)

    with until(lambda: paths(kb) == ["a.txt"]):
        write(folder, {"sub/.quireignore": "*.txt\n"})
    with until(lambda: paths(kb) == ["a.txt", "sub/b.txt"]):
        (folder / "sub/.quireignore").unlink()


@pytest.mark.parametrize("is_polling", [False, True])
def test_renamed_folders_replaced_files_and_case_are_followed_without_embedding(
    kb, folder, model, is_polling
):
    write(folder, {"one/a.txt": "tea", "one/b.txt": "coffee", "c.txt": "cocoa"})
    pace = Pace(stable_s=0.03, unstable_s=1.0, look_s=0.03, is_polling=is_polling)
    with until(lambda: len(paths(kb)) == 3):
        kb.watch(folder, "default", pace)
    n_embedded = model.n_embedded

    with until(lambda: paths(kb) == ["c.txt", "two/a.txt", "two/b.txt"]):
        (folder / "one").rename(folder / "two")
    with until(lambda: paths(kb) == ["C.txt", "two/a.txt", "two/b.txt"]):
        (folder / "c.txt").rename(folder / "C.txt")
    with until(lambda: paths(kb) == ["C.txt", "two/a.txt"]):
        (folder / "two/b.txt").rename(folder.parent / "out.txt")
    with until(lambda: len(paths(kb)) == 3):
        shutil.copy(folder / "C.txt", folder / "copy.txt")

    assert model.n_embedded == n_embedded
    assert kb.watched()[0].is_polling is is_polling


def test_deleting_a_collection_ends_its_watches(kb, folder):
    write(folder, {"a.txt": "tea"})
    with until(lambda: paths(kb, "notes") == ["a.txt"]):
        kb.watch(folder, "notes", FAST, is_kept=True)

    kb.delete_collection("notes")

    assert kb.watched() == []
    with pytest.raises(CollectionNotFoundError):
        kb.collection("notes")


def test_a_folder_whose_name_is_not_utf8_is_refused_with_advice(kb):
    with pytest.raises(IngestError, match="rename the folder"):
        kb.watch(Path("/tmp/caf\udce9"), "default")


def test_a_sync_that_is_refused_is_asked_for_again(folder):
    answers = [False, False, True]
    looked = threading.Event()

    def follow(_look):
        if len(answers) == 1:
            looked.set()
        return answers.pop(0)

    watcher = Watcher(folder, FAST, look=lambda _: Look({}), follow=follow)
    watcher.start()

    assert looked.wait(20)
    watcher.stop()
    assert answers == []


def test_a_full_queue_is_told_and_waited_out(kb, folder):
    is_full, followed = threading.Event(), []
    hands = kb._root_hands()

    def sync(*asked):
        if is_full.is_set():
            raise QueueFullError("10,000 files wait already")
        followed.append(asked)
        return hands.sync(*asked)

    write(folder, {"a.txt": "tea"})
    is_full.set()
    root = Root(folder, "default", replace(hands, sync=sync), FAST)
    with until(lambda: "wait already" in root.described(is_kept=False).reason):
        root.watcher.start()
    with until(lambda: followed and paths(kb) == ["a.txt"]):
        is_full.clear()
    root.watcher.stop()


def test_a_folder_that_moves_in_with_all_that_lies_in_it_is_indexed(kb, folder, tmp_path):
    write(folder, {"a.txt": "tea"})
    write(tmp_path / "outside", {"b.txt": "coffee", "deep/er/c.txt": "cocoa"})
    with until(lambda: paths(kb) == ["a.txt"]):
        kb.watch(folder, "default", FAST)

    with until(lambda: paths(kb) == ["a.txt", "in/b.txt", "in/deep/er/c.txt"]):
        (tmp_path / "outside").rename(folder / "in")
    with until(lambda: paths(kb) == ["a.txt", "in/b.txt", "in/deep/er/c.txt", "in/deep/er/d.txt"]):
        write(folder, {"in/deep/er/d.txt": "water"})  # what came in is watched, too


def test_second_versions_by_sync_programs_are_indexed_and_named(kb, folder):
    double = "a.sync-conflict-20240131-120000-ABCDEFG.txt"
    write(folder, {"a.txt": "tea", double: "green tea"})

    with until(lambda: f"indexed like the first: {double}" in kb.watched()[0].reason):
        kb.watch(folder, "default", FAST)

    assert paths(kb) == [double, "a.txt"]


def test_the_pace_of_a_library_is_that_of_its_folders(kb, folder):
    kb.roots.pace = Pace(is_polling=True)
    with until(lambda: kb.watched()[0].is_polling):
        kb.watch(folder, "default")


def test_a_file_with_a_name_that_is_not_utf8_is_named_and_its_neighbours_are_indexed(kb, folder):
    write(folder, {"a.txt": "tea"})
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_bytes(b"coffee")

    with until(lambda: "what lies there stays: caf?.txt" in kb.watched()[0].reason):
        kb.watch(folder, "default", FAST)

    assert paths(kb) == ["a.txt"]


def test_a_folder_that_rests_is_followed_once_and_one_that_does_not_after_a_while(tmp_path):
    sizes = iter([1, 2, 3, *[4] * 10_000])
    follows = []
    done = threading.Event()

    def follow(look):
        follows.append(look.seen["a"].size_bytes)
        done.set()
        return True

    watcher = Watcher(
        tmp_path, FAST, look=lambda _: Look({"a": Seen(next(sizes), 0)}), follow=follow
    )
    watcher.start()
    assert done.wait(20)
    watcher.stop()
    assert follows == [4]

    done.clear()
    restless = replace(FAST, stable_s=0.001, unstable_s=0.05)
    clock = count()
    watcher = Watcher(
        tmp_path, restless, look=lambda _: Look({"a": Seen(next(clock), 0)}), follow=follow
    )
    watcher.start()
    assert done.wait(20)
    watcher.stop()
    assert follows[1] > 1


def test_places_that_cannot_be_looked_at_are_named_and_kept(kb, folder):
    write(folder, {"a.txt": "tea", "sub/b.txt": "coffee"})
    with until(lambda: paths(kb) == ["a.txt", "sub/b.txt"]):
        kb.watch(folder, "default", FAST)

    with until(lambda: "1 places, what lies there stays: sub" in kb.watched()[0].reason):
        (folder / "sub/.quireignore").mkdir()  # rules that cannot be read

    assert paths(kb) == ["a.txt", "sub/b.txt"]


def test_what_a_watch_missed_is_found_from_time_to_time(kb, folder):
    write(folder, {"a.txt": "tea"})
    with until(lambda: paths(kb) == ["a.txt"]):
        kb.watch(folder, "default", Pace(stable_s=0.03, look_s=0.03, reconcile_s=0.1))

    kb.delete_document(kb.documents()[0][0].id)

    with until(lambda: paths(kb) == ["a.txt"]):
        pass


def test_a_system_without_watches_left_is_polled(kb, folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", refuse)

    with until(lambda: kb.watched()[0].is_polling):
        kb.watch(folder, "default", FAST)
    with until(lambda: paths(kb) == ["a.txt"]):
        write(folder, {"a.txt": "tea"})
    assert "OS file watch limit reached" in kb.watched()[0].reason


@pytest.mark.parametrize(
    ("pace", "events", "expected"),
    [
        (Pace(), "reported", Pace(is_polling=False)),
        (Pace(), "none", Pace(is_polling=True, stable_s=5.0)),
        (Pace(), "unsure", Pace(is_polling=False, reconcile_s=15.0)),
        (Pace(is_polling=True), "reported", Pace(is_polling=True)),
        (Pace(is_polling=False), "none", Pace(is_polling=False)),
    ],
)
def test_the_pace_fits_the_file_system_unless_somebody_says_otherwise(pace, events, expected):
    assert paced(pace, events) == expected
