"""The page of models without a browser."""

import re
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import ROOT
from tests.ui.fake_models import (
    CHAT,
    EMBEDDING,
    a_pull,
    collection_tag,
    embedding_tag,
    running,
    tag,
)
from ui.models_format import (
    bar_html,
    fit_text,
    names_text,
    pull_text,
    setting_line,
    shown_first,
    uses_of,
)
from ui.models_metrics import figures_from, memory_by_device
from ui.models_shapes import (
    Known,
    Machine,
    Roles,
    Running,
    Share,
    cost_from,
    installed_from,
    placement_from,
    pull_from,
    roles_from,
    same,
)
from ui.models_words import MODELS
from ui.words import Words

EN = Words("en")


def opened(address: str) -> AppTest:
    script = "import streamlit as st\nfrom ui.views import models\nmodels.show()\n"
    app = AppTest.from_string(script, default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    return app.run()


def dialog(address: str, call: str) -> AppTest:
    """Open one dialog by itself: a click in it does not run what opened it."""
    script = f"""import streamlit as st
from ui.models_client import ModelsClient
from ui.state import api_url, session
from ui.views.models_dialogs import *
with ModelsClient(api_url()) as client:
    installed, roles = st.session_state.setdefault("seen", (client.installed(), client.roles()))
{call}
"""
    app = AppTest.from_string(script, default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    return app.run()


def deleting(address: str, at: int) -> AppTest:
    return dialog(address, f"delete_model(installed[{at}], roles, session().words)")


@pytest.fixture
def page(api):
    """Open the page at any state of the world."""
    return lambda: opened(api)


def says(page: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "error", "warning", "success")
    told = [one.value for kind in (*kinds, "html", "code") for one in page.get(kind)]
    return "\n".join([*told, *(one.label for one in page.expander)])


def test_roles_memory_and_installed_models_are_told(page, world):
    world.running = [running()]

    app = page()

    assert not app.exception
    told = says(app)
    assert "Installed (2, 317 MB)" in told
    assert "134\\.52M" in told
    assert "4,096 tokens of context" in told
    assert "answers 4 at once" in told
    assert "1 running" in told
    assert "weights 270 MB" in told
    assert "kb/default" not in told


def test_a_server_that_is_gone_is_told_with_a_retry(closed_address):
    app = opened(closed_address)

    assert "does not answer" in app.error[0].value
    assert app.button(key="retry_models").label == "Try again"


def test_without_models_the_page_says_what_to_do(page, world):
    world.models, world.more_status = [], {"models": {"chat": {"name": ""}}}

    told = says(page())

    assert "No model is installed" in told
    assert "the documents speak in their own words" in told
    assert "No model is in memory" in told


def test_a_model_is_loaded_and_unloaded(page, world):
    app = page()
    app.button(key="load_0").click().run()
    assert world.done == [f"load {CHAT}"]

    app.button(key="eject_0").click().run()

    assert world.done[-1] == f"unload {CHAT}"
    assert not app.exception
    assert app.toast[0].value.startswith("smollm2")


def test_an_embedding_model_is_loaded_by_its_own_verb(page, world):
    app = page()

    app.button(key="load_1").click().run()

    assert world.done == [f"load {EMBEDDING}"]


def test_deleting_asks_first_and_says_who_uses_the_model(api, page, world):
    opener = page()
    opener.button(key="delete_0").click().run()
    assert "It answers the questions now" in says(opener)

    app = deleting(api, 0)
    assert "frees up to 271 MB" in says(app)
    assert world.done == []
    app.button(key="delete_confirm").click().run()

    assert world.done == [f"delete {CHAT}"]
    told = says(page())
    assert "Installed (1" in told
    assert "not installed any more" in told


def test_the_model_that_searches_cannot_be_deleted(api, world):
    held = {"name": "papers", "model": EMBEDDING, "n_chunks": 3}
    world.more_status = {"collections": [held], "n_chunks": 3}

    app = deleting(api, 1)

    assert "cannot be deleted" in app.error[0].value
    assert "papers" in app.error[0].value
    assert "delete_confirm" not in {one.key for one in app.button}


def test_a_model_deleted_meanwhile_is_told(api, world):
    world.models = [tag("extra:1b"), *world.models]
    app = deleting(api, 0)
    world.models = world.models[1:]

    app.button(key="delete_confirm").click().run()

    assert "extra" in app.error[0].value
    assert not app.exception


@pytest.mark.parametrize(
    ("name", "said"),
    [("mine", ""), ("", "Give the new model a name"), ("/x", "invalid model name")],
)
def test_a_model_is_copied_or_the_name_refused(api, world, name, said):
    app = dialog(api, "copy_model(installed[0], session().words)")
    app.text_input(key="copy_name").set_value(name)

    submit(app, "Copy").click().run()

    assert world.done == ([] if said else [f"copy {CHAT} mine"])
    assert said in says(app)
    assert not app.exception


def test_the_placement_is_explained(page, world):
    app = page()

    app.button(key="where_0").click().run()

    assert "4,096 tokens of context, 4 at once" in says(app)
    assert "this build sees no GPU" in says(app)


def test_another_chat_model_is_a_setting_with_its_exact_line(page, world):
    world.models = [*world.models, tag("qwen2.5:1.5b")]
    app = page()

    app.button(key="change_chat").click().run()

    assert app.code[-1].value == 'QUIRE_CHAT_MODEL = "qwen2.5:1.5b"'
    assert "/home/ann/.quire/quire.toml" in says(app)
    assert "Costs nothing" in says(app)


def test_without_another_model_a_role_says_so(page):
    app = page()

    app.button(key="change_reranker").click().run()

    assert "No other model for this is installed" in says(app)


def test_another_embedding_model_is_measured_and_begun(api, world):
    world.models = [*world.models, embedding_tag("bge-m3:latest")]
    world.more_status = {"n_chunks": 12_000}
    app = dialog(api, "change_role('embedding', roles, installed, session().words)")
    assert "12,000 passages" in says(app)

    app.button(key="measure").click().run()
    assert "About 5 min: 40.0 passages a second" in says(app)
    app.button(key="migrate").click().run()

    assert world.done == ["migrate bge-m3:latest"]


def test_what_suits_the_machine_comes_with_size_and_fit(page):
    app = page()
    told = says(app)

    assert "8\\.0 GB of memory, 2 cores, no GPU in use" in told
    assert "our choice for this machine" in told
    assert "runs on the processor · needs 1.5 GB" in told
    assert "llama3.1:8b" not in told

    app.toggle(key="get_all").set_value(True).run()

    assert "does not fit" in says(app)
    assert "licence with conditions" in says(app)


def test_a_pull_is_begun_shows_its_progress_and_ends(page, world):
    app = page()

    app.button(key="get_qwen2.5:1.5b").click().run()
    assert world.done == ["pull qwen2.5:1.5b"]
    assert app.button(key="end_p1").label == "Cancel"
    for _ in range(6):
        app.run()

    assert not app.exception
    assert "is installed" in says(app)
    app.button(key="dismiss_p1").click().run()
    assert world.pulls == []


def test_a_pull_is_cancelled_and_says_that_it_can_go_on(page, world):
    world.pulls = [a_pull("p1", is_stuck=True)]
    app = page()

    app.button(key="end_p1").click().run()

    assert world.done == ["end p1"]
    assert "goes on from there" in says(app)


def test_a_registry_out_of_reach_is_told_kindly(page, world):
    app = page()
    app.text_input(key="pull_name").set_value("far/away")
    submit(app, "Pull").click().run()

    assert "cannot be reached from this machine" in says(app)
    assert not app.exception


@pytest.mark.parametrize(
    "name", ["", "   ", "<script>alert(1)</script> x", "\u202eabc\x00 d", "x y" * 100]
)
def test_hostile_names_are_refused_with_words(page, world, name):
    app = page()
    app.text_input(key="pull_name").set_value(name)

    submit(app, "Pull").click().run()

    assert not app.exception
    assert world.pulls == []
    assert "first" in says(app) or "invalid model name" in says(app)
    assert "<script>" not in "".join(one.value for one in app.get("html"))


def submit(app: AppTest, label: str):
    return next(one for one in app.button if one.label == label and "FormSubmitter" in one.key)


def test_mistakes_in_a_modelfile_are_shown_at_their_line(page, world):
    app = page()
    app.text_area(key="create_text").set_value("FROM smollm2:135m\nPARAMETER warmth <b>1</b>")

    app.button(key="create_check").click().run()

    assert "Line 2: unknown parameter" in app.error[0].value
    assert "PARAMETER warmth &lt;b&gt;" in says(app)
    assert world.done == []


def test_a_model_is_created(page, world):
    app = page()
    app.text_area(key="create_text").set_value("FROM smollm2:135m")
    app.button(key="create_do").click().run()
    assert "Give the new model a name" in says(app)
    app.text_input(key="create_name").set_value("mine")

    app.button(key="create_do").click().run()

    assert world.done == ["create mine from smollm2:135m"]
    assert app.toast[0].value == "mine is created."


@pytest.mark.parametrize("name", ["bad name", "break"])
def test_a_creation_that_fails_says_why(page, name):
    app = page()
    app.text_area(key="create_text").set_value("FROM smollm2:135m")
    app.text_input(key="create_name").set_value(name)

    app.button(key="create_do").click().run()

    assert not app.exception
    assert "invalid model name" in says(app) or "the disk is full" in says(app)


def test_an_empty_modelfile_is_told(page):
    app = page()

    app.button(key="create_do").click().run()

    assert "no FROM line" in says(app)


def test_the_page_speaks_chinese(page):
    app = page()
    app.session_state["quire"].language = "zh"

    app.run()

    assert app.title[0].value == "模型"
    assert "由处理器运行" in says(app)


def test_every_sentence_of_the_page_is_used():
    files = [one for one in (ROOT / "ui").rglob("*.py") if one.name != "models_words.py"]
    source = "".join(one.read_text(encoding="utf-8") for one in files)
    made_up = ("role_", "can_", "change_", "fit_", "kind_", "part_", "in_use_")

    said = set(re.findall(r"[\"'](\w+)(?=[\"'])", source))
    assert MODELS.keys() - said <= {key for key in MODELS if key.startswith(made_up)}


# -- pure ---------------------------------------------------------------------------------------


def test_what_a_server_leaves_out_or_adds_is_no_error():
    assert installed_from({"models": [{"name": "a", "new": 1}]})[0].size == 0
    assert installed_from({"models": [collection_tag()]}) == []
    assert roles_from({}) == Roles()
    assert placement_from({}).shares == ()
    assert cost_from({}).eta_s is None
    assert pull_from({}).share == 0


def test_a_reranker_is_told_from_an_embedding_model_by_its_name():
    (found,) = installed_from({"models": [tag("bge-reranker", capabilities=["embedding"])]})

    assert found.capabilities == ("rerank",)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [("a", "a:latest", True), ("A:x", "a:x", True), ("a:x", "a:y", False), ("", "", False)],
)
def test_names_are_compared(one, other, is_same):
    assert same(one, other) is is_same


@pytest.mark.parametrize(
    ("expires", "left"),
    [("2026-11-20T10:05:00+00:00", 300.0), ("2026-11-20T09:00:00+00:00", 0.0)]
    + [("2318-01-01T00:00:00+00:00", None), ("", None), ("soon", None), ("2026-11-20", None)],
)
def test_it_is_known_when_a_model_leaves(expires, left):
    now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

    assert Running("a", expires_at=expires).left_s(now) == left


def test_uses_name_the_collections():
    roles = Roles("chat", "e", "", by_collection=(("a", "e:latest", 3), ("b", "x", 1)))

    assert uses_of("e", roles, EN) == ["searches a"]
    assert uses_of("chat:latest", roles, EN) == ["answers questions"]
    assert uses_of("other", roles, EN) == []
    assert names_text(["a", "b", "c", "d"]) == "a, b, c + 1"


@pytest.mark.parametrize(
    ("known", "disk", "said"),
    [
        (Known("a", fit="memory", need_bytes=1_500_000_000), 10, "runs on the processor"),
        (Known("a", fit="none"), 10, "does not fit"),
        (Known("a", fit="gpu", size_bytes=20), 10, "not enough disk"),
        (Known("a", fit="gpu", size_bytes=20), 30, "fits on the GPU"),
        (Known("a", fit="odd"), 30, "does not fit"),
    ],
)
def test_fit_is_told(known, disk, said):
    machine = Machine(memory_bytes=1, models_disk_free_bytes=disk)

    assert said in fit_text(known, machine, EN)


def test_our_choice_comes_first_then_the_largest_that_fits():
    known = [
        Known("small", fit="gpu", size_bytes=1),
        Known("huge", fit="none", size_bytes=9),
        Known("best", fit="gpu", size_bytes=2, is_advised=True),
        Known("large", fit="gpu", size_bytes=3),
    ]

    assert [one.name for one in shown_first(known, is_all=False)] == ["best", "large", "small"]
    assert shown_first(known, is_all=True)[-1].name == "huge"
    slow = Known("slow", fit="memory", is_slow=True)
    assert slow not in shown_first([slow], is_all=False)
    assert "slowly" in fit_text(slow, Machine(), EN)


@pytest.mark.parametrize(
    ("pull", "said"),
    [
        ({}, "asking the registry"),
        ({"total_bytes": 10, "done_bytes": 10}, "checking what came"),
        (a_pull("p"), "247 MB of 986 MB · 12.3 MB/s"),
        (a_pull("p"), "1 min left"),
        (a_pull("p"), "2 files"),
        (a_pull("p", eta_s=None, bytes_per_s=0.0), "247 MB of 986 MB · 0 B/s"),
    ],
)
def test_a_pull_is_told(pull, said):
    assert said in pull_text(pull_from(pull), EN)


def test_a_bar_escapes_its_label_and_never_overflows():
    told = bar_html([Share("CPU", 10, 20, 0)], 5, EN, label="<b>")

    assert "<b>" not in told
    widths = [float(one) for one in re.findall(r"width:([\d.]+)%", told)]
    assert sum(widths) == pytest.approx(100, abs=0.1)


def test_a_setting_is_written_as_toml():
    assert setting_line("A", 'x"y\\z') == 'A = "x\\"y\\\\z"'


def test_figures_are_read_as_far_as_they_can_be():
    figures = figures_from('# TYPE a gauge\na{x="1"} 2\na{x="2"} 3\nnot a line at all {{{\n')

    assert figures.total("a") in (0.0, 5.0)
    assert figures_from("").values == {}
    text = 'quire_model_memory_bytes{device="CPU",model="m",part="cache"} 7\n'
    assert memory_by_device(figures_from(text), "m") == {"CPU": {"cache": 7.0}}
