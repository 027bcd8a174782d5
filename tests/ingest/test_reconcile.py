import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reconcile import Changes, Known, Seen, out_of_sight, reconcile, unhashed

A, B = Known("aaa", 10, 1), Known("bbb", 20, 2)


def test_an_unchanged_folder_needs_nothing():
    assert reconcile({"a": Seen(10, 1)}, {"a": A}, {}) == Changes()


def test_new_changed_and_deleted_files_are_told_apart():
    seen = {"new": Seen(5, 9), "a": Seen(11, 3)}

    assert reconcile(seen, {"a": A, "b": B}, {}) == Changes(
        added=("new",), updated=("a",), removed=("b",)
    )


def test_a_renamed_file_is_moved():
    seen = {"dir/a2": Seen(10, 1)}

    assert unhashed(seen, {"a": A, "b": B}) == ["dir/a2"]
    assert reconcile(seen, {"a": A}, {"dir/a2": "aaa"}) == Changes(moved=(("a", "dir/a2"),))


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        (["b", "a"], [("a", "b"), ("b", "a")]),  # two exchange their places
        (["b", "c", "a"], [("a", "c"), ("b", "a"), ("c", "b")]),  # three go round
        (["c", "a"], [("a", "b"), ("c", "a")]),  # one is pushed aside by another that moves
    ],
)
def test_files_that_change_places_are_moved(after, moved):
    known = {one: Known(one * 3, 10, ord(one)) for one in "abc"[: max(map(ord, after)) - 96]}
    seen = {path: Seen(10, ord(one)) for path, one in zip("abc", after, strict=False)}
    digests = {path: one * 3 for path, one in zip("abc", after, strict=False)}

    changes = reconcile(seen, known, digests)

    assert set(unhashed(seen, known)) == set(digests)
    assert sorted(changes.moved) == moved
    assert (changes.added, changes.updated) == ((), ())


def test_a_place_that_is_left_and_written_anew_is_a_move_with_a_new_file():
    seen = {"a": Seen(99, 9), "b": Seen(10, 1)}

    changes = reconcile(seen, {"a": A}, {"b": "aaa"})

    assert changes == Changes(moved=(("a", "b"),), updated=("a",))


def test_a_file_that_only_got_another_time_is_not_read_again():
    seen = {"a": Seen(10, 99), "copy": Seen(10, 100)}

    assert unhashed(seen, {"a": A}) == ["a", "copy"]
    assert reconcile(seen, {"a": A}, {"a": "aaa", "copy": "aaa"}) == Changes(
        added=("copy",), touched=("a",)
    )


def test_a_time_that_goes_back_with_another_content_of_equal_size_is_a_change():
    seen = {"a": Seen(10, -5)}

    assert unhashed(seen, {"a": A}) == ["a"]
    assert reconcile(seen, {"a": A}, {"a": "other"}) == Changes(updated=("a",))


def test_only_files_of_a_size_that_is_gone_are_hashed():
    assert unhashed({"x": Seen(7, 1), "b": Seen(20, 2)}, {"a": A, "b": B}) == []


def test_a_copy_is_added_since_the_original_is_still_there():
    seen = {"a": Seen(10, 1), "copy": Seen(10, 5)}

    assert reconcile(seen, {"a": A}, {"copy": "aaa"}) == Changes(added=("copy",))


def test_a_moved_folder_pairs_files_of_the_same_name():
    known = {"old/x": A, "old/y": Known("aaa", 10, 1)}
    seen = {"new/y": Seen(10, 1), "new/x": Seen(10, 1)}

    changes = reconcile(seen, known, {"new/y": "aaa", "new/x": "aaa"})

    assert changes == Changes(moved=(("old/x", "new/x"), ("old/y", "new/y")))


def test_a_vanished_folder_removes_nothing():
    assert reconcile({}, {"a": A}, {}, is_root_there=False) == Changes()


def test_mass_deletions_are_held_back_until_confirmed():
    known = {f"f{n}": Known(str(n), n, n) for n in range(20)}
    seen = {f"f{n}": Seen(n, n) for n in range(10)}
    gone = tuple(sorted(f"f{n}" for n in range(10, 20)))

    assert reconcile(seen, known, {}) == Changes(held_back=gone)
    assert reconcile(seen, known, {}, is_confirmed=True) == Changes(removed=gone)


def test_a_few_deletions_of_a_few_files_are_not_mass_deletions():
    known = {f"f{n}": Known(str(n), n, n) for n in range(10)}

    assert len(reconcile({}, known, {}).removed) == 10


def test_nothing_that_nobody_could_look_at_is_removed():
    known = {"a": A, "shut/b": B, "shut/deep/c": B, "shutter": B}

    assert out_of_sight(known, ["shut"]).keys() == {"shut/b", "shut/deep/c"}
    assert out_of_sight(known, ["a"]) == {"a": Seen(10, 1)}
    assert out_of_sight(known, ["."]).keys() == known.keys()
    assert out_of_sight(known, []) == {}


@pytest.mark.parametrize(
    ("old", "new"), [("notes/A.txt", "notes/a.txt"), ("Cafe\u0301.txt", "Caf\u00e9.txt")]
)
def test_a_name_that_only_changes_its_writing_is_moved_to_itself(old, new):
    known = {"other.txt": A, old: A}

    changes = reconcile({new: Seen(10, 1)}, known, {new: "aaa"})

    assert changes == Changes(moved=((old, new),), removed=("other.txt",))


NAMES = ["a", "b", "A", "x/a", "x/b", "y/a", "y/z/b"]
# Contents of two sizes; a file's time tells contents of one size apart, as a clock does.
CONTENTS = {"pp": 2, "qq": 2, "rrr": 3, "sss": 3}
trees = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(CONTENTS)))


def seen_of(tree):
    return {path: Seen(CONTENTS[one], ord(one[0])) for path, one in tree.items()}


def known_of(tree):
    return {path: Known(one, CONTENTS[one], ord(one[0])) for path, one in tree.items()}


@given(before=trees, after=trees)
def test_the_changes_turn_the_catalogue_into_the_tree(before, after):
    seen, known = seen_of(after), known_of(before)
    digests = {path: after[path] for path in unhashed(seen, known)}

    changes = reconcile(seen, known, digests, is_confirmed=True)

    assert len({new for _, new in changes.moved}) == len({old for old, _ in changes.moved})
    model = {p: one for p, one in before.items() if p not in {old for old, _ in changes.moved}}
    for old, new in changes.moved:
        assert before[old] == after[new], "a move would need an embedding"
        model[new] = before[old]
    for path in (*changes.added, *changes.updated):
        assert model.get(path) != after[path], "nothing is read that is known already"
    stays = {model[path] for path in model if path not in {*changes.updated, *changes.removed}}
    for path in (*changes.added, *changes.updated):
        assert after[path] in stays or after[path] not in before.values(), "it is embedded twice"
    model |= {path: after[path] for path in (*changes.added, *changes.updated)}
    for path in changes.removed:
        del model[path]
    assert model == after
    assert reconcile(seen, known_of(model), {}) == Changes()


@given(tree=trees, data=st.data())
def test_renames_into_new_names_move_every_file(tree, data):
    targets = data.draw(st.permutations([f"new/{path}" for path in tree]))
    after = dict(zip(targets, tree.values(), strict=True))
    seen, known = seen_of(after), known_of(tree)

    assert set(unhashed(seen, known)) == set(targets)
    assert len(reconcile(seen, known, after).moved) == len(tree)
