"""200 clients on a whole server for minutes → statuses, latencies, memory; then SIGTERM, SIGKILL.

python -m bench.load [--minutes 10] [--clients 200] [--keys]

Half of the clients ask for the health, most others search, some chat with the starter model, a few
upload. With `--keys` each shows a key, and rates and the audit log are on. Ends with 1 if any
answer was neither good nor 429 or 503 with Retry-After, if memory of the last third is more than a
tenth above that of the second, if SIGTERM did not end the server cleanly, or if an upload that was
acknowledged is not there after SIGKILL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

import httpx

from bench.machine import describe
from bench.resident import resident_mb
from bench.starters import install

CHAT = "smollm2:135m"
QUESTIONS = ("Who built the lighthouse?", "How high is the tower?", "灯塔有多高？", "late delivery")
START_S, PATIENCE_S, PERIOD_S = 120.0, 180.0, 10.0
MOST_GROWTH = 1.10
N_FACTS = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--keys", action="store_true")
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        install(home / "models")
        is_good = measured(home, options)
    sys.exit(0 if is_good else 1)


def measured(home, options):
    key = add_key(home) if options.keys else ""
    process, url = start(home, with_keys=options.keys)
    fill(url, key)
    told = Told()
    samples = asyncio.run(load(process.pid, url, key, options, told))
    told.show()
    is_flat = flat(samples)
    is_clean = terminated(process)
    process, url = start(home, with_keys=options.keys)
    is_kept = kept_after_kill(process, url, key, home, options)
    verdicts = {
        "no unexpected answer": not told.bad,
        "memory flat": is_flat,
        "SIGTERM clean": is_clean,
        "SIGKILL loses nothing acknowledged": is_kept,
    }
    for name, is_met in verdicts.items():
        print(f"{name}: {'yes' if is_met else 'NO'}")
    return all(verdicts.values())


class Told:
    """What was answered."""

    def __init__(self):
        self.statuses, self.times, self.bad = Counter(), defaultdict(list), Counter()

    def note(self, kind, response, seconds):
        """Count one answer."""
        status = response.status_code
        self.statuses[kind, status] += 1
        self.times[kind].append(seconds)
        is_told_to_wait = status in {429, 503} and "retry-after" in response.headers
        if status >= 300 and not is_told_to_wait:
            self.bad[f"{kind} {status} {response.text[:120]}"] += 1

    def show(self):
        """Print what was counted."""
        for (kind, status), n in sorted(self.statuses.items()):
            print(f"{kind:16} {status}  {n:8,}")
        for kind, times in sorted(self.times.items()):
            cut = statistics.quantiles(times, n=20) if len(times) > 1 else times * 19
            print(f"{kind:16} p50 {statistics.median(times):.3f} s, p95 {cut[18]:.3f} s")
        for text, n in self.bad.most_common(10):
            print(f"UNEXPECTED {n} x {text}")


def environment(home, *, with_keys):
    return {
        **os.environ,  # noqa: TID251
        "HOME": str(home),
        "QUIRE_HOME": str(home / "quire"),
        "QUIRE_OFFLINE": "1",
        "OLLAMA_MODELS": str(home / "models"),
        "QUIRE_CHAT_MODEL": CHAT,
        "OLLAMA_PREFIX_CACHE": "32MiB",  # full within a minute, so that it looks like no leak
        "QUIRE_AUTH": "on" if with_keys else "auto",
    }


def add_key(home):
    command = [sys.executable, "-m", "app.cli.main", "keys", "add", "load", "--scope", "admin"]
    said = subprocess.run(
        command, env=environment(home, with_keys=True), capture_output=True, text=True, check=True
    )
    return re.search(r"qk_\S+", said.stdout)[0]


def start(home, *, with_keys):
    """Start the whole server; give the process and its address once it is ready."""
    address = home / "quire" / "server.url"
    address.unlink(missing_ok=True)
    command = [sys.executable, "-m", "app.cli.main", "serve", "--port", "0"]
    with (home / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command, env=environment(home, with_keys=with_keys), stdout=output, stderr=output
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, IndexError, httpx.TransportError):
            url = address.read_text(encoding="utf-8").split()[0].rstrip("/")
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return process, url
        time.sleep(0.1)
    sys.exit((home / "output.log").read_text(encoding="utf-8", errors="replace")[-2000:])


def headers(key):
    return {"Authorization": f"Bearer {key}"} if key else {}


def fact(number):
    built = 1700 + number
    return f"# Tower {number}\n\nTower {number} is {number + 20} metres high, built in {built}.\n"


def upload(client, names, collection="default"):
    """Send files; give the job's id, which is the acknowledgement."""
    files = [("files", (f"{name}.md", fact(name).encode())) for name in names]
    reply = client.post("/kb/documents", files=files, data={"collection": collection})
    reply.raise_for_status()
    return reply.json()["job_id"]


def fill(url, key):
    with httpx.Client(base_url=url, headers=headers(key), timeout=120) as client:
        wait_for(client, upload(client, range(N_FACTS)))


def wait_for(client, job_id):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if client.get(f"/kb/jobs/{job_id}").json()["state"] in {"done", "failed"}:
            return
        time.sleep(0.2)
    sys.exit(f"job {job_id} does not end")


async def load(pid, url, key, options, told):
    """Let the clients loose; look at the process every few seconds."""
    deadline, samples = time.monotonic() + 60 * options.minutes, []
    # Each has a client of its own: one for all looks through its connections at each request,
    # which takes longer than the server takes, and would be measured in its place.
    clients = [
        httpx.AsyncClient(
            base_url=url, headers=headers(key), timeout=PATIENCE_S, trust_env=False, verify=False
        )
        for _ in range(options.clients)
    ]
    tasks = [
        asyncio.create_task(one_client(client, number, deadline, told))
        for number, client in enumerate(clients)
    ]
    while time.monotonic() < deadline:
        await asyncio.sleep(PERIOD_S)
        samples.append(resident_mb(pid))
        total = sum(told.statuses.values())
        print(f"{total:8,} answers  {samples[-1]:6.0f} MB  {sum(told.bad.values())} unexpected")
    await asyncio.gather(*tasks)
    await asyncio.gather(*(client.aclose() for client in clients))
    return samples


async def one_client(client, number, deadline, told):
    rng = random.Random(number)
    kind = (
        "health" if number % 2 else ("chat", "search", "search", "ask", "search")[number // 2 % 5]
    )
    await asyncio.sleep(rng.random() * 2)
    while time.monotonic() < deadline:
        began = time.monotonic()
        try:
            response = await send(client, kind, rng)
        except httpx.HTTPError as error:
            told.bad[f"{kind} {type(error).__name__}: {error}"] += 1
            await asyncio.sleep(1)
            continue
        # What is cheap is told by its path: only so it shows which of them has to wait.
        name = response.request.url.path if kind == "health" else kind
        told.note(name, response, time.monotonic() - began)
        rest = float(response.headers.get("retry-after", 0)) or rng.random()
        await asyncio.sleep(min(rest, 5.0))


async def send(client, kind, rng):
    question = rng.choice(QUESTIONS)
    if kind == "health":
        return await client.get(rng.choice(("/healthz", "/readyz", "/kb/collections")))
    if kind == "search":
        return await client.post("/kb/search", json={"query": question})
    if kind == "ask":
        return await client.post("/kb/query", json={"question": question})
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": question}],
        "stream": False,
        "options": {"num_predict": 16},
    }
    return await client.post("/api/chat", json=body)


def flat(samples):
    """Tell whether the last third is no more than a tenth above the second."""
    third = len(samples) // 3
    if not third:
        print("memory: too short a run to tell")
        return False
    second, last = (
        statistics.median(one) for one in (samples[third : 2 * third], samples[2 * third :])
    )
    print(f"memory: second third {second:.0f} MB, last third {last:.0f} MB")
    return last <= second * MOST_GROWTH


def terminated(process):
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(120)
    print(f"SIGTERM: exit {code} after {time.monotonic() - began:.1f} s")
    return code == 0


def kept_after_kill(process, url, key, home, options):
    """Upload, kill at once, start again: all that was acknowledged must come in."""
    names = []
    with httpx.Client(base_url=url, headers=headers(key), timeout=120) as client:
        for number in range(10_000, 10_020):
            upload(client, [number], "kept")
            names.append(f"{number}.md")
        process.kill()
        process.wait(30)
    process, url = start(home, with_keys=options.keys)
    try:
        with httpx.Client(base_url=url, headers=headers(key), timeout=120) as client:
            deadline = time.monotonic() + PATIENCE_S
            found = set()
            while time.monotonic() < deadline and not set(names) <= found:
                params = {"collection": "kept", "limit": 1000}
                answer = client.get("/kb/documents", params=params)
                found = {Path(one["path"]).name for one in answer.json().get("documents", [])}
                time.sleep(0.5)
    finally:
        process.terminate()
        process.wait(60)
    print(f"SIGKILL: {len(set(names) & found)} of {len(names)} acknowledged uploads are there")
    return set(names) <= found


if __name__ == "__main__":
    main()
