"""A whole server → time to ready, first paint of the pages, their memory, what a key costs.

python -m bench.serving [--runs 5] [--requests 2000]

The samples are indexed once, so that every start finds models and a library. What a key costs is
the difference between a server that asks for keys, audits and limits, and one that does not, asked
in turn; processor time of the machine's other work falls on both.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from bench.machine import describe
from bench.resident import resident_mb
from bench.starters import install

START_S = 120.0
CHROMIUM = "/usr/bin/chromium"
PATHS = ("/healthz", "/kb/collections", "/api/version")
PAINTED = (
    "() => performance.getEntriesByType('paint')"
    ".find(one => one.name === 'first-contentful-paint')?.startTime"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="of each path and server")
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        install(home / "models")
        with served(home):
            time.sleep(1)  # the first start makes the library; it is not counted
        starts(home, options.runs)
        pages(home)
        overhead(home, options.requests)


def starts(home, n_runs):
    seconds = []
    for _ in range(n_runs):
        with served(home) as (_, _, took_s):
            seconds.append(took_s)
    told = ", ".join(f"{one:.1f}" for one in seconds)
    print(f"`quire up` to /readyz 200: median {statistics.median(seconds):.1f} s ({told})")


def pages(home):
    """Paint a page in Chromium, and say what the pages take of memory."""
    with served(home, "--no-ui") as (process, _, _):
        time.sleep(5)
        without = resident_mb(process.pid)
    with served(home) as (process, url, _):
        time.sleep(5)
        warm = resident_mb(process.pid)
        print(f"memory 5 s after ready: {without:.0f} MB without pages, {warm:.0f} MB with them")
        if shutil.which(CHROMIUM) is None:
            print("no Chromium: first paint not measured")
            return
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for number in range(10):
                page = browser.new_context().new_page()
                began = time.monotonic()
                page.goto(f"{url}/ui/")
                page.get_by_role("heading").first.wait_for(timeout=60_000)
                heading_s = time.monotonic() - began
                if number in {0, 1, 9}:
                    painted = page.evaluate(PAINTED)
                    told = f"first paint {painted:.0f} ms, heading {heading_s:.1f} s"
                    print(f"visit {number + 1}: {told}")
            print(f"memory with 10 sessions: {resident_mb(process.pid):.0f} MB")
            browser.close()


def overhead(home, n_requests):
    key = add_key(home)
    locked = {"QUIRE_AUTH": "on", "QUIRE_RATE_LIMIT": "1000000"}
    other = home / "other"
    shutil.copytree(home / "quire", other, ignore=shutil.ignore_patterns("server.*", "*.lock"))
    plain = {"QUIRE_HOME": str(other), "QUIRE_AUDIT": "off"}
    with (
        served(home, "--no-ui", **locked) as (_, with_keys, _),
        served(home, "--no-ui", **plain) as (_, without, _),
        httpx.Client(base_url=with_keys, headers={"Authorization": f"Bearer {key}"}) as first,
        httpx.Client(base_url=without) as second,
    ):
        for path in PATHS:
            times = {first: [], second: []}
            for _ in range(n_requests):
                for client, taken in times.items():
                    began = time.perf_counter()
                    assert client.get(path).status_code == 200
                    taken.append(1000 * (time.perf_counter() - began))
            told = {
                quantile: [statistics.quantiles(one, n=100)[quantile - 1] for one in times.values()]
                for quantile in (50, 95)
            }
            for quantile, (locked_ms, open_ms) in told.items():
                print(
                    f"{path} p{quantile}: {locked_ms:.2f} ms with keys, audit and limits, "
                    f"{open_ms:.2f} ms without: {locked_ms - open_ms:+.2f} ms"
                )


def add_key(home):
    command = [sys.executable, "-m", "app.cli.main", "keys", "add", "bench", "--scope", "admin"]
    said = subprocess.run(
        command, env=environment(home), capture_output=True, text=True, check=True
    )
    return re.search(r"qk_\S+", said.stdout)[0]


def environment(home, **more):
    return {
        **os.environ,  # noqa: TID251
        "HOME": str(home),
        "QUIRE_HOME": str(home / "quire"),
        "QUIRE_OFFLINE": "1",
        "OLLAMA_MODELS": str(home / "models"),
        **more,
    }


@contextmanager
def served(home, *flags, **more):
    """Run `quire up`; give the process, its address and the seconds until it was ready."""
    env = environment(home, **more)
    address = Path(env["QUIRE_HOME"]) / "server.url"
    address.unlink(missing_ok=True)
    began = time.monotonic()
    log = home / "output.log"
    with log.open("ab") as output:
        command = [sys.executable, "-m", "app.cli.main", "up", "--port", "0", *flags]
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        while time.monotonic() < began + START_S and process.poll() is None:
            with suppress(OSError, IndexError, httpx.TransportError):
                url = address.read_text(encoding="utf-8").split()[0].rstrip("/")
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    break
            time.sleep(0.05)
        else:
            sys.exit(log.read_text(encoding="utf-8", errors="replace")[-2000:])
        yield process, url, time.monotonic() - began
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
