from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.borders import cuts, fingerprint

LIMIT = 100
ATOM = st.tuples(st.integers(1, 40), st.integers(0, 2), st.integers(0, 2**64 - 1))
ATOMS = st.lists(ATOM, min_size=1, max_size=60)


def cut_atoms(atoms, limit=LIMIT):
    places = cuts([size for size, _, _ in atoms], [(rank, mark) for _, rank, mark in atoms], limit)
    return [atoms[one:two] for one, two in pairwise([0, *places, len(atoms)])]


def n_tokens(atoms):
    return sum(size for size, _, _ in atoms)


@given(ATOMS, st.integers(1, 120))
def test_stretches_keep_every_atom_in_order_and_are_within_the_limit(atoms, limit):
    stretches = cut_atoms(atoms, limit)

    assert [one for stretch in stretches for one in stretch] == atoms
    assert all(n_tokens(one) <= limit or len(one) == 1 for one in stretches)


@given(ATOMS)
def test_no_stretch_is_tiny_unless_its_neighbours_left_no_room(atoms):
    stretches = cut_atoms(atoms)

    if len(stretches) > 1:
        # No atom is above 0.4 of the limit, so there is always a better place than the edge.
        assert min(map(n_tokens, stretches)) >= 0.2 * LIMIT


def test_what_fits_is_not_cut():
    assert cuts([], [], 10) == []
    assert cuts([4, 6], [(0, 1), (0, 2)], 10) == []
    assert cuts([11], [(0, 1)], 10) == []


def test_a_better_place_is_taken_before_one_nearer_to_the_middle():
    sizes = [20, 20, 20, 20, 20, 20]
    worse = [(1, 5)] * 6

    assert cuts(sizes, [*worse[:2], (0, 9), *worse[3:]], 100) == [2]
    assert cuts(sizes, [*worse[:4], (0, 9), *worse[5:]], 100) == [4]


@given(st.data())
@settings(max_examples=200)
def test_an_edit_moves_no_cut_that_lies_further_away_than_two_local_minima(data):
    """What stands between two places that both texts cut anyway does not matter outside them."""
    before, after = data.draw(ATOMS), data.draw(ATOMS)
    old, new = data.draw(ATOMS), data.draw(ATOMS)
    # The best place of all within reach is a cut whatever stands beyond it.
    wall = [(40, 1, 1), (40, 1, 2), (40, 1, 3), (40, 0, 0), (40, 1, 1), (40, 1, 2), (40, 1, 3)]
    texts = [
        cut_atoms([(s, r + 1, m) for s, r, m in before] + wall
                  + [(s, r + 1, m) for s, r, m in middle] + wall
                  + [(s, r + 1, m) for s, r, m in after])
        for middle in (old, new)
    ]  # fmt: skip

    def outside(stretches):
        starts = [at for at, one in enumerate(stretches) if one[0] == (40, 0, 0)]
        return stretches[: starts[0]], stretches[starts[-1] + 1 :]

    assert outside(texts[0])[0] == outside(texts[1])[0]
    assert outside(texts[0])[1][1:] == outside(texts[1])[1][1:]


def test_a_fingerprint_depends_on_the_first_words_alone():
    text = "The same first words of a paragraph, " + "x" * 20
    other = "The same first words of a paragraph; " + "y" * 20

    assert fingerprint(text, 0, len(text)) == fingerprint(other, 0, len(other))
    assert fingerprint("one", 0, 3) != fingerprint("two", 0, 3)
    assert fingerprint("\ud800", 0, 1) >= 0
