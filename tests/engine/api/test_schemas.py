"""Which schemas are refused, and by which word."""

import pytest
from pydantic import BaseModel

from engine.api.schemas import check_schema
from engine.errors import FormatError
from tests.engine.api.fakes_engine import CHAT

INNER = {"type": "string"}


class Person(BaseModel):
    """As clients hand it over: `format=Person.model_json_schema()`."""

    name: str
    tags: set[str] = set()
    friends: list["Person"] = []
    scores: dict[str, float] = {}


@pytest.mark.parametrize(
    ("schema", "keyword", "place"),
    [
        ({"not": INNER}, "not", "/"),
        ({"type": "object", "properties": {"a": {"if": {}}}}, "if", "/properties/a"),
        ({"items": {"contains": INNER}}, "contains", "/items"),
        ({"items": [{}, {"not": {}}]}, "not", "/items/1"),
        ({"anyOf": [INNER, {"patternProperties": {}}]}, "patternProperties", "/anyOf/1"),
        ({"$defs": {"A": {"dependentRequired": {}}}}, "dependentRequired", "/$defs/A"),
        ({"additionalProperties": {"else": {}}}, "else", "/additionalProperties"),
        ({"$ref": "https://x/y.json"}, "$ref", "/"),
    ],
)
def test_a_keyword_that_no_grammar_can_express_is_named(schema, keyword, place):
    with pytest.raises(FormatError) as caught:
        check_schema(schema)

    assert f'"{keyword}" at "{place}"' in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        Person.model_json_schema(),
        {"type": "object", "properties": {"not": INNER, "if": INNER, "$ref": {"type": "integer"}}},
        {"enum": [{"not": 1}], "default": {"if": 2}, "const": {"contains": 3}},
        {"type": "array", "uniqueItems": True, "items": {"type": "integer", "multipleOf": 2}},
        {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": False},
        {"items": True, "anyOf": [True], "properties": {"a": True}},
        {},
    ],
)
def test_other_schemas_pass_as_they_are(schema):
    assert check_schema(schema) == schema


def test_the_refusal_is_the_clients_fault_on_every_route(client, engine):
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": CHAT, "messages": messages, "prompt": "hi", "format": {"not": {}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}

    native = [client.post(f"/api/{path}", json=body) for path in ("chat", "generate")]
    openai = client.post(
        "/v1/chat/completions",
        json={"model": CHAT, "messages": messages, "response_format": wanted},
    )

    assert [one.status_code for one in (*native, openai)] == [400] * 3
    assert all('"not"' in one.json()["error"] for one in native)
    assert openai.json()["error"]["type"] == "invalid_request_error"
    assert engine.requests == []
