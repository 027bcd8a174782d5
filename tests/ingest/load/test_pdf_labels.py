import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.load.pdf_labels import label_of, ranges_of


@pytest.mark.parametrize(
    ("labels", "ranges"),
    [
        ([], ""),
        (["1", "2", "3"], ""),
        (["", "", ""], ""),
        (["i", "ii", "iii", "1", "2"], '[[1,"r","",1],[4,"D","",1]]'),
        (["A-1", "A-2", "A-3"], '[[1,"D","A-",1]]'),
        (["Cover", "IV", "V"], '[[1,"","Cover",1],[2,"R","",4]]'),
        (["y", "z", "aa", "bb"], '[[1,"a","",25]]'),
        (["封面", "第1页", "1"], '[[1,"","封面",1],[2,"","第1页",1],[3,"D","",1]]'),
    ],
)
def test_labels_become_ranges(labels, ranges):
    assert ranges_of(labels) == ranges


@given(st.lists(st.one_of(st.text(max_size=6), st.integers(0, 30).map(str)), max_size=20))
def test_every_label_comes_back(labels):
    ranges = ranges_of(labels)

    back = [label_of(ranges, page) for page in range(1, len(labels) + 1)]

    assert back == [label or str(page) for page, label in enumerate(labels, 1)]


def test_a_thousand_pages_take_one_range():
    assert ranges_of([str(n) for n in range(17, 1017)]) == '[[1,"D","",17]]'
    assert label_of('[[1,"D","",17]]', 1000) == "1016"
