import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.runtime.encoder import normalise, pack


@given(st.lists(st.integers(0, 700)), st.integers(1, 512), st.integers(1, 64))
def test_packing_keeps_order_budget_and_everyone(lengths, budget, max_sequences):
    groups = pack(lengths, budget, max_sequences)

    assert [at for group in groups for at in group] == list(range(len(lengths)))
    for group in groups:
        assert len(group) <= max_sequences
        assert len(group) == 1 or sum(lengths[at] for at in group) <= budget


def test_rows_get_length_one():
    vectors = normalise(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))

    assert vectors.tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]


def test_nan_is_an_error_not_a_vector():
    with pytest.raises(RequestError, match="NaN or Inf"):
        normalise(np.array([[float("nan")]], dtype=np.float32))
