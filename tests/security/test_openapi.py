"""Requests made from the description of the whole API, with a key and without: answers as told."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.answers import SHAPES, describe_answers, failure_of
from tests.security.locked import opened
from tests.security.wire import operations

N_REQUESTS = {"admin": 4, "": 2}  # per operation with a key and without, in every run
N_DEEP = 60  # in the long one
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# 5xx that are no defect: they are documented, and say what would help.
TOLD = {501, 502, 503, 507}
PARAMETERS = {"document_id": "document", "job_id": "job", "conversation_id": "conversation"}


@pytest.fixture(scope="module")
def site(tmp_path_factory, starter_models):
    """Serve a library that may be changed in every way; no registry can be reached from it."""
    folder = tmp_path_factory.mktemp("described")
    models = folder / "models"
    shutil.copytree(starter_models, models)
    with opened(folder / "home", models, OLLAMA_REGISTRIES="registry.invalid") as one:
        yield one


@pytest.fixture(scope="module")
def description(site):
    key = {"X-API-Key": site.keys["admin"]}
    return schemathesis.openapi.from_url(f"{site.url}/openapi.json", headers=key)


def ask(site, description, method, path, who, n, seen):
    """Make requests for one operation; every second one names what there is."""
    turn = itertools.count()
    operation = description[path][method]

    @seed(1)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def answered(case):
        if next(turn) % 2:
            _name_what_is_there(site, case)
        headers = {"X-API-Key": site.keys[who]} if who else {"X-API-Key": ""}
        response = case.call(headers=headers)
        seen[response.status_code] += 1
        checks = CHECKS[1:] if response.status_code in TOLD else CHECKS
        if response.status_code == 500 and path.startswith(("/api/", "/v1/")):
            error = response.json()["error"]
            text = error if isinstance(error, str) else error["message"]
            # As Ollama has it: a wrong option is found only when the model runs.
            assert text.startswith(("invalid format:", "option ")), text
            checks = CHECKS[1:]
        case.validate_response(response, checks=checks)
        if not who and response.status_code not in (200, 503):
            assert response.status_code == 401 or path in ("/healthz", "/readyz")

    answered()


def _name_what_is_there(site, case):
    held = site.ids["open"]
    for name, what in PARAMETERS.items():
        if name in (case.path_parameters or {}) and case.method != "DELETE":
            case.path_parameters[name] = held[what]
    for part in (case.body, case.query):
        if isinstance(part, dict) and isinstance(part.get("collection", ""), str):
            if "collection" in part:
                part["collection"] = "open"
            if "conversation_id" in part:
                part["conversation_id"] = held["conversation"]


def described(description):
    for method, path, _ in operations(description.raw_schema):
        yield method, path


@pytest.mark.parametrize("who", ["admin", ""])
@pytest.mark.timeout(115)
def test_every_operation_answers_as_it_is_described(site, description, who):
    wrong, seen = [], Counter()
    for method, path in described(description):
        try:
            ask(site, description, method, path, who, N_REQUESTS[who], seen)
        except AssertionError as error:
            wrong.append(f"{method} {path}: {error}")
        except BaseExceptionGroup as errors:
            wrong += [f"{method} {path}: {one}" for one in errors.exceptions]
    assert wrong == [], "\n\n".join(wrong)
    assert sum(seen.values()) > 150
    assert len(seen) > (3 if who else 1)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("who", ["admin", "bound", ""])
def test_every_operation_answers_as_it_is_described_in_depth(
    site, description, who, record_property
):
    wrong, seen = [], Counter()
    for method, path in described(description):
        try:
            ask(site, description, method, path, who, N_DEEP, seen)
        except AssertionError as error:
            wrong.append(f"{method} {path}: {error}")
        except BaseExceptionGroup as errors:
            wrong += [f"{method} {path}: {one}" for one in errors.exceptions]
    logging.getLogger(__name__).warning(
        "%s: %d answers %s", who or "no key", sum(seen.values()), sorted(seen.items())
    )
    assert wrong == [], "\n\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/kb/query", "Failure"),
        ("/api/chat", "Failure"),
        ("/v1/chat/completions", "OpenAIFailure"),
        ("/v1/messages", "AnthropicFailure"),
        ("/v1/messages/count_tokens", "AnthropicFailure"),
    ],
)
def test_errors_have_the_shape_that_the_clients_of_a_path_know(path, shape):
    assert failure_of(path) == shape
    assert shape in SHAPES


def test_answers_are_described_once_however_often_it_is_asked_for():
    def told():
        return {"paths": {"/kb/x": {"post": {"responses": {"422": {}, "200": {"content": {}}}}}}}

    once, twice = describe_answers(told()), describe_answers(describe_answers(told()))

    assert once == twice
    answers = once["paths"]["/kb/x"]["post"]["responses"]
    assert "422" not in answers
    assert answers["413"]["content"]["application/json"]["schema"]["$ref"].endswith("/Failure")
