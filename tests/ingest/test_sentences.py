from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import cut_in_half, line_spans, sentence_spans, spans

TEXTS = st.text(alphabet="ab1. \n\t!?。，；…[]#-|中文\u0301\u200d👩", max_size=300)


@given(TEXTS, st.integers(0, 50), st.integers(0, 300))
def test_sentences_lines_and_halves_cover_all_that_is_not_blank(text, start, end):
    end = min(end, len(text))
    start = min(start, end)
    for cut in (sentence_spans, line_spans, cut_in_half):
        position, covered = start, set()
        for one, two in cut(text, start, end):
            assert position <= one < two <= end
            assert text[one:two] == text[one:two].strip()
            covered.update(range(one, two))
            position = two
        assert all(text[at].isspace() for at in range(start, end) if at not in covered)


@given(TEXTS)
def test_what_is_cited_lies_within_one_sentence_as_it_is_cut(text):
    whole = list(sentence_spans(text, 0, len(text)))

    for start, end in spans(text):
        assert any(one <= start < end <= two for one, two in whole)


def test_sentences_of_a_part_do_not_look_beyond_it():
    text = "One here. Two there. Three."

    assert [text[one:two] for one, two in sentence_spans(text, 4, 17)] == ["here.", "Two the"]


def test_a_long_line_is_read_once():
    text = "word, " * 200_000 + "\n" * 50_000 + "e.g. " * 100_000

    assert sum(end - start for start, end in sentence_spans(text, 0, len(text))) > 1_600_000
