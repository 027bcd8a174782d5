"""A scripted engine behind a real socket: what was asked is kept, answers are settable."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUS = {"version": "0", "ready": True, "mode": "engine", "pid": 1, "uptime_s": 1.0}
SHOWN = {
    "license": "line one\n\nline two\nline three\n",
    "modelfile": "FROM /blobs/x\n",
    "parameters": f'{"stop":<30} "<end>"\n{"temperature":<30} 0.5',
    "template": "{{ .Prompt }}",
    "system": "Be brief.",
    "details": {"family": "llama", "parameter_size": "7.6B", "quantization_level": "Q4_K_M"},
    "model_info": {
        "general.architecture": "llama",
        "general.parameter_count": 7_600_000_000,
        "llama.context_length": 4096,
        "llama.embedding_length": 512,
        "tokenizer.ggml.tokens": ["a", "b", "cc", "dd", "ee", "ff"],
    },
    "tensors": [{"name": "token_embd.weight", "type": "F16", "shape": [8, 4]}],
    "capabilities": ["completion", "tools"],
    "requires": "0.14.0",
}
COUNTERS = {
    "total_duration": 2_000_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_count": 10,
    "prompt_eval_duration": 100_000_000,
    "eval_count": 20,
    "eval_duration": 1_000_000_000,
}


class Script:
    """What the server says, and what it was asked."""

    def __init__(self, home):
        self.home = home
        self.asked = []  # (method, path, body)
        self.show = dict(SHOWN)
        self.missing = set()
        self.tags = []
        self.ps = []
        self.answer = ["Hello", " there."]
        self.thinking = []
        self.steps = [{"status": "success"}]
        self.blobs = {}
        self.pause_s = 0.0  # before each piece of an answer
        self.gone = threading.Event()  # the client hung up in the middle of an answer

    def bodies(self, path):
        return [body for _, where, body in self.asked if where == path]


class Handler(BaseHTTPRequestHandler):
    script = None  # set by `serving`
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.end(200 if self.path.rpartition("/")[2] in self.script.blobs else 404)

    def do_GET(self):
        bodies = {
            "/kb/status": {**STATUS, "home": str(self.script.home)},
            "/api/tags": {"models": self.script.tags},
            "/api/ps": {"models": self.script.ps},
        }
        self.reply(bodies.get(self.path, {}))

    def do_DELETE(self):
        self.take()

    def do_POST(self):
        if self.path.startswith("/api/blobs/"):
            self.script.blobs[self.path.rpartition("/")[2]] = self.chunked()
            self.end(201)
        else:
            self.take()

    def take(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.script.asked.append((self.command, self.path, body))
        name = body.get("model") or body.get("source")
        if self.path == "/api/pull":
            self.script.missing.discard(name)
        if name in self.script.missing:
            self.reply({"error": f"model '{name}' not found"}, 404)
        elif self.path in {"/api/chat", "/api/generate"} and body.get("stream") is not False:
            self.stream(self.pieces())
        elif self.path in {"/api/pull", "/api/push", "/api/create"}:
            self.stream(self.script.steps)
        else:
            bodies = {
                "/api/show": self.script.show,
                "/api/embed": {"embeddings": [[0.5, 0.25]]},
            }
            self.reply(bodies.get(self.path, {"done": True}))

    def pieces(self):
        is_chat = self.path == "/api/chat"
        for field, texts in (("thinking", self.script.thinking), ("content", self.script.answer)):
            for text in texts:
                time.sleep(self.script.pause_s)
                own = "response" if field == "content" else field
                line = {"message": {"content": "", field: text}} if is_chat else {own: text}
                yield line | {"done": False}
        yield {"message": {"content": ""}, "done": True} | COUNTERS

    def stream(self, lines):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for line in lines:
                data = json.dumps(line).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.script.gone.set()

    def chunked(self):
        data = b""
        while n_bytes := int(self.rfile.readline(), 16):
            data += self.rfile.read(n_bytes)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def reply(self, body, status=200):
        self.end(status, json.dumps(body).encode())

    def end(self, status, data=b""):
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def serving(home):
    """Yield (script, port)."""
    script = Script(home)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"script": script}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
