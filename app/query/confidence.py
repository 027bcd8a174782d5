"""Scores of a search → how likely it is that the documents hold the answer; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ingest.types import Hit

# A logistic curve over the best fused score, fitted on questions about other articles, about a
# removed passage, and answerable ones (XQuAD and CMRC articles, all-MiniLM). Fitted on English
# alone its middle is 0.39, on Chinese alone 0.43; each curve keeps its Brier score on the other
# language within 0.01. Measured and left out, since none separates better when fitted on one
# language and tested on the other: the words that passage and sentence hold, the gap to the second
# document, BM25 per idf mass, agreement of the legs, adjacent words, length of the question.
MIDDLE = 0.41
STEEPNESS = 13.7


def confidence_of(fused: Sequence[Hit]) -> float:
    """Tell how likely the documents hold the answer, from the hits as `fuse` scores them."""
    best = max((hit.score for hit in fused), default=0.0)
    return probability(best) if best > 0 else 0.0


def probability(score: float) -> float:
    """Turn the best fused score into a probability."""
    return 1 / (1 + math.exp(-STEEPNESS * (score - MIDDLE)))
