"""Any JSON on any route: an answer in words, and soon."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api.router import BODIES
from tests.engine.api.fakes_engine import CHAT, EMBED, GIFTED

SOON_S = 5.0
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([10**400, 1e308, -1e-308])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([CHAT, EMBED, GIFTED, "json", "aGk=", "user", "tool", "\ud83d", "0", "1h"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "function", "name", "arguments", "images", "text"]
                + ["url", "image_url", "input_audio", "data", "format", "schema", "grammar", "id"]
                + ["tool_calls", "seed", "stop", "include_usage", "effort", "parameters"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
PATHS = sorted(BODIES)

# Requests that are right and say a lot; what is sent differs from them in a few places.
CALL = {"id": "c", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SAMPLED = {"options": {"seed": 1, "stop": ["a"]}, "keep_alive": "1m", "think": "low", "shift": True}
SAMPLED |= {"format": {"type": "object"}, "logprobs": True, "top_logprobs": 2, "truncate": True}
CHATTED = [
    {"role": "user", "content": "a", "images": ["aGk="]},
    {"role": "assistant", "thinking": "b", "tool_calls": [CALL]},
    {"role": "tool", "content": "c", "tool_name": "f", "tool_call_id": "c"},
]
OPENAI_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
OPENAI_CHATTED = [
    {"role": "user", "content": [{"type": "text", "text": "a"}, PICTURE]},
    {"role": "assistant", "content": None, "reasoning": "b", "tool_calls": [OPENAI_CALL]},
    {"role": "tool", "content": "c", "tool_call_id": "c"},
]
V1 = {"n": 2, "seed": 1, "stop": "a", "stream_options": {"include_usage": True}, "top_k": 3}
V1 |= {"max_tokens": 5, "temperature": 0.5, "logit_bias": {"1": 2}, "options": {"num_ctx": 64}}
BLOCKS = [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "c", "name": "f", "input": {}}]
GOOD = {
    "/api/generate": {"prompt": "a", "suffix": "b", "images": ["aGk="], "context": [1]} | SAMPLED,
    "/api/chat": {"messages": CHATTED, "tools": [TOOL], "tool_choice": "auto"} | SAMPLED,
    "/api/embed": {"input": ["a", "b"], "dimensions": 2, "options": {"num_ctx": 64}},
    "/api/embeddings": {"prompt": "a", "keep_alive": 5},
    "/api/show": {"verbose": False, "options": {"seed": 1}},
    "/api/pull": {"name": "x", "insecure": False},
    "/api/push": {"name": "x", "stream": False},
    "/api/create": {"from": GIFTED, "parameters": {"seed": 1}, "messages": CHATTED[2:]},
    "/api/copy": {"source": GIFTED, "destination": "copied"},
    "/api/delete": {"name": "copied"},
    "/api/rerank": {"query": "a", "documents": ["b", {"text": "c"}], "top_n": 1},
    "/api/tokenize": {"text": "a", "with_pieces": True},
    "/api/detokenize": {"tokens": [1, 2]},
    "/v1/rerank": {"query": "a", "documents": ["b"], "return_documents": True},
    "/v1/chat/completions": {"messages": OPENAI_CHATTED, "tools": [TOOL], "logprobs": True} | V1,
    "/v1/completions": {"prompt": ["a", "b"], "logprobs": 1, "echo": True} | V1,
    "/v1/embeddings": {"input": ["a"], "encoding_format": "base64"},
    "/v1/responses": {"input": [{"role": "user", "content": "a"}], "tools": [{"type": "x"}]},
    "/v1/messages": {"max_tokens": 5, "messages": [{"role": "user", "content": BLOCKS[:1]}]},
    "/v1/messages/count_tokens": {"messages": [{"role": "assistant", "content": BLOCKS}]},
}


def names_of(shape):
    return [field.validation_alias or name for name, field in shape.model_fields.items()]


def changed(value, draw):
    """Replace one thing somewhere inside."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 2)) == 0:
        return draw(VALUES)
    keys = sorted(value) if isinstance(value, dict) else range(len(value))
    chosen = draw(st.sampled_from(keys))
    copied = value.copy()
    copied[chosen] = changed(copied[chosen], draw)
    return copied


@st.composite
def requests(draw):
    path = draw(st.sampled_from(PATHS))
    model = EMBED if "embed" in path else GIFTED
    body = GOOD[path] | {"model": draw(st.sampled_from([model, GIFTED]))}
    for name in draw(st.lists(st.sampled_from(sorted(body)), max_size=3)):
        body[name] = changed(body[name], draw)
    body |= draw(st.dictionaries(st.sampled_from(names_of(BODIES[path])), VALUES, max_size=1))
    if path == "/api/delete":  # the models are needed for the next example
        body["model"] = "copied"
    return path, body


@pytest.mark.parametrize("path", PATHS)
def test_the_good_requests_are_answered(client, engine, gifted, path):
    engine.library.copy(CHAT, "copied")
    model = CHAT if path == "/v1/completions" else gifted
    named = {"model": "copied" if path == "/api/delete" else model}

    reply = client.request(
        "DELETE" if path == "/api/delete" else "POST", path, json=named | GOOD[path]
    )

    assert reply.status_code == 200, reply.text


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests())
def test_every_json_gets_an_answer(client, gifted, sent):
    path, fields = sent
    method = "DELETE" if path == "/api/delete" else "POST"
    began = time.monotonic()

    reply = client.request(method, path, content=json.dumps(fields))

    assert time.monotonic() - began < SOON_S
    if reply.status_code >= 400:
        error = reply.json()["error"]
        assert error if isinstance(error, str) else error["message"]
    if reply.status_code == 500:
        # The two that Ollama too finds out late; everything else wrong is told as 400.
        text = reply.json()["error"]
        text = text if isinstance(text, str) else text["message"]
        assert text.startswith(("invalid format:", "option ")), (path, fields, text)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(PATHS), st.binary(max_size=40))
def test_any_bytes_get_an_answer(client, path, raw):
    reply = client.request("DELETE" if path == "/api/delete" else "POST", path, content=raw)

    assert reply.status_code in (200, 400, 404)
    assert reply.status_code == 200 or reply.json()["error"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_and_null_are_told_apart(client, path):
    method = "DELETE" if path == "/api/delete" else "POST"

    nothing, null = (client.request(method, path, content=raw) for raw in (b"", b"null"))

    assert nothing.status_code == 400
    assert "missing request body" in nothing.text
    assert null.status_code in (400, 404)
    assert "missing request body" not in null.text
