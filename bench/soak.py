"""A mixed load on a real server for minutes → errors by kind, memory and open files over time.

python -m bench.soak [--minutes 30] [--clients 6] [--seed 4]

Ends with 1 if memory without the prefix cache grew by more than a tenth from the first third to
the last, if open files did, or if any answer was not the one expected.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx

from bench.machine import describe
from bench.starters import install

CHAT, EMBED = "smollm2:135m", "all-minilm:latest"
PERIOD_S = 10.0
START_S = 120.0
PATIENCE_S = 120.0  # no answer takes so long; a longer one is an error
MOST_GROWTH = 1.10
FILES_SLACK = 8  # a connection more or less is no leak
WORDS = [
    "copper",
    "salt",
    "glass",
    "amber",
    "ledger",
    "harbour",
    "orchard",
    "lantern",
    "velvet",
    "barn",
    "umbria",
    "keeper",
]
# (path, body, the status that it must have)
BAD = [
    ("/api/chat", {"model": "nope:7b", "messages": [{"role": "user", "content": "x"}]}, 404),
    ("/api/chat", {"model": CHAT, "messages": "x"}, 400),
    ("/api/generate", {"model": CHAT, "prompt": "x", "options": {"num_ctx": "big"}}, 500),
    ("/api/generate", {"model": CHAT, "prompt": "x", "format": {"type": "nonsense"}}, 400),
    ("/api/generate", {"model": CHAT, "prompt": "x", "format": "yaml"}, 500),
    ("/api/embed", {"model": EMBED, "input": 7}, 400),
    ("/v1/chat/completions", {"model": CHAT, "messages": []}, 400),
    ("/api/nowhere", {}, 404),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        process, url = start(Path(folder))
        try:
            tally, samples = run(process.pid, url, options)
            is_alive = process.poll() is None
        finally:
            process.terminate()
            process.wait(60)
        log = (Path(folder) / "output.log").read_text(encoding="utf-8", errors="replace")
    is_good = report(tally, samples, log)
    sys.exit(0 if is_alive and is_good else 1)


def start(home):
    """Start `quire serve --engine-only` with the starter models; return it and its address."""
    install(home / "models")
    more = {
        "HOME": str(home),
        "QUIRE_HOME": str(home / "quire"),
        "QUIRE_OFFLINE": "1",
        "OLLAMA_MODELS": str(home / "models"),
        "OLLAMA_PREFIX_CACHE": "32MiB",  # full within a minute, so that it looks like no leak
    }
    command = [sys.executable, "-m", "app.cli.main", "serve", "--port", "0", "--engine-only"]
    with (home / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **more},  # noqa: TID251
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        said = (home / "output.log").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"engine at (http\S+),", said):
            return process, ready(found[1])
        time.sleep(0.1)
    sys.exit((home / "output.log").read_text(encoding="utf-8", errors="replace")[-2000:])


def ready(url):
    """Wait until the address that was announced answers; give it back."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return url
        time.sleep(0.1)
    sys.exit(f"{url} does not answer")


def run(pid, url, options):
    """Let the clients loose and look at the process every few seconds."""
    tally, is_over, samples = Counter(), threading.Event(), []
    numbers = itertools.count()
    threads = [
        threading.Thread(target=client, args=(url, options.seed + n, numbers, tally, is_over))
        for n in range(options.clients)
    ]
    for one in threads:
        one.start()
    began = time.monotonic()
    while (now := time.monotonic() - began) < 60 * options.minutes and alive(pid):
        cached = cached_mb(url)
        samples.append((now, resident_mb(pid) - cached, open_files(pid)))
        print(
            f"{now:6.0f} s  {samples[-1][1]:7.0f} MB and {cached:5.0f} MB of prefixes  "
            f"{samples[-1][2]:4d} files  "
            f"{sum(tally.values()):6d} requests  {bad(tally)} unexpected",
            flush=True,
        )
        time.sleep(PERIOD_S)
    is_over.set()
    for one in threads:
        one.join(PATIENCE_S)
    return tally, samples


def client(url, seed, numbers, tally, is_over):
    draw = random.Random(seed)
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as http:
        while not is_over.is_set():
            next(numbers)
            kind = draw.choices(list(KINDS), weights=[weight for _, weight in KINDS.values()])[0]
            try:
                wrong = KINDS[kind][0](http, draw)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                wrong = repr(error)[:200]
            if wrong and not tally[kind, wrong]:
                print(f"unexpected: {kind}: {wrong}", flush=True)
            tally[kind, wrong or ""] += 1


def chat(http, draw):
    """Stream a follow-up over one of a few passages, so that prefixes are reused and evicted."""
    passage = " ".join(random.Random(draw.randrange(12)).choices(WORDS, k=draw.choice([20, 200])))
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": f"{passage}\n\n{text(draw, 6)}?"}],
        "options": {"num_predict": draw.choice([1, 16, 48])},
    }
    with http.stream("POST", "/api/chat", json=body) as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    return verdict(answer, is_good=bool(lines) and lines[-1].get("done") is True)


def generate(http, draw):
    body = {"model": CHAT, "prompt": text(draw, 30), "stream": False}
    if draw.random() < 0.3:
        body["format"] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    answer = http.post("/api/generate", json=body | {"options": {"num_predict": 24}})
    return verdict(answer, is_good=answer.json().get("done") is True)


def embed(http, draw):
    texts = [text(draw, draw.randrange(1, 150)) for _ in range(draw.choice([1, 4, 16]))]
    answer = http.post("/api/embed", json={"model": EMBED, "input": texts})
    return verdict(answer, is_good=len(answer.json().get("embeddings", [])) == len(texts))


def cancel(http, draw):
    body = {"model": CHAT, "prompt": text(draw, 40), "options": {"num_predict": 400}}
    with http.stream("POST", "/api/generate", json=body) as answer:
        for _ in itertools.islice(answer.iter_lines(), draw.randrange(4)):
            pass
        return verdict(answer, is_good=True)


def reload(http, draw):
    """Load a model in a second configuration and let it go again."""
    body = {"model": CHAT, "prompt": text(draw, 8), "stream": False, "keep_alive": 0}
    answer = http.post("/api/generate", json=body | {"options": {"num_ctx": 256, "num_predict": 4}})
    return verdict(answer, is_good=answer.json().get("done") is True)


def unload(http, draw):
    answer = http.post("/api/generate", json={"model": draw.choice([CHAT]), "keep_alive": 0})
    return verdict(answer, is_good=answer.json().get("done_reason") == "unload")


def look(http, draw):
    answer = http.get(draw.choice(["/api/ps", "/api/tags", "/readyz", "/metrics"]))
    return verdict(answer, is_good=True)


def wrong(http, draw):
    path, body, status = draw.choice(BAD)
    answer = http.post(path, json=body)
    return "" if answer.status_code == status else f"{path} {status}: {shown(answer)}"


KINDS = {
    "chat": (chat, 30),
    "generate": (generate, 20),
    "embed": (embed, 20),
    "cancel": (cancel, 12),
    "reload": (reload, 3),
    "unload": (unload, 2),
    "look": (look, 5),
    "bad request": (wrong, 8),
}


def text(draw, n_words):
    return " ".join(draw.choices(WORDS, k=n_words))


def verdict(answer, *, is_good):
    return "" if answer.status_code == 200 and is_good else shown(answer)


def shown(answer):
    try:
        return f"{answer.status_code} {answer.text[:160]}"
    except httpx.ResponseNotRead:
        return f"{answer.status_code} stream"


def bad(tally):
    return sum(count for (_, wrong), count in tally.items() if wrong)


def report(tally, samples, log):
    """Print what was seen; tell whether it is good."""
    print("| requests | done | unexpected |\n|---|---|---|")
    for kind in KINDS:
        n_good, n_all = tally[kind, ""], sum(n for (name, _), n in tally.items() if name == kind)
        print(f"| {kind} | {n_good} | {n_all - n_good} |")
    for (kind, wrong), count in tally.items():
        if wrong:
            print(f"unexpected, {count} times: {kind}: {wrong}")
    lines = [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line]
    print(f"error lines in the server's log: {len(lines)}", *lines[:10], sep="\n")
    third = max(1, len(samples) // 3)
    first, last = samples[:third], samples[-third:]
    before, after = (statistics.median(one[1] for one in part) for part in (first, last))
    files = [statistics.median(one[2] for one in part) for part in (first, last)]
    print(f"memory, median of the first and the last third: {before:.0f} MB, {after:.0f} MB")
    print(f"open files: {files[0]:.0f}, {files[1]:.0f}")
    has_grown = after > MOST_GROWTH * before or files[1] > files[0] + FILES_SLACK
    is_good = not has_grown and not bad(tally) and not lines
    print("good" if is_good else "NOT GOOD")
    return is_good


def alive(pid):
    return Path(f"/proc/{pid}/statm").exists() and open_files(pid) > 0


def resident_mb(pid):
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cached_mb(url):
    """Tell what the prefix cache holds: it fills up to its limit, and that is no leak."""
    with suppress(httpx.TransportError):
        said = httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text
        return sum(map(float, re.findall(r"^quire_prefix_cache_bytes\S* (\S+)", said, re.M))) / 1e6
    return 0.0


def open_files(pid):
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


if __name__ == "__main__":
    main()
