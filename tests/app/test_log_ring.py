import logging

import pytest

from app.log_ring import LogRing, clean


@pytest.fixture
def heard():
    """A logger of its own that fills a ring."""
    ring, logger = LogRing(n_kept=3), logging.getLogger("tests.ring")
    logger.addHandler(ring)
    logger.propagate = False
    yield ring, logger
    logger.removeHandler(ring)
    logger.propagate = True


def test_only_warnings_and_errors_are_kept_newest_first(heard):
    ring, logger = heard
    logger.info("quiet")
    logger.warning("first %s", "one")
    logger.error("second")

    assert [(one.level, one.text) for one in ring.latest()] == [
        ("ERROR", "second"),
        ("WARNING", "first one"),
    ]


def test_it_is_bounded_and_counts_what_repeats(heard):
    ring, logger = heard
    for number in range(10):
        logger.warning("line %d", number)
    logger.warning("line 9")

    assert [one.text for one in ring.latest()] == ["line 9", "line 8", "line 7"]
    assert ring.latest(1)[0].n == 2


def test_an_error_is_named_without_its_trace(heard):
    ring, logger = heard
    error = ValueError("token=abc123")
    logger.error("it broke", exc_info=error)

    assert ring.latest()[0].text == "it broke (ValueError: token=***)"


def test_an_event_of_structlog_is_written_out(heard):
    ring, logger = heard
    logger.warning({"event": "limit", "route": "/kb/query", "level": "warning"})

    assert ring.latest()[0].text == "limit route=/kb/query"


def test_a_line_that_cannot_be_formatted_breaks_nothing(heard, capsys):
    ring, _ = heard
    ring.handle(logging.LogRecord("a", logging.ERROR, "", 0, "%d", ("no number",), None))

    assert "no number" in capsys.readouterr().err
    assert ring.latest() == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("x-api-key=abc", "x-api-key=***"),
        ("password='p w'", "password='*** w'"),
        ("got quire_0123456789abcdef", "got ***"),
        ("https://ann:secret@host/x", "https://ann:***@host/x"),
        ("a\x1b[31m\u202eb\nc", "a [31m b c"),
        ("n_tokens 12, token count", "n_tokens 12, token count"),
        ("x" * 5000, "x" * 999 + "…"),
    ],
)
def test_secrets_and_control_characters_are_taken_out(said, kept):
    assert clean(said) == kept
