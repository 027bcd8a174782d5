from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk_columns import Chunks, Keyed
from ingest.types import Chunk

TEXT = "All is well. 一切都好。"
SPAN = st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT))).map(sorted).map(tuple)
PAGE = st.none() | st.integers(0, 2**40)
CHUNKS = st.lists(
    st.builds(
        lambda span, headings, page, n, parent, language: Chunk(
            *span, TEXT[slice(*span)], tuple(headings), page, n, parent, language
        ),
        SPAN,
        st.lists(st.sampled_from(["A", "B"]), max_size=2),
        PAGE,
        st.integers(0, 9_000),
        SPAN,
        st.sampled_from(["", "en", "zh"]),
    ),
    max_size=6,
)


def kept(chunks):
    columns = Chunks(TEXT)
    for one in chunks:
        numbers = (one.start, one.end, one.n_tokens, *one.parent)
        columns.append(numbers, one.headings, one.page, one.language)
    return columns


@given(CHUNKS, st.integers(-8, 8), st.integers(-8, 8))
def test_chunks_come_back_as_they_were_one_by_one_in_parts_or_all(chunks, low, high):
    columns = kept(chunks)

    assert len(columns) == len(chunks)
    assert list(columns) == chunks
    assert [columns[at - len(chunks)] for at in range(len(chunks))] == chunks
    assert columns[low:high] == chunks[low:high]
    assert columns[::-2] == chunks[::-2]


@given(CHUNKS)
def test_each_chunk_comes_with_the_key_of_its_vector(chunks):
    keys = [bytes([at]) for at in range(len(chunks))]
    keyed = Keyed(kept(chunks), keys)

    assert list(keyed) == list(zip(chunks, keys, strict=True))
    assert keyed[1:3] == list(zip(chunks, keys, strict=True))[1:3]
    assert len(keyed) == len(chunks)
    assert [keyed[at] for at in range(len(keyed))] == list(keyed)
