"""The page of exams without a browser."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import ROOT
from tests.ui.fake_exams import a_run, exam
from ui.exam_charts import Changes, changes, chart_rows, interval_chart
from ui.exam_shapes import Figure, Miss, Run, comparison_from, exam_from, whole_from
from ui.exam_words import EXAM


def opened(address: str) -> AppTest:
    script = "import streamlit as st\nfrom ui.views import evaluate\nevaluate.show()\n"
    app = AppTest.from_string(script, default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    return app.run()


@pytest.fixture
def page(api):
    """Open the page at any state of the world."""
    return lambda: opened(api)


def says(page: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "error", "warning", "success", "html")
    return "\n".join(one.value for kind in kinds for one in page.get(kind))


def test_without_an_exam_the_page_says_what_to_do_and_makes_one(page, world):
    app = page()
    assert "No exam yet" in says(app)

    app.button(key="make_exam").click().run()

    assert not app.exception
    assert world.done == ["make default 200"]
    assert "200 questions" in says(app)
    assert "Not taken yet" in says(app)


def test_without_documents_it_points_to_them(page, world):
    world.documents.clear()

    assert "Add some first" in says(page())


def test_a_server_that_is_gone_is_told_with_a_retry(closed_address):
    app = opened(closed_address)

    assert "does not answer" in app.error[0].value
    assert app.button(key="retry_exams").label == "Try again"


def test_an_exam_is_taken_with_progress_and_shows_its_figures(page, world):
    world.exams = [exam()]
    app = page()

    app.button(key="take").click().run()
    assert world.done == ["take 20 False"]
    assert app.button(key="cancel_r1").label == "Cancel"
    for _ in range(6):
        app.run()

    assert not app.exception
    assert "Found first" in says(app)
    assert "77.1 %" in says(app)  # of the first run


def test_a_run_is_cancelled(page, world):
    world.exams, world.runs = [exam()], [a_run("r1", state="running", n_done=0, n_cases=9_000)]
    app = page()

    app.button(key="cancel_r1").click().run()

    assert world.done == ["cancel r1"]
    assert not app.exception


def test_two_runs_are_compared_with_findings_and_what_changed(page, world):
    world.exams, world.runs = [exam()], [a_run("r2"), a_run("r1")]

    told = says(page())

    assert "+7.1 %" in told
    assert "better" in told
    assert "no difference shown" in told
    assert "all\\-minilm" in told
    assert "bge\\-m3" in told
    assert "confidence of 0.31" in told
    assert "Who approves flights?" in told.replace("\\", "")
    assert "was: found late" in told


def test_one_run_alone_is_shown_when_nothing_is_to_be_compared(page, world):
    world.exams, world.runs = [exam()], [a_run("r2"), a_run("r1")]
    app = page()

    app.selectbox(key="run_before").set_value("").run()

    assert not app.exception
    assert "95 % interval" in says(app)
    assert "better" not in says(app)


def test_misses_show_what_was_wanted_and_what_was_found_as_plain_text(page, world):
    world.exams, world.runs = [exam()], [a_run("r1")]

    app = page()

    assert "What went wrong (2)" in says(app)
    assert "until the end of March" in says(app)
    assert "travel.md, 10–240" in says(app)
    assert "<b>leave</b>" not in says(app)
    assert any("not found" in one.label for one in app.expander)


def test_stale_questions_and_failed_runs_are_told(page, world):
    world.exams = [exam(n_stale=7)]
    world.runs = [a_run("r1", state="failed", message="collection 'default' is gone")]

    told = says(page())

    assert "7 questions have lost their document" in told
    assert "The last run failed" in told


def test_a_question_of_ones_own_is_added_or_refused(page, world):
    world.exams = [exam()]
    app = page()
    app.text_input(key="own_ask").set_value("Who?")
    app.text_input(key="own_file").set_value("nothing.md")
    app.button[0].click().run()
    assert "That did not work: no document" in says(app)

    app.text_input(key="own_ask").set_value("Who?")
    app.text_input(key="own_file").set_value("handbook.md")
    app.button[0].click().run()

    assert world.done == ["case Who?"]
    assert not app.exception


def test_the_reranker_is_judged_only_where_there_is_one(page, world):
    world.exams = [exam()]
    assert "judge" not in {one.key for one in page().button}
    world.reranker = "some/reranker"
    app = page()

    app.button(key="judge").click().run()

    assert world.done == ["take 0 True"]


def test_an_exam_is_deleted(page, world):
    world.exams, world.runs = [exam()], [a_run("r1")]
    app = page()

    app.button(key="delete_exam").click().run()

    assert "No exam yet" in says(app)


def test_the_page_speaks_chinese(page, world):
    world.exams, world.runs = [exam()], [a_run("r2"), a_run("r1")]
    app = page()
    app.session_state["quire"].language = "zh"

    app.run()

    assert app.title[0].value == "检索效果如何？"
    assert "首位命中" in says(app)


def test_every_sentence_of_the_page_is_used():
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "ui").rglob("*.py")
        if path.name != "exam_words.py"
    )

    said = set(re.findall(r"[\"'](\w+)(?=[\"'])", source))
    assert EXAM.keys() <= said


def test_what_a_server_leaves_out_or_adds_is_no_error():
    assert exam_from({"id": "e", "new": 1}).n_cases == 0
    assert whole_from({}).run == Run("")
    assert whole_from({"verdict": {"bar": None}}).bar is None
    found = comparison_from({"settings": {"a": ["1", "2"], "b": "odd"}})
    assert found.settings == {"a": ("1", "2")}


def test_questions_that_changed_sides_are_told_apart():
    both, late, lost = Miss("not found", "a"), Miss("found late", "b"), Miss("not found", "b")

    assert changes([both], [both]) == Changes()
    assert changes([both, late], [both]) == Changes(mended=(late,))
    assert changes([], [both]) == Changes(broken=(both,))
    assert changes([late], [lost]) == Changes(other=((late, lost),))


def test_the_chart_has_every_share_with_its_interval():
    figures = {"hit@1": Figure(0.5, -0.1, 1.2, 9), "latency p50 ms": Figure(20.0)}

    rows = chart_rows({"before": figures, "after": figures}, {"hit@1": "First", "gone": "?"})
    drawn = interval_chart(rows, value="v", interval="i").to_dict()

    assert [(one["run"], one["low"], one["high"]) for one in rows] == [
        ("before", 0.0, 100.0),
        ("after", 0.0, 100.0),
    ]
    assert len(drawn["layer"]) == 2
    assert "url" not in str(drawn["layer"])
    assert "url" not in drawn.get("data", {})
