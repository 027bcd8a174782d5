from ingest.reconcile import Changes, Known, Seen, reconcile, unhashed

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
