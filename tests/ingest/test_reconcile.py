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

    model = dict(before)
    for old, new in changes.moved:
        assert new not in model
        assert model[old] == after[new], "a move would need an embedding"
        model[new] = model.pop(old)
    for path in (*changes.added, *changes.updated):
        assert model.get(path) != after[path], "nothing is read that is known already"
        model[path] = after[path]
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
