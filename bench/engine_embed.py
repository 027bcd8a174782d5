"""A server, the bare loop, maybe the peer in; rows about embedding and what runs beside it out."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from contextlib import contextmanager

from bench.bare import embedder, step_s
from bench.engine_chat import N_PREDICT, N_WORDS, alternating
from bench.engine_client import ask, ask_all, client, cold, embed, words
from bench.engine_table import Row, Seen, limit, median, speed
from bench.resident import resident_mb

N_TEXTS = 32
N_IDLE_MB = 250
OVERHEAD_STREAMS = 16


def embedding(sides, files, runs, n_calls=3):
    """Embed as many texts a call as an ingest does: here, there and without any server."""
    lengths = {"of about 200 tokens": [170] * N_TEXTS, "of 10 to 240 tokens": _mixed()}
    with client() as http, embedder(files.embedding) as bare:
        ways = [("ours", lambda texts: embed(http, sides[0], texts)), ("bare", bare)]
        if len(sides) > 1 and sides[1].embed_url:
            ways.append(("llama-server", lambda texts: embed(http, sides[1], texts)))
        clocks = {side.name: side for side in sides}
        for what, sizes in lengths.items():
            seen = {name: Seen() for name in ("ours", "bare", "llama-server")}
            for run in range(runs):
                for name, way in ways if run % 2 == 0 else ways[::-1]:
                    before_s = _cpu_s(clocks.get(name))
                    seen[name].values.append(_texts_a_second(way, sizes, n_calls))
                    seen[name].cpu_s.append(_cpu_s(clocks.get(name)) - before_s)
            measure = f"embedding, {N_TEXTS} texts {what} a call, /api/embed"
            ours, plain, peer = seen.values()
            more = {"unit": "texts/s", "cpu": (ours.cpu_s, plain.cpu_s), "other": "the bare loop"}
            yield speed(measure, ours.values, plain.values, at_least=0.9, **more)
            more = {"unit": "texts/s", "cpu": (ours.cpu_s, peer.cpu_s)}
            yield speed(measure, ours.values, peer.values, at_least=1.0, **more)


def _cpu_s(side):
    """Tell the processor time of a side; of this process where it computes itself."""
    return time.process_time() if side is None else side.cpu_s


def _mixed():
    return [8 + (at * 37) % 200 for at in range(N_TEXTS)]


def _texts_a_second(way, sizes, n_calls):
    calls = [[words(size) for size in sizes] for _ in range(n_calls)]
    began_s = time.perf_counter()
    for texts in calls:
        assert len(way(texts)) == len(texts)
    return n_calls * len(sizes) / (time.perf_counter() - began_s)


def beside_ingest(sides, files, runs):
    """Stream while an ingest embeds without pause: inside the process, then by HTTP."""
    from pathlib import Path

    from engine.config import EngineSettings
    from engine.engine import Engine
    from engine.types import ChatRequest, Final, Message, Priority

    def one_stream(engine):
        messages = tuple(Message(one["role"], one["content"]) for one in cold(N_WORDS))
        options = {"temperature": 0.8, "num_predict": 96, "logit_bias": {"2": -100}}
        request = ChatRequest("smollm2:135m", messages, options=options)
        final = next(one for one in engine.chat(request) if isinstance(one, Final))
        return final.n_generated / (final.generate_ns / 1e9)

    settings = EngineSettings(Path(files.models_dir), keep_alive_s=-1, n_ctx=2048, n_parallel=4)
    idle, busy, n_embedded = [], [], []
    with Engine(settings) as engine:
        one_stream(engine)
        texts = [words(170) for _ in range(N_TEXTS)]

        def ingest():
            engine.embed("all-minilm", texts, priority=Priority.BACKGROUND)

        ingest()
        for _ in range(runs):
            idle.append(one_stream(engine))
            with _without_pause(ingest) as rounds:
                busy.append(one_stream(engine))
            n_embedded.append(rounds[0] * N_TEXTS / rounds[1])
    name = "decode of 1 stream while an ingest embeds without pause"
    more = f"{name} (meanwhile {median(n_embedded):.0f} texts/s)"
    yield speed(more, busy, idle, at_least=0.5, other="idle")
    yield from _beside_http(sides[0], runs)


def _beside_http(side, runs):
    async def one_stream(at):
        answer = await ask(at.chat_url, cold(N_WORDS), 96)
        return (answer.n_generated - 1) / (answer.times_s[-1] - answer.times_s[0])

    texts = [words(170) for _ in range(N_TEXTS)]
    idle, busy = [], []
    with client() as http:
        for _ in range(runs):
            idle.append(asyncio.run(one_stream(side)))
            with _without_pause(lambda: embed(http, side, texts)):
                busy.append(asyncio.run(one_stream(side)))
    measure = f"decode of 1 stream while a client sends {N_TEXTS} texts a call to /api/embed"
    yield speed(measure, busy, idle, at_least=0.5, other="idle")


@contextmanager
def _without_pause(work):
    is_over, rounds, began_s = threading.Event(), [0, 0.0], time.perf_counter()

    def again():
        while not is_over.is_set():
            work()
            rounds[0] += 1

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    try:
        yield rounds
    finally:
        is_over.set()
        thread.join(60)
        rounds[1] = time.perf_counter() - began_s


def overhead(sides, files, runs):
    """Hold the pauses between tokens of 16 streams against a step of the bare loop."""

    async def pause(side):
        conversations = [cold(N_WORDS) for _ in range(OVERHEAD_STREAMS)]
        answers = await ask_all(side.chat_url, conversations, N_PREDICT)
        begin_s = max(one.times_s[0] for one in answers)
        end_s = min(one.times_s[-1] for one in answers)
        n_tokens = sum(one.tokens_between(begin_s, end_s) for one in answers)
        return (end_s - begin_s) * len(answers) / n_tokens

    bare, ours, others = [], [], []
    for _ in range(runs):
        bare.append(step_s(files.chat, OVERHEAD_STREAMS, 1))
        one, other = alternating(sides, 1, pause)
        ours, others = ours + one.values, others + other.values
    shares = [100 * (one / plain - 1) for one, plain in zip(ours, bare, strict=True)]
    seen = [100 * (one / plain - 1) for one, plain in zip(others, bare, strict=False)]
    measure = (
        f"HTTP and Python (this client too), share of a step of {OVERHEAD_STREAMS} streams "
        f"({1e3 * median(bare):.1f} ms without)"
    )
    yield limit(measure, shares, at_most=5, unit="%", digits=1, seen=seen)


def switching(side, runs):
    """Let two models take each other's place, where only one is kept."""
    waits = []
    with client() as http:
        for _ in range(2 * runs + 1):
            for path, body in (("/api/chat", _hello()), ("/api/embed", _embed_one())):
                began_s = time.perf_counter()
                http.post(side.chat_url + path, json=body).raise_for_status()
                waits.append(time.perf_counter() - began_s)
    switches = waits[2:]  # the first ones try the model in a child process
    row = limit("model switch, starter models", switches, at_most=1, unit="s", digits=2)
    yield Row(
        f"{row.measure} (slowest {max(switches):.2f})", row.ours, bar="< 1 s", is_met=row.is_met
    )


def _hello():
    messages = [{"role": "user", "content": "Hello"}]
    return {
        "model": "smollm2:135m",
        "messages": messages,
        "stream": False,
        "options": {"num_predict": 1},
    }


def _embed_one():
    return {"model": "all-minilm", "input": "one text"}


def idle(side, what):
    """Tell the memory of a server without a model."""
    time.sleep(1)
    used = [resident_mb(side.pids[0]) for _ in range(3)]
    yield limit(
        f"memory without a model, {what}", [statistics.median(used)], at_most=N_IDLE_MB, unit="MB"
    )
