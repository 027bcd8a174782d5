import pytest

from ingest.weave import weave

OLD = [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)]


def test_nothing_changes_while_the_second_model_knows_nothing():
    assert weave(OLD, set(), []) == OLD


def test_two_models_that_agree_change_nothing():
    assert weave(OLD, {1, 2, 3, 4}, [1, 2, 3, 4]) == OLD


@pytest.mark.parametrize(
    ("done", "new", "order"),
    [
        ({2, 4}, [4, 2], [1, 2, 3, 4]),  # a tie: the first model decides
        ({2, 3, 4}, [4, 3, 2], [1, 2, 4, 3]),  # places of the others are kept
        ({4}, [9, 4], [1, 2, 3, 4, 9]),
        ({3, 4}, [9], [1, 2, 3, 9, 4]),  # what only the second one found may take a place
    ],
)
def test_only_what_both_know_is_ranked_anew(done, new, order):
    found = weave(OLD, done, new)

    assert [one for one, _ in found] == order
    assert [score for _, score in found][: len(OLD)] == [score for _, score in OLD]
    assert all(score is None for _, score in found[len(OLD) :])
