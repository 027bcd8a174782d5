"""Libraries made to be killed: one process imports everything and forks one for each connection.

Orders come as lines of JSON, answers go back the same way; a library dies with a signal of its own
at a step boundary that was named, or by one from outside. What it embeds it writes down at once,
and the catalogue writes down itself, in the same transactions, which vectors come and go.
"""

import json
import os
import select
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

import chromadb  # noqa: F401 - once, for all forks
import numpy as np

from ingest import faults, vectors
from ingest.generations import ProbeResult
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, bag_of_terms, load_plain

KEPT = "vectors kept"  # from here on they are paid for
LEDGER = """
CREATE TABLE IF NOT EXISTS ledger (what TEXT, key BLOB);
CREATE TABLE IF NOT EXISTS used (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS note_kept AFTER INSERT ON vectors BEGIN
    INSERT INTO ledger VALUES ('kept', new.key);
    DELETE FROM used WHERE key = new.key;
END;
CREATE TRIGGER IF NOT EXISTS note_used AFTER INSERT ON chunks BEGIN
    INSERT OR IGNORE INTO used VALUES (new.vector_key);
END;
CREATE TRIGGER IF NOT EXISTS note_freed AFTER DELETE ON vectors BEGIN
    INSERT INTO ledger SELECT CASE
        WHEN EXISTS (SELECT 1 FROM chunks WHERE vector_key = old.key) THEN 'torn away'
        WHEN EXISTS (SELECT 1 FROM used WHERE key = old.key) THEN 'freed'
        WHEN EXISTS (SELECT 1 FROM jobs WHERE state IN ('queued', 'running')) THEN 'wasted'
        ELSE 'freed' END, old.key;
END;
"""


class Library:
    """One library and what it is told."""

    def __init__(self) -> None:
        self.kb = None
        self.log = -1
        self.n_steps = 0
        self.dies_at = ""
        self.dies_after = 0

    def open(self, home, log):
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(self.log, b"opened\n")
        faults.install(self.pass_by)
        model = FakeModel()

        def embed(texts, is_query):
            lines = [json.dumps(text) for text in (() if is_query else texts)]
            os.write(self.log, "".join(f"{line}\n" for line in lines).encode())
            return model.embed(texts, is_query)

        limits = {"chunk_tokens": 40, "max_file_bytes": 1_000_000}
        self.kb = KnowledgeBase(Path(home), model.embedder(embed=embed), load=load_plain, **limits)
        with closing(sqlite3.connect(Path(home) / "kb.sqlite3", timeout=30)) as connection:
            connection.executescript(LEDGER)

    def pass_by(self, name):
        if name == KEPT:
            os.write(self.log, b"kept\n")
        self.n_steps += 1
        if name == self.dies_at or self.n_steps == self.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self, name="", n_steps=0):
        """Die at a step boundary by its name, or at the so-manieth from now."""
        self.n_steps, self.dies_at, self.dies_after = 0, name, n_steps

    def send(self, collection, files):
        return self.kb.submit(collection, [(name, text.encode()) for name, text in files.items()])

    def sync(self, folder, collection):
        return self.kb.sync(Path(folder), collection, is_confirmed=True)

    def settle(self, folders=None):
        """Wait for what is queued, then follow folders; give by collection what went wrong."""
        for job in self.kb.jobs():
            assert self.kb.wait(job.id, 150).state in {"done", "failed"}
        found = {}
        for folder, name in (folders or {}).items():
            job = self.kb.wait(self.sync(folder, name), 150)
            found[name] = sorted(error.path for error in job.errors)
            assert job.state == "done" or found[name], job
        return found

    def n_files(self, folder, collection):
        return self.kb.wait(self.sync(folder, collection), 150).n_files

    def delete_document(self, path):
        found = [one.id for one in self.kb.documents(limit=1000)[0] if path in one.paths]
        for one in found:
            self.kb.delete_document(one)

    def delete_collection(self, name):
        self.kb.delete_collection(name)

    def index(self, collection, space):
        """Tell what the vector index holds and how far its scores are from the catalogue's."""
        held = sorted(self.kb._index.ids(space)) if space is not None else []
        ids, vectors, _ = self.kb._documents.vectors_of(held)
        query = bag_of_terms("tea and coffee about cocoa 水 file word")
        hits = self.kb.dense(collection, query, 1_000) if held else []
        should = dict(zip(ids, (vectors @ query).tolist(), strict=True)) if ids else {}
        worst = [abs(hit.score - should.get(hit.chunk_id, np.inf)) for hit in hits]
        return {"ids": held, "n_found": len(hits), "worst": max(worst, default=0.0)}

    def status(self):
        return dict(self.kb.status())

    def close(self):
        self.kb.close()


def probe_in_fork(generation, _timeout_s):
    """Touch an index in a child as the library does, but in one that has imported everything."""
    child = os.fork()
    if child == 0:
        try:
            vectors.probe(str(generation))
        except BaseException:  # noqa: BLE001 - any end but a good one tells
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return ProbeResult(is_healthy=status == 0, reason=f"status {status}")


def serve(peer):
    library = Library()
    with peer, peer.makefile("r", encoding="utf-8") as lines:
        peer.sendall(json.dumps(os.getpid()).encode() + b"\n")
        for line in lines:
            order = json.loads(line)
            try:
                answer = {"is": getattr(library, order.pop("do"))(**order)}
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                answer = {"error": f"{type(error).__name__}: {error}"}
            peer.sendall(json.dumps(answer).encode() + b"\n")


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    vectors.probe_in_child = probe_in_fork
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[2])
        listener.listen()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            peer, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                # The probe of a torn index is a child that must be waited for.
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                serve(peer)
                sys.stderr.flush()
                os._exit(0)
            peer.close()


if __name__ == "__main__":
    main()
