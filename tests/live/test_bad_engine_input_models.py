"""Damaged model files used through the running server: it stays up, answers, and says why not."""

import json
import struct
import threading
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest

from tests.live.bad_engine import HEALTHY, EngineProcess, install, remove, smuggle, write_tiny
from tests.live.mutations import damaged, take_apart

N_USUAL, N_ALL = 8, 300
KINDS = ("llama", "qwen2vl", "qwen3", "bert", "reranker", "smollm")


@pytest.fixture(scope="module")
def files(tmp_path_factory, starter_models):
    """Bytes of a valid model by kind, and how many zeros follow them."""
    folder = tmp_path_factory.mktemp("tiny")
    whole = {name: (path.read_bytes(), 0) for name, path in write_tiny(folder).items()}
    name = "manifests/registry.ollama.ai/library/smollm2/135m"
    layers = json.loads((starter_models / name).read_text(encoding="utf-8"))["layers"]
    digest = next(one["digest"] for one in layers if one["mediaType"].endswith("image.model"))
    data = (starter_models / "blobs" / digest.replace(":", "-")).read_bytes()
    parts = take_apart(data)
    n_zeros = len(parts.data)
    parts.data = bytearray()
    return whole | {"smollm": (parts.join(), n_zeros)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory, files):
    home = tmp_path_factory.mktemp("damaged")
    process = EngineProcess(home / "quire", home / "models")
    client = process.start()
    for kind, path in write_tiny(home).items():
        install(client, kind, path)
    install(client, HEALTHY, home / "llama.gguf")
    yield process, client
    process.stop()


def uses(client, name):
    """Use a model in every way; give back (what, answer)."""
    generate = {"model": name, "prompt": "hello", "stream": False, "keep_alive": 0}
    few = {"options": {"num_predict": 4, "num_ctx": 64, "seed": 1}}
    chat = {"model": name, "messages": [{"role": "user", "content": "hi 知识 🙂"}]}
    yield "show", client.post("/api/show", json={"model": name, "verbose": True})
    yield "tokenize", client.post("/api/tokenize", json={"model": name, "text": "hello 知识 🙂"})
    yield "generate", client.post("/api/generate", json=generate | few)
    yield "chat", client.post("/api/chat", json=chat | few | {"format": "json", "keep_alive": 0})
    yield "count", client.post("/v1/messages/count_tokens", json=chat)
    yield "embed", client.post("/api/embed", json={"model": name, "input": ["hello"] * 3} | few)
    yield (
        "rerank",
        client.post("/api/rerank", json={"model": name, "query": "a", "documents": ["b", "c"]}),
    )


def is_clear(answer):
    """Whether an answer is a good one or an error that says something."""
    if answer.status_code == 200:
        return True
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError):
        return False
    text = error if isinstance(error, str) else error["message"]
    return 400 <= answer.status_code < 600 and len(text) > 10


@contextmanager
def somebody_else(process):
    """Use a healthy model all the while; give back the answers that were not good."""
    is_over, wrong = threading.Event(), []
    body = {"model": HEALTHY, "prompt": "a", "stream": False, "options": {"num_predict": 4}}

    def go_on():
        with httpx.Client(base_url=process.url, timeout=120) as client:
            while not is_over.wait(0.2):
                answer = client.post("/api/generate", json=body)
                if answer.status_code != 200:
                    wrong.append(answer.text)

    going = threading.Thread(target=go_on)
    going.start()
    try:
        yield wrong
    finally:
        is_over.set()
        going.join(150)


def check(engine, files, seeds):
    """Let the server use files damaged by each seed; give back what came of it, counted."""
    process, client = engine
    tally = Counter()
    with somebody_else(process) as wrong:
        for seed in seeds:
            kind = KINDS[seed % len(KINDS)]
            data, n_zeros = files[kind]
            how, raw = damaged(data, seed)
            said = f"seed {seed} ({kind}: {how})"
            name = f"broken{seed}"
            digest = smuggle(
                process.models, kind.replace("smollm", "llama"), name, raw, n_zeros=n_zeros
            )
            create = {"model": f"{name}-made", "files": {"m.gguf": digest}, "stream": False}
            made = client.post("/api/create", json=create)
            assert is_clear(made), f"{said}: create: {made.status_code} {made.text}"
            worked = [made.status_code == 200]
            for what, answer in uses(client, name):
                assert is_clear(answer), f"{said}: {what}: {answer.status_code} {answer.text}"
                worked.append(answer.status_code == 200)
                tally[f"{what} {answer.status_code}"] += 1
            assert client.get("/api/version").status_code == 200, said
            assert client.get("/api/tags").status_code == 200, said
            assert process.is_alive, said
            tally["works" if worked[3] or worked[6] else "refused"] += 1
            client.request("DELETE", "/api/delete", json={"model": f"{name}-made"})
            remove(process.models, name, digest)
            assert wrong == [], said
            if seed % 25 == 24:  # a long run shall show where it is
                print(seed, dict(sorted(tally.items())), flush=True)  # noqa: T201
    return tally


@pytest.mark.timeout(400)
def test_some_damaged_files(engine, files):
    tally = check(engine, files, range(N_USUAL))

    assert tally["refused"] > 2  # else nothing was damaged


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_files(engine, files):
    tally = check(engine, files, range(N_USUAL, N_ALL))

    assert tally["refused"] > N_ALL // 3
    print(dict(sorted(tally.items())))  # noqa: T201 - the figures are what this test is run for


def test_an_empty_file_and_one_that_is_no_model(engine, files):
    process, client = engine
    for name, raw in {"empty": b"", "text": b"Once upon a time", "magic": b"GGUF"}.items():
        digest = smuggle(process.models, "llama", name, raw)
        for what, answer in uses(client, name):
            assert is_clear(answer), answer.text
            assert what == "show" or answer.status_code >= 400
        remove(process.models, name, digest)


def test_a_header_that_claims_a_petabyte_takes_no_memory(engine, files):
    process, client = engine
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0)
    tensor = (
        struct.pack("<Q", 17)
        + b"token_embd.weight"
        + struct.pack("<IQQIQ", 2, 1 << 25, 1 << 25, 0, 0)
    )
    digest = smuggle(process.models, "llama", "petabyte", head + tensor)

    for what, answer in uses(client, "petabyte"):
        assert is_clear(answer), answer.text
        assert what == "show" or answer.status_code >= 400
    remove(process.models, "petabyte", digest)
