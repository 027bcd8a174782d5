"""The documents page without a browser: jobs, watched folders, the index."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_api import migration, watched_folder
from tests.ui.test_pages import says
from ui.login import Who
from ui.state import Session
from ui.words import TABLE


def script():
    from ui.views import documents

    documents.show()


@pytest.fixture
def page(api):
    return opened(api)


def opened(address: str, language: str = "en", *, is_here: bool = True) -> AppTest:
    app = AppTest.from_function(script, default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    app.session_state["quire"] = Session(language, is_here=is_here)
    return app.run()


def job(world, *names: str, **more: object) -> str:
    """Let the server have a job with these files, each a byte long."""
    id_ = f"j{len(world.jobs) + 1}"
    plain = {"id": id_, "collection": "default", "state": "queued", "n_polls": 0, "errors": []}
    world.jobs[id_] = {**plain, "files": [(name, b"?") for name in names], **more}
    return id_


def pressed(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


def labels(page: AppTest) -> list[str]:
    return [one.label for one in page.button]


def test_a_key_that_may_only_read_is_offered_no_deletion(page):
    deletes = [one for one in page.button if (one.key or "").startswith("delete_")]
    assert deletes

    page.session_state["who"] = Who("in", "ann", is_locked=True, scopes=frozenset({"read"}))
    page.run()

    assert not [one for one in page.button if (one.key or "").startswith("delete_")]


def test_a_running_job_tells_pace_and_time_left_and_can_be_cancelled(api, world):
    id_ = job(world, "a.slow")
    page = opened(api)

    told = says(page)
    assert "12.3 passages/s · 1.2 MB/s · about 2 min left" in told
    assert "a\\.slow" in told

    pressed(page, f"cancel_{id_}")

    assert world.jobs[id_]["state"] == "done"
    assert "passages/s" not in says(page)
    assert not page.exception


def test_a_file_that_failed_is_told_with_its_reason_and_tried_again(api, world):
    id_ = job(world, "a.bad")
    page = opened(api)
    page.run()

    assert "no loader for \\.bad; try \\.txt" in says(page)

    pressed(page, f"again_{id_}_0")
    page.run()

    assert "no loader" not in says(page)
    assert "1 added" in says(page)
    assert not page.exception


def test_an_upload_that_ended_is_told_until_it_is_dismissed(page, world):
    id_ = job(world, "a.txt")
    page.session_state["quire"].job_ids.append(id_)
    for _ in range(3):
        page.run()

    assert [one.value for one in page.success] == ["1 added, 0 already there"]

    pressed(page, f"dismiss_{id_}")

    assert not page.success
    assert page.session_state["quire"].job_ids == []


def test_a_cancelled_upload_does_not_say_that_nothing_was_added(page, world):
    id_ = job(world, "a.txt", "b.slow", state="failed", message="cancelled", n_done=1)
    page.session_state["quire"].job_ids.append(id_)
    page.run()

    assert [one.value for one in page.success] == ["1 added, 0 already there · cancelled"]
    assert not page.error


def test_a_job_that_the_server_has_forgotten_is_followed_no_more(page):
    page.session_state["quire"].job_ids.append("gone")
    page.run()

    assert page.session_state["quire"].job_ids == []
    assert not page.error


def test_without_a_watched_folder_it_is_said_what_to_do(page):
    assert "No folder is watched yet. Name one below" in says(page)
    assert "Watch this folder" in labels(page)


def test_a_folder_is_added_and_a_wrong_one_refused_in_words(page, world):
    page.text_input(key="folder").set_value("papers")
    submit = next(one for one in page.button if one.label == "Watch this folder")
    submit.click().run()
    assert "is not an absolute path" in page.error[0].value

    page.text_input(key="folder").set_value(" /home/ann/papers ")
    next(one for one in page.button if one.label == "Watch this folder").click().run()

    assert [one["folder"] for one in world.watched] == ["/home/ann/papers"]
    assert "/home/ann/papers" in says(page)
    assert not page.error


def test_deletions_that_are_held_back_are_confirmed_in_two_steps(api, world):
    world.watched = [watched_folder("/home/ann/papers", state="needs confirmation", n_held=812)]
    page = opened(api)
    assert sum("812" in one.value for one in page.warning) == 2

    pressed(page, "confirm_0")

    assert "Take them out" in labels(page)
    assert world.done == []
    assert not page.exception


def test_the_end_of_a_watch_is_asked_for_and_documents_stay_unless_that_is_said(api, world):
    world.watched = [watched_folder("/home/ann/a")]
    page = opened(api)

    pressed(page, "unwatch_0")

    assert page.checkbox(key="unwatch_forget").value is False
    assert world.done == []


def test_a_browser_elsewhere_cannot_name_folders_of_this_machine(api):
    page = opened(api, is_here=False)

    assert "only from the machine on which Quire runs" in says(page)
    assert "Watch this folder" not in labels(page)


def test_why_a_folder_is_polled_and_when_it_was_read_last_is_said(api, world):
    world.watched = [
        watched_folder(
            "/mnt/nas",
            is_polling=True,
            reason="nfs4 reports no events",
            synced_at="2026-11-20T10:05:00+00:00",
        ),
        watched_folder("/mnt/usb", state="missing", reason="/mnt/usb is not there"),
    ]

    told = says(opened(api))

    assert "does not report changes" in told
    assert "nfs4 reports no events" in told
    assert "last read 2026-11-20 10:05" in told
    assert "mount it again" in told


def test_a_server_without_migrations_and_index_is_no_error(page):
    assert "`quire migrate --to MODEL`" in says(page)
    assert "does not tell how its index stands" in says(page)
    assert not page.error
    assert not page.exception


def test_a_migration_is_told_and_reverted_in_two_steps(api, world):
    world.migrations = [migration(), migration(collection="notes", state="done", can_revert=True)]
    page = opened(api)
    assert "The new model is in use" in says(page)

    pressed(page, "revert_1")

    assert page.button(key="revert_yes").label == "Go back"
    assert world.done == []


def test_the_index_is_tidied_and_rebuilt(api, world):
    world.index = {"is_done": False, "failed": False, "n_texts": 2, "n_index": 1}
    page = opened(api)
    assert "being wiped from the disk" in says(page)
    assert "tidied 2×, index rebuilt 1×" in says(page)

    pressed(page, "compact")
    pressed(page, "rebuild")

    assert world.done == ["compact", "rebuild"]


def test_warnings_of_a_document_are_shown_and_the_rest_is_counted(api, world):
    world.documents["d1"]["warnings"] = ["<b>white</b> text: 'buy now'", "two", "three", "four"]

    told = says(opened(api))

    assert "white" in told
    assert "<b>" not in told
    assert "1 more: see the preview" in told


def test_a_server_that_goes_away_leaves_no_traceback(closed_address):
    page = opened(closed_address)

    assert "does not answer" in page.error[0].value
    assert not page.exception


def test_every_state_is_told_in_chinese(api, world):
    states = ("starting", "watching", "needs confirmation", "missing", "unreadable", "stopped")
    world.watched = [watched_folder(f"/home/{n}", state=one) for n, one in enumerate(states)]
    world.migrations = [migration(state=one) for one in ("running", "waiting", "done", "failed")]
    world.index = {"is_done": True, "failed": "disk full", "n_texts": 1, "n_index": 1}
    job(world, "a.slow")

    page = opened(api, "zh")

    assert not page.exception
    told = says(page)
    english = {en for en, _ in TABLE.values() if len(en) > 12 and "{" not in en}
    assert not [one for one in english if one in told]
