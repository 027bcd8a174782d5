"""The page of the server's state without a browser."""

import math
import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import ROOT
from tests.ui.fake_status import FINDINGS, KEY, LOGS, metrics_text
from ui.errors import RefusedError
from ui.models_metrics import figures_from
from ui.status_figures import (
    N_KEPT,
    Sample,
    added,
    by_route,
    medians,
    quantile,
    rates,
    recent,
    sample_of,
    seconds_short,
    spark_html,
    tile_html,
)
from ui.status_shapes import findings_from, health_from, keys_from
from ui.status_words import STATUS


def opened(address: str, script: str = "from ui.views import status\nstatus.show()\n") -> AppTest:
    app = AppTest.from_string("import streamlit as st\n" + script, default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    return app.run()


@pytest.fixture
def page(api):
    """Open the page at any state of the world."""
    return lambda: opened(api)


def says(page: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "error", "warning", "success")
    return "\n".join(one.value for kind in (*kinds, "html", "code") for one in page.get(kind))


def test_readiness_speed_memory_and_disk_are_told(page, world):
    world.metrics = metrics_text()

    app = page()

    assert not app.exception
    told = says(app)
    assert "Ready: questions can be answered" in told
    assert "1 of 4 slots" in told
    assert "812 MB" in told
    assert "prefix cache 12.0 MB" in told
    assert "40.0 GB free" in told
    assert "models 320 MB" in told
    assert "/kb/query" in told
    assert "550 ms" not in told  # half of a hundred lie within 100 ms
    assert "100 ms" in told


def test_rates_come_with_the_second_look(page, world):
    world.metrics = metrics_text(n=100)
    app = page()
    assert "0.0 tokens/s" in says(app)
    world.metrics = metrics_text(n=200)

    app.run()

    assert not re.search(r"(?<![\d,])0\.0 tokens/s", says(app))  # 120.0 may well be
    assert "polygon(" in says(app)


def test_what_keeps_the_server_from_being_ready_is_told(page, world):
    world.lock = {"reason": "the models folder cannot be read"}

    assert "Not ready: the models folder cannot be read" in says(page())


def test_a_server_that_is_gone_is_told_with_a_retry(closed_address):
    app = opened(closed_address)

    assert "does not answer" in app.error[0].value
    assert app.button(key="retry_status").label == "Try again"


def test_a_server_without_logs_keys_and_doctor_shows_none(page):
    app = page()

    assert "Last warnings" not in says(app)
    assert "Keys" not in says(app)
    app.button(key="doctor").click().run()
    assert "no doctor to ask" in says(app)
    assert not app.exception


def test_the_log_shows_as_plain_text(page, world):
    world.lock = {"logs": LOGS}

    told = says(page())

    assert "load_failed" in told
    assert "<script>" not in told
    assert "3 times" in told


def test_an_empty_log_says_so(page, world):
    world.lock = {"logs": []}

    assert "None since Quire was started" in says(page())


def test_the_doctor_names_the_worst_first_with_its_cure(page, world):
    world.lock = {"findings": FINDINGS}
    app = page()

    app.button(key="doctor").click().run()

    told = says(app)
    assert "1 errors, 1 warnings" in told
    assert told.index("lags behind") < told.index("Two cores only")
    assert "small chat model" in told


def test_a_key_is_made_and_shown_once(page, world):
    world.lock = {"keys": [KEY]}
    app = page()
    assert "Ann&#x27;s &lt;b&gt;laptop&lt;/b&gt;" in says(app)
    app.text_input(key="key_name").set_value("A script")

    submit(app).click().run()

    assert world.done == ["key A script read,ask"]
    assert app.code[0].value == "qk_made-only-once"
    app.button(key="key_seen").click().run()
    assert "qk_made-only-once" not in says(app)
    assert not app.exception


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [
        ("", ["read"], "for whom or what"),
        ("   ", ["read"], "for whom or what"),
        ("x", [], "what the key may do"),
    ],
)
def test_a_key_without_name_or_scope_is_not_made(page, world, name, scopes, said):
    world.lock = {"keys": []}
    app = page()
    app.text_input(key="key_name").set_value(name)
    app.multiselect(key="key_scopes").set_value(scopes)

    submit(app).click().run()

    assert said in says(app)
    assert world.done == []


def test_revoking_asks_first(api, world):
    world.lock = {"keys": [dict(KEY)]}
    script = "from ui.status_shapes import Key\nfrom ui.views.keys import revoke\n"
    script += "from ui.state import session\nrevoke(Key('k1', 'Ann'), session().words)\n"
    app = opened(api, script)
    assert "refused from now on" in says(app)
    assert world.done == []

    app.button(key="revoke_confirm").click().run()

    assert world.done == ["revoke k1"]


def submit(app: AppTest):
    return next(one for one in app.button if one.label == "Make a key")


def test_the_page_speaks_chinese(page, world):
    world.metrics = metrics_text()
    app = page()
    app.session_state["quire"].language = "zh"

    app.run()

    assert app.title[0].value == "运行状态"
    assert "生成速度" in says(app)


def test_every_sentence_of_the_page_is_used():
    files = [one for one in (ROOT / "ui").rglob("*.py") if one.name != "status_words.py"]
    source = "".join(one.read_text(encoding="utf-8") for one in files)

    said = set(re.findall(r"[\"'](\w+)(?=[\"'])", source))
    assert STATUS.keys() - said <= {key for key in STATUS if key.startswith("scope_")}


# -- pure ---------------------------------------------------------------------------------------


def test_a_sample_leaves_out_what_the_page_asks_itself():
    text = metrics_text() + 'quire_http_requests_total{route="/metrics",status="200"} 900\n'

    assert sample_of(figures_from(text), 0.0).n_requests == 100


def test_rates_are_over_the_last_seconds():
    samples = [Sample(at, n_tokens=10 * at) for at in (0.0, 3.0, 6.0, 60.0)]

    assert rates(samples, "n_tokens") == pytest.approx([0.0, 10.0, 10.0, 0.0])


def test_samples_are_bounded_and_begin_anew_with_another_process():
    samples: list[Sample] = []
    for at in range(N_KEPT + 50):
        samples = added(samples, Sample(float(at), n_requests=float(at)))

    assert len(samples) == N_KEPT
    assert added(samples, Sample(999.0, n_requests=1.0)) == [Sample(999.0, n_requests=1.0)]


@pytest.mark.parametrize(
    ("buckets", "share", "seconds"),
    [
        ({}, 0.5, None),
        ({1.0: 0.0, float("inf"): 0.0}, 0.5, None),
        ({1.0: 10.0, float("inf"): 10.0}, 0.5, 0.5),
        ({0.1: 50.0, 1.0: 100.0, float("inf"): 100.0}, 0.75, 0.55),
        ({1.0: 5.0, float("inf"): 10.0}, 0.95, 1.0),
    ],
)
def test_a_quantile_is_estimated_from_buckets(buckets, share, seconds):
    assert quantile(buckets, share) == (seconds if seconds is None else pytest.approx(seconds))


def test_latency_is_that_of_what_was_watched_if_there_was_any():
    end = float("inf")
    first, last = (
        Sample(0.0, buckets={1.0: 5.0, end: 5.0}),
        Sample(3.0, buckets={1.0: 6.0, end: 9.0}),
    )

    assert recent([first, last]) == {1.0: 1.0, end: 4.0}
    assert recent([first, first]) == first.buckets
    assert recent([]) == {}


def test_routes_are_listed_by_use_with_their_failures():
    text = metrics_text()
    text += 'quire_http_requests_total{method="POST",route="/api/chat",status="503"} 7\n'

    assert [(one.route, one.n, one.n_failed) for one in by_route(figures_from(text))] == [
        ("/kb/query", 100, 0),
        ("/api/chat", 7, 7),
    ]


@pytest.mark.parametrize(("s", "told"), [(None, "–"), (0.0123, "12 ms"), (1.44, "1.4 s")])
def test_short_times(s, told):
    assert seconds_short(s) == told


def test_a_line_stays_within_its_frame():
    points = re.findall(r"([\d.-]+)% ([\d.-]+)%", spark_html([0.0, 5.0, -1.0], "<x>"))

    assert len(points) == 5
    assert all(0 <= float(one) <= 100 for point in points for one in point)
    assert "<x>" not in spark_html([1.0, 2.0], "<x>")
    assert re.findall(r"([\d.]+)% 96", spark_html([1.0], "x")) == ["0.0", "100.0"]  # a first look


def test_a_key_that_may_not_see_jobs_still_sees_how_the_server_is(api, monkeypatch):
    def refuse(*_):
        raise RefusedError(403, "this needs the scope read or ingest; it has ask")

    monkeypatch.setattr("ui.client.Client.jobs", refuse)
    page = opened(api)

    assert not page.error
    assert "q-tiles" in "".join(one.value for one in page.get("html"))


@pytest.mark.parametrize(("share", "width"), [(0.25, "25.0%"), (-1.0, "0.0%"), (7.0, "100.0%")])
def test_a_share_is_a_bar_that_stays_within_its_tile(share, width):
    assert f"--used:{width}" in tile_html("Disk", "1 GB", "", share=share)


def test_usual_times_are_told_between_looks_and_nothing_where_nothing_was_asked():
    looks = [
        Sample(0, buckets={0.1: 5, 1.0: 5, math.inf: 5}),
        Sample(3, buckets={0.1: 15, 1.0: 15, math.inf: 15}),
        Sample(6, buckets={0.1: 15, 1.0: 15, math.inf: 15}),
        Sample(9, buckets={0.1: 15, 1.0: 25, math.inf: 25}),
    ]
    assert medians(looks) == pytest.approx([0, 0.05, 0, 0.55])


def test_what_a_server_leaves_out_or_adds_is_no_error():
    assert health_from({}, {}).ready is False
    assert health_from({}, {"ready": False, "reasons": ["a", "b"]}).reason == "a; b"
    assert keys_from({}) == []
    assert findings_from({"findings": FINDINGS})[0].level == "error"
    assert findings_from("odd") == []
    assert [one.level for one in findings_from([{"level": "warn"}, {}])] == ["error", "warning"]
