import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RuntimeFailedError
from engine.runtime.batch_native import Batch


def rows(batch):
    told = batch.native
    return [
        (told.token[at], told.pos[at], told.n_seq_id[at], told.seq_id[at][0], told.logits[at])
        for at in range(told.n_tokens)
    ]


def test_tokens_stand_where_llama_cpp_reads_them():
    batch = Batch(8)

    first = batch.extend([5, 6, 7], 40, 2, n_outputs=1)
    second = batch.add(9, 3, 1, wants_output=True)

    assert (first, second) == (0, 3)
    assert rows(batch) == [(5, 40, 1, 2, 0), (6, 41, 1, 2, 0), (7, 42, 1, 2, 1), (9, 3, 1, 1, 1)]


def test_nothing_is_left_of_the_step_before():
    batch = Batch(4)
    batch.extend([1, 2, 3, 4], 0, 3, n_outputs=4)

    batch.clear()
    batch.extend([8, 9], 5, 0, n_outputs=0)

    assert rows(batch) == [(8, 5, 1, 0, 0), (9, 6, 1, 0, 0)]


def test_more_than_there_is_room_for_is_refused_not_written_beyond():
    batch = Batch(3)
    batch.extend([1, 2], 0, 0, n_outputs=0)

    with pytest.raises(RuntimeFailedError, match="3 tokens has no room for 4"):
        batch.extend([3, 4], 2, 0, n_outputs=0)

    assert len(rows(batch)) == 2


@given(st.lists(st.tuples(st.lists(st.integers(0, 50), max_size=9), st.integers(0, 9))))
def test_the_last_tokens_of_each_piece_give_scores(pieces):
    batch = Batch(sum(len(tokens) for tokens, _ in pieces))
    wanted = []
    for sequence, (tokens, n_outputs) in enumerate(pieces):
        batch.extend(tokens, 0, sequence, n_outputs=n_outputs)
        n_scored = min(n_outputs, len(tokens))
        wanted += [0] * (len(tokens) - n_scored) + [1] * n_scored

    assert [scored for *_, scored in rows(batch)] == wanted
