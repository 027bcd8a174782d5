from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.library.store import Library
from engine.runtime.encoder import Encoder, count_fitting, normalise
from engine.runtime.gate import Gate
from engine.runtime.llama import Context, Model
from engine.types import Options, Priority


@given(st.lists(st.integers(0, 700), min_size=1), st.integers(1, 512))
def test_a_step_takes_what_fits_and_at_least_one(lengths, budget):
    n_fitting = count_fitting(lengths, budget)

    assert 1 <= n_fitting <= len(lengths)
    assert n_fitting == 1 or sum(lengths[:n_fitting]) <= budget
    assert n_fitting == len(lengths) or sum(lengths[: n_fitting + 1]) > budget


def test_rows_get_length_one():
    vectors = normalise(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))

    assert vectors.tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]


def test_nan_is_an_error_not_a_vector():
    with pytest.raises(RequestError, match="NaN or Inf"):
        normalise(np.array([[float("nan")]], dtype=np.float32))


class Impatient(Gate):
    """Breaks off the first steps of background work, and tells how many there were in all."""

    def __init__(self, n_broken_off):
        super().__init__()
        self.n_broken_off, self.n_steps = n_broken_off, 0

    @contextmanager
    def hold(self, priority, *, timeout_s=600.0, break_off=None):
        self.n_steps += 1
        with super().hold(priority, timeout_s=timeout_s, break_off=break_off):
            if break_off is not None and self.n_steps <= self.n_broken_off:
                break_off()
            yield


@pytest.fixture
def embedder(starter_models):
    path = Library(starter_models).find("all-minilm").model_path
    with Model(path, Options()) as model:
        context = Context(
            model, n_ctx=512, n_sequences=64, n_batch=512, n_threads=2, is_embedding=True
        )
        yield model, context
        context.close()


def test_documents_that_were_broken_off_are_computed_again(embedder):
    model, context = embedder
    texts = [model.tokenize(one * 90, add_special=True, parse_special=False) for one in "abcde"]
    gate = Impatient(n_broken_off=2)
    encoder = Encoder(model, context, n_ctx=512, gate=gate)

    expected = encoder.embed(texts, Priority.QUERY)  # nobody breaks that off
    n_steps, gate.n_steps = gate.n_steps, 0
    found = encoder.embed(texts, Priority.BACKGROUND)
    encoder.close()

    assert gate.n_steps > n_steps + 1
    assert np.abs(found - expected).max() < 1e-3
