"""An exam is taken by the pipeline itself; a reranker must earn its say."""

import random
from dataclasses import replace

import pytest

from app.exam.errors import NoRerankerError
from app.exam.make import make
from app.exam.measure import figures
from app.exam.run import decided, examine, judge_reranker
from app.exam.types import Result
from app.query.errors import RerankerError
from app.query.words import content_terms, hold
from ingest.errors import CollectionNotFoundError, IngestError
from tests.app.query.conftest import ScriptedChat


@pytest.fixture
def cases(shelf):
    return make("default", shelf.sources(), shelf.is_held, n_cases=80).cases


def digest_of(shelf):
    return lambda document_id: shelf.document(document_id).digest


def taken(shelf, cases, beats=None, **more):
    return list(examine(beats or shelf.beats(), "default", cases, digest_of(shelf), **more))


def test_a_search_that_works_finds_nearly_everything(shelf, cases):
    results = taken(shelf, cases)

    found = figures(results)
    assert found["hit@5"].value > 0.9
    assert found["span@5"].value > 0.9
    assert [one.case_id for one in results] == [case.id for case in cases]
    assert all(one.is_refused is None for one in results)


def test_a_search_that_finds_nothing_scores_nothing(shelf, cases):
    nothing = shelf.beats(dense=lambda *_: [], lexical=lambda *_: [])

    found = figures(taken(shelf, cases, nothing))

    assert found["hit@5"].value == 0
    assert found["mrr@10"].value == 0


def test_a_sample_of_both_sorts_is_answered_too(shelf, cases):
    results = taken(shelf, cases, n_answers=12)

    answered = [one for one in results if one.is_refused is not None]
    assert len(answered) == 12
    assert sum(one.is_answerable for one in answered) == 6
    found = figures(results)
    assert found["citations resolve"].value == 1.0
    assert found["citation precision"].value > 0.3  # some are quoted beside the one asked for


def test_a_case_that_errs_is_an_error_and_the_rest_goes_on(shelf, cases):
    def lexical(collection, query, k, ids):
        if query == cases[3].question:
            raise IngestError("the index is being made anew")
        return shelf.lexical(collection, query, k, ids)

    results = taken(shelf, cases, shelf.beats(lexical=lexical))

    assert [one.error for one in results if one.error] == ["the index is being made anew"]
    assert len(results) == len(cases)


def test_a_collection_that_is_gone_ends_the_run(shelf, cases):
    shelf.is_gone = True

    with pytest.raises(CollectionNotFoundError):
        taken(shelf, cases)


def test_a_run_ends_when_it_is_told_to(shelf, cases):
    answers = iter([False, False, True])

    assert len(taken(shelf, cases, should_stop=lambda: next(answers))) == 2


def test_an_answer_under_way_is_broken_off_when_it_is_told_to_end(shelf, cases):
    case = next(one for one in cases if one.is_answerable)
    chat = ScriptedChat("The lighthouse stands and stands " * 1_000)

    def should_stop():
        return chat.n_characters_said > 0

    results = taken(shelf, [case], shelf.beats(chat=chat), n_answers=1, should_stop=should_stop)

    assert results == []
    assert chat.is_closed
    assert chat.n_characters_said < 1_000


def test_a_stale_case_is_told_and_not_asked(shelf, cases):
    n_before = shelf.n_searches

    (result,) = taken(shelf, [replace(cases[0], is_stale=True)])

    assert result.is_stale
    assert shelf.n_searches == n_before


def test_a_copy_of_the_sentence_in_another_document_is_a_hit(shelf, cases):
    case = next(one for one in cases if one.is_answerable)
    shelf.texts["copy.md"] = f"# Copy\n\n{case.text}\n"
    del shelf.texts[case.path]

    (result,) = taken(shelf, [case])

    assert result.rank >= 1


def by_words(question, texts):
    """Score as a good cross-encoder might: by the share of the question's words."""
    terms = content_terms(question)
    return [sum(hold(text).has(term) for term in terms) / max(1, len(terms)) for text in texts]


def test_without_a_reranker_there_is_nothing_to_judge(shelf, cases):
    with pytest.raises(NoRerankerError):
        judge_reranker(shelf.beats(), "default", cases, digest_of(shelf))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(one, marks=pytest.mark.slow) for one in range(1, 6))]
)
def test_a_random_reranker_gets_no_say(shelf, cases, seed):
    rng = random.Random(seed)
    beats = shelf.beats(rerank=lambda _, texts: [rng.random() for _ in texts], reranker="random")

    share, reason = judge_reranker(beats, "default", cases, digest_of(shelf))

    assert share == 0.0
    assert "no gain" in reason


def test_a_reranker_that_knows_better_than_the_search_gets_its_say(shelf):
    cases = make("default", shelf.sources(), shelf.is_held, n_cases=300).cases

    def nearly(collection, query, k, ids):
        hits = shelf.lexical(collection, query, k, ids)
        if len(hits) < 2:
            return hits
        first, second, *rest = hits
        swapped = [replace(second, score=first.score), replace(first, score=second.score)]
        return [replace(one, score=one.score / first.score) for one in [*swapped, *rest]]

    gold = {case.question: case.text for case in cases}

    def knowing(question, texts):
        zipped = zip(by_words(question, texts), texts, strict=True)
        return [0.5 * score + (gold[question] in text) for score, text in zipped]

    beats = shelf.beats(lexical=nearly, dense=nearly, rerank=knowing, reranker="good")

    share, reason = judge_reranker(beats, "default", cases, digest_of(shelf))

    assert share > 0, reason


def test_the_model_reads_each_text_once_for_all_shares(shelf, cases):
    seen = []

    def rerank(question, texts):
        seen.extend((question, text) for text in texts)
        return [0.5] * len(texts)

    judge_reranker(shelf.beats(rerank=rerank), "default", cases, digest_of(shelf))

    assert seen
    assert len(seen) == len(set(seen))


def test_a_reranker_that_breaks_is_told_and_not_judged(shelf, cases):
    def rerank(question, texts):
        raise RerankerError("it does not load")

    with pytest.raises(RerankerError, match="does not load"):
        judge_reranker(shelf.beats(rerank=rerank), "default", cases, digest_of(shelf))


def test_few_questions_trust_no_reranker(shelf, cases):
    share, reason = judge_reranker(
        shelf.beats(rerank=by_words), "default", cases[:20], digest_of(shelf)
    )

    assert share == 0.0
    assert "too few" in reason


def ranked(ranks):
    return [Result(str(at), True, rank=rank) for at, rank in enumerate(ranks)]


@pytest.mark.parametrize(
    ("by_share", "share"),
    [
        ({0.3: 2, 0.5: 1, 0.7: 3}, 0.5),
        ({0.3: 4, 0.5: 4, 0.7: 4}, 0.0),
        ({0.3: 5, 0.5: 6, 0.7: 9}, 0.0),
    ],
)
def test_the_best_share_is_taken_if_any_is_better_than_none(by_share, share):
    taken = {0.0: ranked([4] * 50)} | {one: ranked([rank] * 50) for one, rank in by_share.items()}

    assert decided(taken)[0] == share
