"""Which status an error has, and what is said about paths that do not exist."""

import json

import pytest

from engine import errors
from engine.api.errors import (
    BodyTooLargeError,
    UnknownFormatError,
    anthropic_error,
    error_response,
    openai_error,
    status_of,
)

STATUS = {
    errors.CapabilityError("m", "chat"): 400,
    errors.ModelRequiredError(): 400,
    errors.DigestError("x"): 400,
    errors.OptionError("x"): 500,
    errors.FormatError("no grammar for 'not'"): 400,
    UnknownFormatError('"xml"'): 500,
    errors.ChatTemplateError("x"): 400,
    errors.RequestTemplateError("x"): 500,
    errors.PromptTooLongError(9, 4): 400,
    BodyTooLargeError(5): 413,
    errors.ModelNotFoundError("m"): 404,
    errors.BlobNotFoundError("sha256:0"): 404,
    errors.BusyError(): 503,
    errors.CancelledError(): 499,
    errors.OutOfMemoryError("x"): 500,
    errors.RegistryError("x"): 500,
    ValueError("x"): 500,
}


@pytest.mark.parametrize(("error", "status"), STATUS.items(), ids=lambda one: type(one).__name__)
def test_every_error_has_its_status(error, status):
    assert status_of(error) == status


def test_openais_types_follow_the_status():
    kinds = [errors.ModelRequiredError(), errors.ModelNotFoundError("m"), errors.BusyError()]

    types = [openai_error(one)["error"]["type"] for one in kinds]

    assert types == ["invalid_request_error", "not_found_error", "api_error"]


def test_unknown_paths_and_methods_are_told_in_plain_text(client):
    missing, wrong = client.get("/api/nothing"), client.get("/api/generate")

    assert (missing.status_code, missing.text) == (404, "404 page not found")
    assert wrong.status_code == 405
    assert wrong.headers["content-type"].startswith("text/plain")
    assert client.get("/elsewhere").json() == {"detail": "Not Found"}


def test_all_routes_fit_into_one_description(client):
    paths = client.app.openapi()["paths"]

    assert {"/api/chat", "/api/tags", "/v1/models", "/v1/chat/completions"} <= set(paths)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ModelRequiredError(), "invalid_request_error"),
        (errors.ModelNotFoundError("m"), "not_found_error"),
        (errors.BusyError(), "overloaded_error"),
        (errors.LoadError("x"), "api_error"),
    ],
)
def test_anthropics_types_follow_the_status(error, kind):
    body = anthropic_error(error)

    assert body["type"] == "error"
    assert body["error"] == {"type": kind, "message": str(error)}
    assert body["request_id"].startswith("req_")


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/api/chat", ["error"]),
        ("/v1/chat/completions", ["error"]),
        ("/v1/messages", ["type", "error", "request_id"]),
        ("/v1/messages/count_tokens", ["type", "error", "request_id"]),
    ],
)
def test_every_path_has_its_shape_of_error(path, keys):
    body = json.loads(error_response(path, errors.BusyError()).body)

    assert list(body) == keys
    assert isinstance(body["error"], str) == (path == "/api/chat")


def test_the_text_of_an_unknown_format_is_ollamas():
    text = 'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object'

    assert str(UnknownFormatError('"xml"')) == text
