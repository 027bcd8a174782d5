"""`kill -9` of the real server in the middle of an ingest, and torn vector files."""

import signal
import sqlite3
import time

from tests.live.conftest import all_documents, finished

N_FILES = 60
N_TORN = 40
N_ENTRIES = 20  # of each; some are cut in two
TOPICS = ["copper", "salt", "wool", "timber", "glass", "amber"]


def documents(n_files):
    for n in range(n_files):
        topic = TOPICS[n % len(TOPICS)]
        body = "\n\n".join(
            f"Ledger {n}, entry {k}: the harbour shipped {n * 100 + k} barrels of {topic}."
            for k in range(N_ENTRIES)
        )
        yield f"ledger-{n}.md", f"# Ledger {n}\n\n{body}\n".encode()


def send(client, n_files=N_FILES):
    files = [("files", (name, data, "text/markdown")) for name, data in documents(n_files)]
    answer = client.post("/kb/documents", files=files, data={"collection": "ledgers"})
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def wait_until_some(client, job_id, n):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = client.get(f"/kb/jobs/{job_id}").json()
        if job["n_done"] >= n:
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing happens: {job}")


def check_whole(quire, client, n_files=N_FILES):
    found = all_documents(client, "ledgers")
    assert sorted(one["path"] for one in found) == sorted(name for name, _ in documents(n_files))
    for one in found:
        text = client.get(f"/kb/documents/{one['id']}/text").json()["text"]
        assert text.startswith("# Ledger")
    body = {"query": "who shipped 3712 barrels", "collection": "ledgers"}
    hits = client.post("/kb/search", json=body).json()["hits"]
    assert hits[0]["path"] == "ledger-37.md"
    with sqlite3.connect(quire.home / "kb.sqlite3") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_killed_three_times_in_the_middle_it_finishes_without_loss_or_double(quire):
    process = quire()
    client = process.start()
    job_id = send(client)
    for n_done in (3, 15, 35):
        wait_until_some(client, job_id, n_done)
        process.end(signal.SIGKILL)
        client = process.start()

    job = finished(client, job_id)

    assert (job["state"], job["errors"]) == ("done", [])
    check_whole(process, client)
    again = finished(client, send(client))
    assert (again["n_stored"], again["n_skipped"]) == (0, N_FILES)
    assert process.end(signal.SIGTERM) == 0


def test_torn_vector_files_after_a_kill_do_not_take_the_server_down(quire):
    process = quire()
    client = process.start()
    finished(client, send(client, N_TORN))
    process.end(signal.SIGKILL)
    torn = [path for path in (process.home / "chroma").rglob("*.bin") if path.stat().st_size > 100]
    assert torn
    for path in torn:
        size = path.stat().st_size
        path.write_bytes(b"\xff" * (size // 2))

    client = process.start()

    check_whole(process, client, N_TORN)
    assert client.get("/healthz").json() == {"status": "ok"}
