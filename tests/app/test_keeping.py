"""What an administrator may set, and what happens where nothing is set."""

import pytest

from app.config import ConfigError, settings_from
from app.keeping import Keeping


def keeping(**env):
    return settings_from({"QUIRE_HOME": "/tmp/q", **env}).keeping


def test_nothing_set_is_calm():
    assert keeping() == Keeping()


def test_everything_may_be_set():
    found = keeping(
        QUIRE_RATE_LIMIT="30",
        QUIRE_MAX_BODY_MB="2",
        QUIRE_GRACE_S="0",
        QUIRE_LOG_LEVEL="INFO",
        QUIRE_LOG_FORMAT="json",
        QUIRE_AUDIT="on",
        QUIRE_HOSTS="kb.example.org, *.example.net",
    )

    assert (found.rate_limit, found.max_body_bytes, found.grace_s) == (30, 2 << 20, 0.0)
    assert (found.log_level, found.log_format, found.audit) == ("info", "json", "on")
    assert found.hosts == ("kb.example.org", "*.example.net")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUIRE_RATE_LIMIT", "-1"),
        ("QUIRE_RATE_LIMIT", "many"),
        ("QUIRE_MAX_BODY_MB", "0"),
        ("QUIRE_MAX_BODY_MB", "65"),
        ("QUIRE_GRACE_S", "-5"),
        ("QUIRE_GRACE_S", "1e3"),
        ("QUIRE_LOG_LEVEL", "loud"),
        ("QUIRE_LOG_FORMAT", "xml"),
        ("QUIRE_AUDIT", "maybe"),
        ("QUIRE_HOSTS", "http://kb.example.org"),
        ("QUIRE_HOSTS", "kb.example.org:8080"),
    ],
)
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        keeping(**{name: value})


@pytest.mark.parametrize(
    ("given", "is_locked", "per_minute"),
    [(None, False, 0), (None, True, 1200), (0, True, 0), (5, False, 5)],
)
def test_requests_are_bounded_by_themselves_only_where_keys_are_asked_for(
    given, is_locked, per_minute
):
    assert Keeping(rate_limit=given).per_minute(is_locked=is_locked) == per_minute


@pytest.mark.parametrize(
    ("audit", "is_locked", "is_kept"),
    [("auto", False, False), ("auto", True, True), ("on", False, True), ("off", True, False)],
)
def test_an_audit_log_is_kept_by_itself_only_where_keys_are_asked_for(audit, is_locked, is_kept):
    assert Keeping(audit=audit).is_audited(is_locked=is_locked) is is_kept
