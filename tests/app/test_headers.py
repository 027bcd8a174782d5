"""What answers tell browsers; clients of Ollama and OpenAI get the same answers as before."""

import pytest

from app.headers import DATA_POLICY, DOCS_POLICY, HSTS, PAGES_POLICY, SecurityHeaders, headers_for
from tests.app.asgi import call, scope_of


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/kb/query", DATA_POLICY),
        ("/api/chat", DATA_POLICY),
        ("/ui", PAGES_POLICY),
        ("/ui/", PAGES_POLICY),
        ("/uix", DATA_POLICY),
        ("/docs", DOCS_POLICY),
        ("/login", DOCS_POLICY),
    ],
)
def test_each_kind_of_answer_has_its_policy(path, policy):
    found = headers_for(path, is_tls=False)

    assert found["content-security-policy"] == policy
    assert "frame-ancestors 'none'" in policy
    assert found["x-content-type-options"] == "nosniff"
    assert found["x-frame-options"] == "DENY"
    assert found["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in found


def test_no_policy_names_another_host():
    for policy in (DATA_POLICY, DOCS_POLICY, PAGES_POLICY):
        assert "http" not in policy
        assert "*" not in policy
        assert "." not in policy


def test_answers_are_not_stored_but_files_of_pages_may_be():
    assert headers_for("/kb/query", is_tls=False)["cache-control"] == "no-store"
    assert "cache-control" not in headers_for("/ui/static/a.js", is_tls=False)


def test_browsers_are_bound_to_tls_only_where_there_is_any():
    assert headers_for("/kb", is_tls=True)["strict-transport-security"] == HSTS


def answering(headers):
    async def app(scope, receive, send):
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": b"x"})

    return SecurityHeaders(app)


def test_what_an_answer_says_itself_stands():
    answer = call(answering({"cache-control": "no-cache", "content-security-policy": "mine"}))

    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == "mine"


def test_pages_that_are_let_in_from_elsewhere_may_read_the_answer():
    answer = call(answering({"access-control-allow-origin": "http://localhost:3000"}))

    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    own = call(answering({}))
    assert own.headers["cross-origin-resource-policy"] == "same-origin"


def test_over_tls_it_is_said():
    assert (
        "strict-transport-security" in call(answering({}), scope_of() | {"scheme": "https"}).headers
    )
