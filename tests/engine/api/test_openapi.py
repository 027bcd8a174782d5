"""The description of the API, and requests made from it by schemathesis."""

import json
from types import SimpleNamespace

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

from engine.api.describe import takes
from engine.api.router import BODIES
from engine.api.wire import ChatWire
from tests.engine.api.fakes_engine import EMBED, GIFTED, FakeEngine, build_app, fake_verbs

N_REQUESTS = 15  # per operation; thousands were made once, while this was written


def operations_of(app):
    return [
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    ]


EVERY = operations_of(build_app(FakeEngine(SimpleNamespace(root=None))))


@pytest.fixture
def description(engine, gifted):
    return schemathesis.openapi.from_asgi("/openapi.json", build_app(engine, fake_verbs([])))


@pytest.mark.parametrize(("method", "path"), EVERY)
def test_requests_made_from_the_description_are_answered_in_words(description, method, path):
    operation = description[path][method]

    @settings(max_examples=N_REQUESTS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def answered(case):
        if isinstance(case.body, dict) and path != "/api/delete":
            # Made-up names would get no further than the look-up.
            case.body["model"] = EMBED if "embed" in path else GIFTED
        response = case.call()

        if response.status_code == 500:
            # A wrong option or format, which Ollama too finds only when the model runs.
            error = response.json()["error"]
            text = error if isinstance(error, str) else error["message"]
            assert text.startswith(("invalid format:", "option ")), text
        else:
            case.validate_response(response, checks=[not_a_server_error])
        if response.status_code >= 400 and method != "HEAD":
            assert response.content

    answered()


def test_every_operation_is_told_apart():
    app = build_app(FakeEngine(SimpleNamespace(root=None)))

    names = [one["operationId"] for way in app.openapi()["paths"].values() for one in way.values()]

    assert len(names) == len(set(names))


def test_every_route_that_reads_a_body_says_which():
    app = build_app(FakeEngine(SimpleNamespace(root=None)))
    described = app.openapi()["paths"]

    for path in BODIES:
        (operation,) = described[path].values()
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema["properties"], path
    speech = described["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]
    assert "file" in speech["multipart/form-data"]["schema"]["properties"]


def test_a_described_body_refers_to_nothing_outside():
    text = json.dumps(takes(ChatWire))

    assert "$ref" not in text
    assert "_debug_render_only" in text
    assert '"tool_calls"' in text
