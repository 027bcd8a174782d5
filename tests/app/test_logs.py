"""Every record of every part in one form, without secrets; text for people, JSON for machines."""

import io
import json
import logging

import pytest

from app.access.caller import Caller, Facts, handling
from app.log_ring import RING
from app.logs import FIELDS, OURS, set_up

SECRET = "s3cr3tValueThatNobodyMaySee0123456789abcdefg"
HOSTILE = f"x\n12:00:00 error: forged qk_abcdefgh_{SECRET}"


@pytest.fixture
def written():
    """Set logging up as asked; give what was written; put everything back."""
    root = logging.getLogger()
    before = (
        root.level,
        list(root.handlers),
        {name: logging.getLogger(name).level for name in OURS},
    )
    out = io.StringIO()

    def begin(level="info", form="json"):
        set_up(level, form, out)
        return out

    yield begin
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def records(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_record_of_any_part_becomes_one_json_object(written):
    out = written()

    logging.getLogger("ingest.jobs").warning("job_failed id=%s", 5)
    logging.getLogger("quire.requests").info("request", extra={FIELDS: {"status": 200}})

    first, second = records(out)
    assert (first["event"], first["level"], first["logger"]) == (
        "job_failed id=5",
        "warning",
        "ingest.jobs",
    )
    assert first["timestamp"].endswith("Z")
    assert second["status"] == 200


def test_structlogs_own_loggers_come_out_the_same_way(written):
    import structlog

    out = written()

    structlog.get_logger("app.x").warning("hello", who="me")

    (one,) = records(out)
    assert (one["event"], one["who"], one["logger"]) == ("hello", "me", "app.x")


def test_every_line_names_its_request_and_key(written):
    out = written()
    with handling(Facts("r-1", Caller("k1", "joe", frozenset()))):
        logging.getLogger("app.x").warning("inside")
    logging.getLogger("app.x").warning("outside")

    inside, outside = records(out)
    assert (inside["request_id"], inside["key"]) == ("r-1", "k1")
    assert "request_id" not in outside


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_value_forges_a_line_or_shows_a_secret(written, form):
    out = written(form=form)
    log = logging.getLogger("app.x")

    log.warning(HOSTILE)
    log.warning("with value %s", HOSTILE)
    log.warning("fields", extra={FIELDS: {"a": HOSTILE, "b": [HOSTILE]}})
    try:
        int(HOSTILE)
    except ValueError:
        log.exception("failed")

    text = out.getvalue()
    assert SECRET not in text
    starts = [line for line in text.splitlines() if "forged" in line and line[:8] == "12:00:00"]
    assert starts == []
    if form == "json":
        assert len(records(out)) == 4
        assert "ValueError" in records(out)[-1]["exception"]
    else:
        own = [line for line in text.splitlines() if not line.startswith("    | ")]
        assert len(own) == 4


def test_below_the_level_nothing_is_said_and_other_packages_only_warn(written):
    out = written("info")

    logging.getLogger("app.x").debug("too little")
    logging.getLogger("httpx").info("GET http://x")
    logging.getLogger("httpx").warning("kept")

    assert [one["event"] for one in records(out)] == ["kept"]


def test_warning_is_what_a_person_sees_and_it_is_text(written):
    out = written("warning", "text")

    logging.getLogger("quire.requests").info("request")
    logging.getLogger("app.x").warning("disk is nearly full")

    (line,) = out.getvalue().splitlines()
    assert line[8:] == " warning: disk is nearly full"


@pytest.mark.parametrize(("is_terminal", "is_json"), [(True, False), (False, True)])
def test_machines_get_json_and_terminals_text(written, is_terminal, is_json):
    out = written("warning", "auto")
    out.isatty = lambda: is_terminal
    set_up("warning", "auto", out)

    logging.getLogger("app.x").warning("hello")

    assert out.getvalue().startswith("{") is is_json


def test_setting_up_twice_does_not_say_everything_twice(written):
    out = written()
    out = written()

    logging.getLogger("app.x").warning("once")

    assert len(records(out)) == 1
    assert RING in logging.getLogger().handlers
