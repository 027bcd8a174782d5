import numpy as np
import pytest

from ingest.vector_bytes import pack, unpack


def unit_rows(n, n_dimensions=768, seed=0):
    """Draw rows in clusters, as texts lie, since evenly spread ones have no true neighbours."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((n // 20 + 1, n_dimensions))
    rows = centres[draw.integers(0, len(centres), n)] + 0.4 * draw.standard_normal(
        (n, n_dimensions)
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_vector_takes_two_bytes_for_each_dimension_and_keeps_its_length():
    rows = unit_rows(10)

    packed = pack(rows)

    assert {len(one) for one in packed} == {2 * 768 + 1}
    again = unpack(packed)
    assert np.allclose(np.linalg.norm(again, axis=1), 1, atol=1e-6)
    assert np.abs(again - rows).max() < 2e-4


def test_search_finds_the_same_chunks_by_half_precision():
    rows, queries = unit_rows(3000), unit_rows(100, seed=0)
    halves = unpack(pack(rows))

    exact, found = queries @ rows.T, queries @ halves.T

    assert np.abs(exact - found).max() < 2e-4
    best = [set(one) for one in np.argsort(-exact, axis=1)[:, :10].tolist()]
    same = [set(one) for one in np.argsort(-found, axis=1)[:, :10].tolist()]
    recall = np.mean([len(a & b) / 10 for a, b in zip(best, same, strict=True)])
    assert recall >= 0.99


def test_vectors_of_older_versions_are_read_beside_new_ones():
    rows = unit_rows(2, 48)

    assert np.allclose(unpack([rows[0].tobytes(), pack(rows)[1]]), rows, atol=1e-3)
    assert len(unpack([])) == 0


def test_vectors_of_two_models_are_not_mixed():
    with pytest.raises(ValueError, match=r"\[8, 48\] dimensions"):
        unpack([*pack(unit_rows(1, 48)), *pack(unit_rows(1, 8))])


def test_a_vector_of_zeros_stays_one():
    assert not unpack(pack(np.zeros((1, 8), np.float32))).any()
