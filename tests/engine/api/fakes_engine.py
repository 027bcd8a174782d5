"""A scripted engine over a real library of tiny models, and a real server to put it behind."""

import contextlib
import json
import socket
import threading
import time
from types import SimpleNamespace

import gguf
import numpy as np
import uvicorn
from fastapi import FastAPI

from engine.api.errors import install_engine_errors
from engine.api.models import ModelVerbs
from engine.api.router import engine_router
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type
from engine.library.store import Library
from engine.types import (
    ChatRequest,
    Embedded,
    Final,
    Piece,
    Progress,
    Rendered,
    Reranked,
    RunningModel,
)

CHAT, EMBED, GIFTED = "tiny:latest", "embedder:latest", "gifted:latest"
GIFTS = ("tools", "insert", "thinking", "vision", "audio")
FINAL = Final(
    "stop",
    n_prompt=7,
    n_reused=4,
    n_generated=2,
    total_ns=30,
    load_ns=10,
    prompt_ns=8,
    generate_ns=12,
    context=(1, 2, 3),
)
HELLO = (Piece("Hel"), Piece("lo"), FINAL)
WAIT_S = 30.0


def write_gguf(path, architecture, **keys):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(512)
    writer.add_float32(f"{architecture}.odd", float("inf"))
    writer.add_array("tokenizer.ggml.tokens", [f"t{n}" for n in range(20)])
    for key, value in keys.items():
        getattr(writer, f"add_{key}")(value)
    writer.add_tensor("token_embd.weight", np.zeros((4, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def install(library, name, data, config=None, **layers):
    digest, size = library.add_blob([data])
    parts = [Layer(layer_type("model"), digest, size)]
    parts += [library.add_layer(kind, text.encode()) for kind, text in layers.items()]
    config = {"model_format": "gguf", "model_family": "test", "model_type": "32"} | (config or {})
    stored, n_bytes = library.add_blob([json.dumps(config).encode()])
    library.write_manifest(name, Layer(CONFIG_TYPE, stored, n_bytes), parts)


def tiny_library(folder):
    library = Library(folder / "models")
    chat = write_gguf(folder / "chat.gguf", "llama", chat_template="{{ messages }}")
    install(
        library,
        CHAT,
        chat,
        system="Be brief.",
        license="Apache-2.0",
        params='{"temperature":0.5,"num_ctx":256,"stop":["</s>","<end>"]}',
        messages='[{"role":"user","content":"ping"},{"role":"assistant","content":"pong"}]',
    )
    install(
        library, EMBED, write_gguf(folder / "e.gguf", "bert", pooling_type=gguf.PoolingType.MEAN)
    )
    return library


def install_gifted(library, folder):
    """Install a model that can do everything a chat model can."""
    data = write_gguf(folder / "gifted.gguf", "llama", chat_template="{{ messages }}")
    install(library, GIFTED, data, {"capabilities": list(GIFTS)}, params='{"seed":42}')


class FakeEngine:
    """Plays a script: events are yielded, errors raised, functions called between events."""

    def __init__(self, library, script=HELLO):
        self.library = library
        self.settings = SimpleNamespace(models_dir=library.root, go_template=None)
        self.virtual = None
        self.script = script
        self.answer = None  # a function of the request, in place of the script
        self.requests = []
        self.embedded = []
        self.n_open = 0
        self.n_most_open = 0
        self.closed = threading.Event()
        self.vectors = None
        self.loaded = []
        self.reranked = []
        self.counted = []
        self.scores = None
        self._lock = threading.Lock()

    def generate(self, request):
        return self._play(request, bool(request.prompt or request.images or request.suffix))

    def chat(self, request):
        return self._play(request, bool(request.messages))

    def _play(self, request, has_work):
        self.requests.append(request)
        with self._lock:
            self.n_open += 1
            self.n_most_open = max(self.n_most_open, self.n_open)
        try:
            if not has_work:
                yield Final(
                    "unload" if request.keep_alive_s == 0 else "load", total_ns=5, load_ns=5
                )
                return
            for step in self._steps(request):
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            with self._lock:
                self.n_open -= 1
            self.closed.set()

    def _steps(self, request):
        if self.answer is not None:
            return self.answer(request)
        return self.script() if callable(self.script) else self.script

    def embed(self, model, texts, **options):
        self.embedded.append((model, list(texts), options))
        if isinstance(self.vectors, Exception):
            raise self.vectors
        vectors = np.ones((len(texts), 4), np.float32) / 2 if self.vectors is None else self.vectors
        return Embedded(vectors, n_tokens=3 * len(texts), total_ns=9, load_ns=0)

    def rerank(self, model, query, documents, *, options=None, keep_alive_s=None):
        self.reranked.append((model, query, list(documents), options, keep_alive_s))
        scores = tuple(self.scores or [0.5] * len(documents))
        return Reranked(scores, n_tokens=5 * len(documents), total_ns=9, load_ns=2)

    def tokenize(self, model, text, *, add_special=False):
        return [1] * add_special + [ord(letter) for letter in text]

    def detokenize(self, model, tokens):
        return "".join("<s>" if one == 1 else chr(one % 0xD800) for one in tokens)

    def count_chat_tokens(self, request):
        self.counted.append(request)
        return sum(len(message.content) for message in request.messages)

    def render(self, request):
        self.requests.append(request)
        if isinstance(request, ChatRequest):
            text = "|".join(f"{one.role}:{one.content}" for one in request.messages)
            return Rendered(text, n_images=sum(len(one.images) for one in request.messages))
        return Rendered(f"[{request.prompt}]", n_images=len(request.images))

    def running(self):
        return [
            RunningModel(self.library.find(name), expires_at, 100, 0, 256)
            for name, expires_at in self.loaded
        ]


def fake_verbs(pulled):
    """Pull, push and create without a registry; what was asked is kept in `pulled`."""

    def pull(library, name, is_insecure):
        pulled.append((name, is_insecure))
        digest = "sha256:" + "a" * 64
        yield Progress("pulling manifest")
        if "missing" in name:
            from engine.errors import RegistryError

            raise RegistryError("pull model manifest: file does not exist")
        yield Progress("pulling aaaaaaaaaaaa", digest, 10, 0)
        yield Progress("pulling aaaaaaaaaaaa", digest, 10, 10)
        yield Progress("success")

    def create(library, wanted):
        pulled.append(wanted)
        yield Progress("writing manifest")
        yield Progress("success")

    return ModelVerbs(pull=pull, push=pull, create=create)


def build_app(engine, verbs=None):
    app = FastAPI()
    app.include_router(engine_router(engine, verbs))
    install_engine_errors(app)
    return app


@contextlib.contextmanager
def served(app):
    """Run a real server in a thread; give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="none", log_level="error", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        listener.close()
        assert not thread.is_alive()


def wait_until(is_true, timeout_s=WAIT_S):
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def lines_of(response):
    return [json.loads(line) for line in response.text.splitlines()]


def events_of(response):
    frames = [frame for frame in response.text.split("\n\n") if frame]
    assert all(frame.startswith("data: ") for frame in frames)
    return [frame.removeprefix("data: ") for frame in frames]
