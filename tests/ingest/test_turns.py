import pytest

from ingest.turns import MAX_BEFORE_LOW, MAX_SMALL, MAX_SMALL_IN_A_ROW, Standing, Turns

UPLOAD = ("upload",)
BIG = MAX_SMALL + 1


def never(_):
    return False


def test_nobody_waits_nobody_is_chosen():
    assert Turns().next([], never) is None


@pytest.mark.parametrize(
    ("standings", "chosen"),
    [
        ([Standing("old", UPLOAD, 1), Standing("new", UPLOAD, 1)], "old"),
        ([Standing("folder", ("c", "/a"), BIG), Standing("note", UPLOAD, 1)], "note"),
        ([Standing("heap", UPLOAD, BIG), Standing("note", UPLOAD, MAX_SMALL)], "note"),
        ([Standing("heap", UPLOAD, BIG), Standing("heaps", UPLOAD, BIG)], "heap"),
        ([Standing("first", ("c", "/a"), 1), Standing("second", ("c", "/a"), 1)], "first"),
    ],
)
def test_a_small_upload_goes_first_else_the_oldest(standings, chosen):
    assert Turns().next(standings, never).job_id == chosen


def test_two_folders_and_a_heap_of_uploads_have_their_turns_one_by_one():
    turns = Turns()
    standings = [
        Standing("a", ("c", "/a"), BIG),
        Standing("b", ("c", "/b"), BIG),
        Standing("heap", UPLOAD, BIG),
    ]

    order = [turns.next(standings, never).job_id for _ in range(6)]

    assert order == ["a", "b", "heap"] * 2


def test_the_newer_version_of_a_file_does_not_overtake_the_older():
    standings = [Standing("heap", UPLOAD, BIG), Standing("newer", UPLOAD, 1)]

    assert Turns().next(standings, lambda one: one.job_id == "newer").job_id == "heap"


def test_small_uploads_without_end_do_not_keep_a_folder_from_its_turn():
    turns = Turns()
    standings = [Standing("folder", ("c", "/a"), BIG), Standing("note", UPLOAD, 1)]

    order = [turns.next(standings, never).job_id for _ in range(2 * MAX_SMALL_IN_A_ROW + 2)]

    assert order.count("folder") == 2
    assert order[MAX_SMALL_IN_A_ROW] == "folder"


def test_a_folder_beside_uploads_without_end_keeps_a_fair_part_of_the_time():
    turns = Turns()
    standings = [Standing("folder", ("c", "/a"), BIG), Standing("note", UPLOAD, 1)]

    order = [turns.next(standings, never).job_id for _ in range(100)]

    assert 15 <= order.count("folder") <= 50


def test_a_low_job_has_a_turn_now_and_then_while_others_keep_coming():
    turns = Turns()
    low = Standing("migration", ("c", "1"), BIG, is_low=True)
    others = [Standing("note", UPLOAD, 1), Standing("folder", ("c", "/a"), BIG)]

    order = [turns.next([low, *others], never).job_id for _ in range(3 * (MAX_BEFORE_LOW + 1))]

    assert order[: MAX_BEFORE_LOW + 1].index("migration") == MAX_BEFORE_LOW
    assert order.count("migration") == 3
    assert turns.next([low], never) is low
