"""Each stage at which a file can be lost is named, with what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.query.beats import Failed
from app.query.errors import EmptyQuestionError, FilterError, RerankerError
from app.query.explain import explain, explaining, is_meant, words_of
from app.query.types import Ask, Filters
from engine.errors import CapabilityError
from ingest.types import Hit

BORN = "Where was Nikola Tesla born?"


def states(explanation):
    return {stage.name: stage.state for stage in explanation.stages}


def text_of(explanation, name):
    return next(stage.text for stage in explanation.stages if stage.name == name)


@pytest.mark.parametrize(
    ("path", "file", "expected"),
    [
        ("notes/tesla.md", "notes/tesla.md", True),
        ("notes/tesla.md", "tesla.md", True),
        ("notes/tesla.md", "TESLA.md", True),
        ("notes/tesla.md", "./notes/tesla.md", True),
        ("notes/tesla.md", "/home/me/notes/tesla.md", True),
        ("notes\\tesla.md", "notes/tesla.md", True),
        ("notes/tesla.md", "*.md", True),
        ("notes/tesla.md", "notes/*", True),
        ("notes/tesla.md", "la.md", False),
        ("notes/tesla.md", "tesla", False),
        ("上海.md", "上海.md", True),
    ],
)
def test_a_file_is_meant_by_its_path_its_end_or_a_pattern(path, file, expected):
    assert is_meant(path, file) is expected


def test_a_file_that_is_cited_was_not_lost(library, says):
    told = explain(
        library.beats(says("Nikola Tesla was born in Smiljan.")), Ask(BORN, "c"), "tesla.md"
    )

    assert told.lost_at == ""
    assert told.paths == ("tesla.md",)
    assert set(states(told).values()) == {"passed"}
    assert list(states(told)) == [
        "stored", "ingest", "dense", "lexical", "fused", "pack", "answer", "cited",
    ]  # fmt: skip
    assert "rank 1" in text_of(told, "dense")
    assert "[1]" in text_of(told, "cited")
    assert told.advice == "The file was used: nothing was lost."


def test_a_file_that_nobody_added(library):
    told = explain(library.beats(), Ask(BORN, "c"), "edison.md")

    assert told.lost_at == "stored"
    assert told.paths == ()
    assert "edison.md is not in the library" in told.advice


def test_a_file_of_another_collection(library):
    def documents(collection):
        return library.documents(collection) if collection == "other" else []

    beats = library.beats(documents=documents, collections=lambda: ["c", "other"])
    told = explain(beats, Ask(BORN, "c"), "tesla.md")

    assert told.lost_at == "stored"
    assert told.advice == "Ask there: --collection other."


def test_a_file_that_could_not_be_stored(library):
    failed = [Failed("scans/edison.pdf", "it is encrypted", "2026-01-01T00:00:00+00:00")]
    beats = library.beats(failures=lambda collection: failed)

    told = explain(beats, Ask(BORN, "c"), "edison.pdf")

    assert told.lost_at == "stored"
    assert "it is encrypted" in told.advice


@pytest.mark.parametrize(("added_at", "state"), [("2025", "weak"), ("2027", "passed")])
def test_a_later_version_that_could_not_be_stored_is_told(library, added_at, state):
    failed = [Failed("tesla.md", "it is encrypted", "2026-01-01T00:00:00+00:00")]
    beats = library.beats(
        failures=lambda collection: failed,
        documents=lambda c: [replace(one, added_at=added_at) for one in library.documents(c)],
    )

    told = explain(beats, Ask(BORN, "c"), "tesla.md")

    assert states(told)["stored"] == state
    assert ("it is encrypted" in text_of(told, "stored")) is (state == "weak")


@pytest.mark.parametrize(("n_chunks", "lost_at"), [(0, "ingest"), (1, "")])
def test_a_file_without_text_and_one_with_pages_left_out(library, n_chunks, lost_at):
    beats = library.beats(
        documents=lambda c: [
            replace(one, n_chunks=n_chunks, warnings=("page 3 has no text",))
            for one in library.documents(c)
        ]
    )

    told = explain(beats, Ask(BORN, "c"), "tesla.md")

    assert told.lost_at == lost_at
    assert "page 3 has no text" in text_of(told, "ingest")
    assert states(told)["ingest"] == ("lost" if lost_at else "weak")


@pytest.mark.parametrize(
    ("filters", "culprit"),
    [
        (Filters(paths=("*.pdf",), media_types=("text/markdown",)), "*.pdf"),
        (Filters(after="2030-01-01"), "after:2030-01-01"),
        (Filters(headings=("Appendix",)), "Appendix"),
        (Filters(document_ids=("harbour.md",)), "document ids"),
        (Filters(also=(Filters(paths=("harbour.md",)),)), "harbour.md"),
    ],
)
def test_a_file_that_a_filter_excludes(library, filters, culprit):
    told = explain(library.beats(), Ask(BORN, "c", filters=filters), "tesla.md")

    assert told.lost_at == "filters"
    assert culprit in text_of(told, "filters")
    assert "text/markdown" not in told.advice


def test_a_filter_typed_in_the_question_counts(library):
    told = explain(library.beats(), Ask(f"file:harbour.md {BORN}", "c"), "tesla.md")

    assert told.lost_at == "filters"


def test_a_file_that_no_leg_finds(library):
    def others(leg):
        def found(collection, query, k, ids):
            return [hit for hit in leg(collection, query, k, ids) if hit.path != "harbour.md"]

        return found

    beats = library.beats(dense=others(library.dense), lexical=others(library.lexical))
    told = explain(beats, Ask(BORN, "c"), "harbour.md")

    assert told.lost_at == "fused"
    assert states(told)["dense"] == states(told)["lexical"] == "weak"
    assert "not found at all" in text_of(told, "dense")
    assert "lacks Nikola, Tesla" in text_of(told, "lexical")


def test_a_file_that_is_found_too_far_down(library):
    told = explain(library.beats(), Ask(BORN, "c", top_k=1), "harbour.md")

    assert told.lost_at == "fused"
    assert "rank 1 scores" in text_of(told, "fused")
    assert "raise --top-k to" in told.advice


def test_a_file_that_is_not_among_the_first_of_a_leg_is_measured_deeper(library):
    def shallow(leg):
        def found(collection, query, k, ids):
            return leg(collection, query, k, ids)[: 1 if ids is None else k]

        return found

    beats = library.beats(dense=shallow(library.dense), lexical=shallow(library.lexical))
    told = explain(beats, Ask(BORN, "c"), "harbour.md")

    assert "not among the first 1" in text_of(told, "dense")
    assert "score 0." in text_of(told, "dense")


def worst_first(question, texts):
    return [float("lighthouse" in text) - 0.01 * at for at, text in enumerate(texts)]


def test_a_file_that_the_reranker_puts_down(library, monkeypatch):
    def reranked(question, hits, rerank, share):
        return sorted(hits, key=lambda hit: hit.path == "tesla.md")

    monkeypatch.setattr("app.query.run.reranked", reranked)
    beats = library.beats(rerank=worst_first)
    told = explain(beats, Ask(BORN, "c", top_k=1), "tesla.md")

    assert told.lost_at == "rerank"
    assert "from rank 1 to" in text_of(told, "rerank")


def test_a_reranker_that_does_not_load_is_told(library):
    def rerank(question, texts):
        raise RerankerError("no such folder")

    told = explain(library.beats(rerank=rerank), Ask(BORN, "c"), "tesla.md")
    missed = explain(library.beats(rerank=rerank), Ask(BORN, "c", top_k=1), "harbour.md")

    assert told.lost_at == ""
    assert states(told)["rerank"] == "skipped"
    assert "no such folder" in text_of(told, "rerank")
    assert missed.lost_at == "rerank"


def test_a_file_that_says_what_another_says_too(library):
    library.texts["copy.md"] = library.texts["tesla.md"]

    told = explain(library.beats(), Ask(BORN, "c", top_k=4), "copy.md")
    first = explain(library.beats(), Ask(BORN, "c", top_k=4), "tesla.md")

    assert {told.lost_at, first.lost_at} == {"pack", ""}
    lost = told if told.lost_at else first
    assert "Another file says the same" in lost.advice


def test_a_file_for_which_there_is_no_room(library, says):
    beats = library.beats(says("x"), context_length=lambda model: 128)

    told = explain(beats, Ask(BORN, "c"), "tesla.md")

    assert told.lost_at == "pack"
    assert "OLLAMA_CONTEXT_LENGTH" in told.advice


def test_a_file_that_is_deleted_while_one_asks(library):
    texts = {path: text for path, text in library.texts.items() if path != "tesla.md"}

    told = explain(library.beats(text=texts.__getitem__), Ask(BORN, "c"), "tesla.md")

    assert told.lost_at == "pack"
    assert "deleted" in told.advice


def test_a_file_whose_question_is_refused(library):
    told = explain(library.beats(refusal_bar=lambda c: 1.0), Ask(BORN, "c"), "tesla.md")

    assert told.lost_at == "answer"
    assert "below the bar of 1.00" in text_of(told, "answer")


def test_a_file_that_is_read_and_not_cited(library, says):
    beats = library.beats(says("Nikola Tesla was born in Smiljan."))

    told = explain(beats, Ask(BORN, "c"), "harbour.md")

    assert told.lost_at == "cited"
    assert "file:harbour.md" in told.advice


def test_a_lost_file_costs_no_answer(library, says):
    chat = says("Nikola Tesla was born in Smiljan.")

    explain(library.beats(chat), Ask(BORN, "c", top_k=1), "harbour.md")

    assert chat.requests == []


def test_closing_an_explanation_ends_the_answer(library, says):
    chat = says("Nikola Tesla was born in Smiljan. " * 20)
    steps = explaining(library.beats(chat), Ask(BORN, "c"), "tesla.md")

    while not chat.n_characters_said:
        assert next(steps) is None
    steps.close()

    assert chat.is_closed
    assert chat.n_characters_said < 20


def test_what_cannot_be_asked_cannot_be_explained(library):
    with pytest.raises(EmptyQuestionError):
        explain(library.beats(), Ask(" ", "c"), "tesla.md")
    with pytest.raises(FilterError):
        explain(library.beats(), Ask("after:never why?", "c"), "tesla.md")


def test_words_that_stand_in_the_hits_are_told_from_those_that_do_not(library):
    hits = [hit for hit in library.hits() if hit.path in ("tesla.md", "上海.md")]

    assert words_of("虹桥站的厕所", hits) == (["虹桥站"], ["厕所"])
    assert words_of("Did Tesla build a lighthouse?", hits) == (["Tesla"], ["build", "lighthouse"])


def test_a_heading_deep_in_a_long_file_is_found(library):
    own = [hit for hit in library.hits() if hit.document_id == "tesla.md"]
    many = [replace(own[0], chunk_id=100 + n, headings=("Life",)) for n in range(80)]
    many.append(replace(own[0], chunk_id=999, headings=("Appendix",)))

    def leg(collection, query, k, document_ids):
        return many[:k]

    ask = Ask(BORN, "c", filters=Filters(headings=("Appendix",)))
    told = explain(library.beats(dense=leg, lexical=leg), ask, "tesla.md")

    assert told.lost_at != "filters"


def test_of_several_files_only_those_are_measured_that_the_filters_allow(library):
    ask = Ask(BORN, "c", filters=Filters(paths=("harbour.md",)))

    told = explain(library.beats(), ask, "*.md")

    assert "not found at all" in text_of(told, "lexical")
    assert "Tesla" not in text_of(told, "lexical").split("lacks")[0]


def test_every_filter_on_headings_is_named(library):
    filters = Filters(headings=("Life",), also=(Filters(headings=("Appendix",)),))

    told = explain(library.beats(), Ask(BORN, "c", filters=filters), "tesla.md")

    assert told.lost_at == "filters"
    assert "Life, Appendix" in told.advice


def test_what_a_model_cannot_answer_it_cannot_explain(library, says):
    def refuse(model):
        raise CapabilityError(model, "chat")

    beats = library.beats(says("Smiljan."), check_chat=refuse)

    with pytest.raises(CapabilityError):
        explain(beats, Ask(BORN, "c", model="minilm"), "tesla.md")


def test_of_a_chinese_question_the_words_that_stand_there_are_told():
    text = "员工入职满一年后享有带薪年假。"
    hit = Hit(1, "d", "考勤.md", "", None, (), 0, len(text), text, 1.0)

    assert words_of("员工每年有多少天年假？", [hit]) == (["员工", "年假"], ["每年", "天"])
    assert words_of("员工每年有多少天年假？", []) == ([], ["员工每年", "天年假"])


def test_a_heading_that_a_file_lacks_is_nowhere_said_to_allow_it(library):
    filters = Filters(headings=("Appendix",), paths=("*.md",))

    told = explain(library.beats(), Ask(BORN, "c", filters=filters), "tesla.md")

    assert not any("Appendix" in stage.text for stage in told.stages if stage.state == "passed")
    assert text_of(told, "filters") == "The filters allow it: path:*.md."
