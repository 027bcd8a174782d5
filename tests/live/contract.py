"""What the tests of Ollama's contract share: models of many abilities, made from the small one."""

import json
from base64 import b64encode
from hashlib import sha256

from tests.live.clients import CHAT

GREEDY = {"num_predict": 4, "temperature": 0, "seed": 1}
THINKER, FILLER, TALKER = "thinker:latest", "filler:latest", "talker:latest"

# Shows every variable about thinking, and thinks between tags of its own.
THINKING_TEMPLATE = (
    "[{{ .IsThinkSet }} {{ .Think }} {{ .ThinkLevel }}]\n"
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n"
    "{{ if .Thinking }}<idea>{{ .Thinking }}</idea>{{ end }}{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ if .Think }}<idea>{{ end }}"
)
FILLING_TEMPLATE = (
    "{{ if .Suffix }}<A>{{ .Prompt }}<B>{{ .Suffix }}<C>{{ else }}{{ .Prompt }}{{ end }}"
)
TALK = [{"role": "user", "content": "ping"}, {"role": "assistant", "content": "pong"}]
# The small model thinks because its examples do; some of them in the form that it will see.
THOUGHTS = [
    message
    for word in ("red", "blue", "green")
    for message in (
        {"role": "user", "content": f"Say {word}."},
        {"role": "assistant", "content": f"<idea>I shall say {word}.</idea>\n\n{word}"},
    )
]
PINK = [{"role": "user", "content": "Say pink."}]
LONG_ENOUGH = {"temperature": 0, "num_predict": 24}  # for a thought and a word


def make(api, name, **fields):
    """Create a model of the small one's weights; return the reply."""
    return api.post("/api/create", json={"model": name, "from": CHAT, "stream": False} | fields)


def make_all(api):
    """Create a model that thinks, one that fills gaps, and one with a character."""
    wanted = {
        THINKER: {"template": THINKING_TEMPLATE, "messages": THOUGHTS},
        FILLER: {"template": FILLING_TEMPLATE},
        TALKER: {"system": "Be brief.", "messages": TALK},
    }
    for name, fields in wanted.items():
        reply = make(api, name, **fields)
        assert reply.json() == {"status": "success"}, reply.text


def lines_of(reply):
    """Read an NDJSON answer."""
    assert reply.headers["content-type"] == "application/x-ndjson", reply.text
    return [json.loads(line) for line in reply.text.splitlines()]


def events_of(reply):
    """Read server-sent events: their names (empty if they have none) and their data."""
    found = []
    for frame in filter(None, reply.text.split("\n\n")):
        name, _, data = frame.rpartition("\n")
        raw = data.removeprefix("data: ")
        found.append((name.removeprefix("event: "), raw if raw == "[DONE]" else json.loads(raw)))
    return found


def refusal(reply):
    """Give status and text of a native error, whose body must hold nothing else."""
    assert list(reply.json()) == ["error"], reply.text
    return reply.status_code, reply.json()["error"]


def prompt_of(api, path="/api/generate", **body):
    """Ask for the prompt that a request would be given to the model as."""
    reply = api.post(path, json={"model": CHAT, "_debug_render_only": True} | body)
    assert reply.status_code == 200, reply.text
    return reply.json()["_debug_info"]["rendered_template"]


def upload(api, path):
    """Store a file as a blob; return its digest."""
    data = path.read_bytes()
    digest = "sha256:" + sha256(data).hexdigest()
    assert api.post(f"/api/blobs/{digest}", content=data).status_code in (200, 201)
    return digest


def make_from_files(api, name, *paths):
    """Create a model from files."""
    files = {path.name: upload(api, path) for path in paths}
    reply = api.post("/api/create", json={"model": name, "files": files, "stream": False})
    assert reply.json() == {"status": "success"}, reply.text


def encoded(data):
    """Write bytes as a request holds them."""
    return b64encode(data).decode()
