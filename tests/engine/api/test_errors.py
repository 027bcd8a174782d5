"""Which status an error has, and what is said about paths that do not exist."""

import pytest

from engine import errors
from engine.api.errors import openai_error, status_of

STATUS = {
    errors.CapabilityError("m", "chat"): 400,
    errors.ModelRequiredError(): 400,
    errors.DigestError("x"): 400,
    errors.OptionError("x"): 500,
    errors.FormatError("x"): 500,
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
