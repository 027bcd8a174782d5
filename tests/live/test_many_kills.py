"""`kill -9` of the real server, again and again, while uploads come in and a folder is edited."""

import contextlib
import random
import signal
import sqlite3
import threading
import time

import httpx
import pytest

from ingest.vectors import VectorIndex
from tests.live.conftest import all_documents, settled

N_KILLS = 50
TOPICS = ["copper", "salt", "wool", "timber", "glass", "amber"]
N_SECTIONS = 24  # each one is a chunk
SYNC_PATIENCE_S = 6.0  # for the vector index to begin to write its files


def text_of(name):
    topic = TOPICS[len(name) % len(TOPICS)]
    sections = (
        f"## Entry {k}\n\nIn {name} the harbour shipped {k * 17} barrels of {topic}."
        for k in range(N_SECTIONS)
    )
    return "\n\n".join([f"# Book {name}", *sections]) + "\n"


class Uploads:
    """Files that are sent one after the other until the server dies."""

    def __init__(self):
        self.accepted = set()
        self.unanswered = set()
        self._n = 0

    def send_until(self, url, is_over):
        while not is_over.is_set():
            names = [f"sent{self._n}x{k}" for k in range(2)]
            self._n += 1
            files = [
                ("files", (f"{one}.md", text_of(one).encode(), "text/markdown")) for one in names
            ]
            try:
                answer = httpx.post(
                    f"{url}/kb/documents", files=files, data={"collection": "sent"}, timeout=30
                )
            except httpx.HTTPError:
                self.unanswered.update(names)
                return
            assert answer.status_code == 202, answer.text
            self.accepted.update(names)
            is_over.wait(1.0)


class Folder:
    """A watched folder under somebody's hands."""

    def __init__(self, path, chance):
        path.mkdir(parents=True)
        self.path, self._chance, self._n = path, chance, 0

    def edit_until(self, is_over):
        while not is_over.wait(self._chance.uniform(0.05, 0.4)):
            files = sorted(self.path.glob("*.md"))
            kind = self._chance.choice(["new", "new", "rename", "rewrite", "delete"])
            self._n += 1
            new = self.path / f"kept{self._n}.md"
            if kind == "new" or len(files) < 5:
                new.write_text(text_of(new.stem), encoding="utf-8")
            elif kind == "rename":
                self._chance.choice(files).rename(new)
            elif kind == "rewrite":
                temporary = self.path / ".writing"
                temporary.write_text(text_of(f"again{self._n}"), encoding="utf-8")
                temporary.replace(self._chance.choice(files))
            else:
                self._chance.choice(files).unlink()


def wait_for_sync(home, patience_s):
    """Wait until the vector index begins to write its files; tell whether it did."""

    def state():
        return {path: path.stat().st_mtime_ns for path in (home / "chroma").rglob("*.bin")}

    deadline = time.monotonic() + patience_s
    with contextlib.suppress(OSError):
        before = state()
        while time.monotonic() < deadline:
            if state() != before:
                return True
            time.sleep(0.001)
    return False


def kill_under_load(process, uploads, folder, moment):
    """Work on everything, kill at a moment of one's choice; give what that returned."""
    is_over = threading.Event()
    hands = [
        threading.Thread(target=uploads.send_until, args=(process.url, is_over)),
        threading.Thread(target=folder.edit_until, args=(is_over,)),
    ]
    for one in hands:
        one.start()
    told = moment()
    process.end(signal.SIGKILL)
    is_over.set()
    for one in hands:
        one.join(60)
    return told


def follows(client, folder, patience_s=120):
    """Wait until the folder's collection has its paths."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        settled(client, 600)
        shown = sorted(path for one in all_documents(client, "kept") for path in paths_of(one))
        if shown == sorted(path.name for path in folder.path.glob("*.md")):
            return
        time.sleep(0.5)
    raise AssertionError(shown)


def paths_of(document):
    return document.get("paths") or [document["path"]]


def check_texts(client, expected, collection):
    """Make sure that each text is there once under its paths, and found by its words."""
    found = all_documents(client, collection)
    texts = [client.get(f"/kb/documents/{one['id']}/text").json()["text"] for one in found]
    assert len(set(texts)) == len(texts)
    shown = {
        path.removesuffix(".md"): text
        for one, text in zip(found, texts, strict=True)
        for path in paths_of(one)
    }
    assert expected.items() <= shown.items()
    for name, text in expected.items():
        word = text.partition("\n")[0].removeprefix("# Book ")
        body = {"query": f"barrels in {word}", "collection": collection}
        hits = client.post("/kb/search", json=body).json()["hits"]
        assert word in hits[0]["text"], (name, word)
    return shown


def check_stores(home):
    """Make sure that the catalogue is whole and the vector index holds the same."""
    with contextlib.closing(sqlite3.connect(home / "kb.sqlite3")) as database:
        ask = lambda query: database.execute(query).fetchall()  # noqa: E731
        assert ask("pragma integrity_check") == [("ok",)]
        assert ask("pragma foreign_key_check") == []
        chunks = ask("SELECT collection_id, id FROM chunks")
        unused = "SELECT 1 FROM vectors WHERE key NOT IN (SELECT vector_key FROM chunks)"
        assert ask(unused) == []
        assert ask("SELECT 1 FROM job_files WHERE state = 'waiting'") == []
    index = VectorIndex(home / "chroma")
    try:
        for space in {space for space, _ in chunks}:
            assert index.ids(space) == {chunk for one, chunk in chunks if one == space}
    finally:
        index.close()
    assert list((home / "staging").rglob("*")) == []
    return len(chunks)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills_under_load_lose_and_double_nothing(quire, tmp_path):
    chance = random.Random(5)
    uploads, folder = Uploads(), Folder(tmp_path / "watched", chance)
    process = quire()
    client = process.start()
    body = {"folder": str(folder.path), "collection": "kept"}
    assert client.post("/kb/watched", json=body).is_success
    n_in_sync = 0
    for n in range(N_KILLS):
        delay_s = chance.uniform(0.05, 3.0)
        if n % 3:
            kill_under_load(process, uploads, folder, lambda: time.sleep(delay_s))  # noqa: B023
        else:
            n_in_sync += kill_under_load(
                process, uploads, folder, lambda: wait_for_sync(process.home, SYNC_PATIENCE_S)
            )
        client = process.start()
    follows(client, folder)

    accepted = {name: text_of(name) for name in uploads.accepted}
    shown = check_texts(client, accepted, "sent")
    assert shown.keys() <= uploads.accepted | uploads.unanswered
    kept = {one.stem: one.read_text(encoding="utf-8") for one in folder.path.glob("*.md")}
    assert check_texts(client, kept, "kept").keys() == kept.keys()
    assert process.end(signal.SIGTERM) == 0
    process.start()
    assert process.end(signal.SIGTERM) == 0
    n_chunks = check_stores(process.home)
    print(  # noqa: T201 - figures for who runs it with -s
        f"{N_KILLS} kills, {n_in_sync} while the index wrote its files; {len(accepted)} uploads "
        f"accepted, {len(shown)} there; {len(kept)} files followed; {n_chunks} chunks"
    )
