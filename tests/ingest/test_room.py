import pytest

from ingest.room import GAIN_BYTES, SHORT_BYTES, TRY_S, Pause, is_full


@pytest.mark.parametrize(
    ("free", "after_s", "over"),
    [
        (1000, 0, False),
        (1000 + GAIN_BYTES - 1, 5, False),
        (1000 + GAIN_BYTES, 0, True),
        (SHORT_BYTES, 0, True),
        (0, TRY_S - 1, False),
        (0, TRY_S, True),
    ],
)
def test_a_pause_ends_with_room_or_with_patience(free, after_s, over):
    assert Pause("job", 1000, 50.0).is_over(free, 50.0 + after_s) is over


def test_only_a_disk_without_room_is_full():
    assert is_full(0)
    assert not is_full(SHORT_BYTES)


def test_the_message_says_what_to_do():
    assert "3.0 MB free" in Pause("job", 3 * 1024**2, 0).message
    assert "when there is room" in Pause("job", 0, 0).message
