from __future__ import annotations

import pytest

from app.query.confidence import confidence_of, probability
from ingest.types import Hit


def hit(score: float) -> Hit:
    return Hit(1, "d", "d.md", "", None, (), 0, 1, "x", score)


@pytest.mark.parametrize(
    ("scores", "low", "high"),
    [
        ([], 0.0, 0.0),
        ([0.0], 0.0, 0.0),
        ([0.15, 0.1], 0.0, 0.05),
        ([0.41], 0.5, 0.5),
        ([0.2, 0.75], 0.95, 1.0),
    ],
)
def test_the_best_score_alone_makes_the_confidence(scores, low, high):
    assert low <= confidence_of([hit(score) for score in scores]) <= high


def test_a_higher_score_is_never_less_likely():
    found = [probability(at / 100) for at in range(101)]

    assert found == sorted(found)
    assert all(0 < one < 1 for one in found)
