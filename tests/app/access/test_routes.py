from __future__ import annotations

import pytest

from app.access.caller import EVERYBODY, Caller
from app.access.routes import ANY, PUBLIC, TABLE, UNKNOWN, entry_of, need_of

READER = Caller("a", "reader", frozenset({"read"}))
ASKER = Caller("b", "asker", frozenset({"ask"}))
FEEDER = Caller("c", "feeder", frozenset({"ingest"}))
ADMIN = Caller("d", "admin", frozenset({"admin"}))
BOUND = Caller("e", "bound", frozenset({"read", "ask", "ingest"}), frozenset({"papers"}))
BOUND_ADMIN = Caller("f", "bound admin", frozenset({"admin"}), frozenset({"papers"}))


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/login"])
def test_the_door_itself_is_open(path):
    assert need_of("GET", path) == PUBLIC


@pytest.mark.parametrize(
    ("method", "path", "who", "is_let_in"),
    [
        ("POST", "/kb/search", READER, True),
        ("POST", "/kb/search", ASKER, False),
        ("POST", "/kb/search", BOUND, True),
        ("POST", "/kb/query", ASKER, True),
        ("POST", "/kb/query", READER, False),
        ("POST", "/api/chat", ASKER, True),
        ("POST", "/api/chat", BOUND, True),
        ("POST", "/v1/messages", READER, False),
        ("GET", "/api/tags", ASKER, True),
        ("GET", "/v1/models/kb/papers", READER, True),
        ("POST", "/kb/documents", FEEDER, True),
        ("POST", "/kb/documents", READER, False),
        ("DELETE", "/kb/documents/abc", FEEDER, True),
        ("GET", "/kb/documents/abc", FEEDER, False),
        ("POST", "/kb/watched", FEEDER, False),
        ("POST", "/kb/watched", ADMIN, True),
        ("DELETE", "/kb/collections/papers", FEEDER, False),
        ("DELETE", "/kb/collections/papers", BOUND_ADMIN, True),
        ("POST", "/api/pull", BOUND_ADMIN, False),
        ("POST", "/api/pull", ADMIN, True),
        ("GET", "/kb/keys", BOUND_ADMIN, False),
        ("GET", "/metrics", READER, True),
        ("GET", "/metrics", BOUND, False),
        ("GET", "/ui/", ASKER, True),
        ("POST", "/ui/_stcore/upload_file/1/2", FEEDER, True),
        ("GET", "/kb/exams/runs/1", READER, True),
        ("POST", "/kb/exams/1/runs", READER, False),
        # What no line names
        ("GET", "/kb/nothing", READER, False),
        ("GET", "/kb/nothing", BOUND_ADMIN, False),
        ("GET", "/kb/nothing", ADMIN, True),
        ("TRACE", "/kb/search", READER, False),
        ("PUT", "/kb/search", READER, False),
        ("GET", "/kb/documents/", READER, False),
        ("GET", "//kb/documents", READER, False),
        ("GET", "/kb/documents/a/b/c/d", READER, False),
        ("GET", "/uix", READER, False),
        ("GET", "/KB/documents", READER, False),
        ("GET", "", READER, False),
        ("POST", "/kb/search", EVERYBODY, True),
    ],
)
def test_what_a_caller_lacks_is_told_by_the_table(method, path, who, is_let_in):
    assert (need_of(method, path).missing(who) == "") is is_let_in


def test_a_refusal_names_the_scope_and_what_is_held():
    assert need_of("POST", "/kb/query").missing(READER) == ("this needs the scope ask; it has read")
    assert "papers" in need_of("POST", "/api/pull").missing(BOUND_ADMIN)


def test_what_no_line_names_takes_admin_and_all_collections():
    assert entry_of("GET", "/kb/nothing") is None
    assert need_of("GET", "/kb/nothing") is UNKNOWN


def test_a_line_is_found_for_the_longest_paths_without_much_ado():
    assert need_of("GET", "/ui/" + "a/" * 20_000) == ANY
    assert need_of("GET", "/kb/documents" + "/" * 60_000) is UNKNOWN


def test_each_line_of_the_table_stands_for_itself():
    named = [(method, path) for methods, path, _ in TABLE for method in methods.split()]

    assert len(named) == len(set(named))
