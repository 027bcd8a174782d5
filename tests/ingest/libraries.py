"""Libraries in processes of their own: open, told, killed, read back."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

from tests.fakes import FakeModel

ROOT = Path(__file__).resolve().parents[2]


class DiedError(Exception):
    """The library's process is gone."""


class Library:
    """One library in a process of its own."""

    def __init__(self, address, home):
        self.home = home
        self.log = home.with_name(home.name + ".log")
        self._peer = socket.socket(socket.AF_UNIX)
        self._peer.settimeout(200)
        self._peer.connect(str(address))
        # Not one for both: what was read ahead would be lost at the next write.
        self._lines = self._peer.makefile("r", encoding="utf-8")
        self._n_unheard = 0
        self.pid = json.loads(self._lines.readline())
        self.tell("open", home=str(home), log=str(self.log))

    def tell(self, do, **order):
        """Give an order without waiting for its end."""
        try:
            self._peer.sendall(json.dumps({"do": do, **order}).encode() + b"\n")
        except BrokenPipeError:
            raise DiedError from None
        self._n_unheard += 1

    def hear(self):
        """Wait for the answer to the last order."""
        answer = {"is": None}
        while self._n_unheard:
            self._n_unheard -= 1
            try:
                line = self._lines.readline()
            except ConnectionResetError:
                line = ""
            if not line:
                raise DiedError
            answer = json.loads(line)
            assert "error" not in answer, answer["error"]
        return answer["is"]

    def ask(self, do, **order):
        self.tell(do, **order)
        return self.hear()

    def kill(self):
        if not self._lines.closed:
            os.kill(self.pid, signal.SIGKILL)
            self.leave()

    def leave(self):
        """Let go of a process that is dead, or will be; wait until it is."""
        deadline = time.monotonic() + 30
        while is_alive(self.pid) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._lines.close()
        self._peer.close()

    def close(self):
        self.ask("close")
        self.kill()


@contextmanager
def forking(folder):
    """Start the process that forks libraries; give a function that opens one."""
    address = folder / "s"
    child = [sys.executable, str(ROOT / "tests/ingest/library_child.py"), str(ROOT), str(address)]
    with subprocess.Popen(child, stdin=subprocess.PIPE) as parent:
        deadline = time.monotonic() + 60
        while not address.exists() and parent.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)

        begun = []

        def begin(home):
            begun.append(Library(address, home))
            return begun[-1]

        try:
            yield begin
        finally:
            for one in begun:
                one.kill()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def rows(home, collection):
    """Read everything the catalogue holds of a collection, without its numbers and dates."""
    with closing(sqlite3.connect(home / "kb.sqlite3", isolation_level=None)) as connection:
        ask = lambda query, *values: sorted(connection.execute(query, values).fetchall(), key=repr)  # noqa: E731
        (number,) = connection.execute(
            "SELECT id FROM collections WHERE name = ?", (collection,)
        ).fetchone()
        space = space_of(connection, number)
        if space is not None:
            connection.execute(
                f"CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, terms_{space}, 'instance')"
            )
        of_chunks = (
            "FROM chunks c JOIN documents d ON d.id = c.document_id"
            " LEFT JOIN vectors v ON v.key = c.vector_key WHERE d.collection_id = ?"
        )
        return {
            "documents": ask(
                "SELECT digest, title, media_type, size_bytes, n_characters, blocks, metadata"
                " FROM documents WHERE collection_id = ?", number
            ),
            "places": ask(
                "SELECT p.path, p.size_bytes, p.mtime_ns, d.digest FROM places p"
                " JOIN documents d ON d.id = p.document_id WHERE p.collection_id = ?", number
            ),
            "texts": ask(
                "SELECT d.digest, t.part, t.text FROM texts t JOIN documents d"
                " ON d.id = t.document_id WHERE d.collection_id = ?", number
            ),
            "chunks": ask(
                'SELECT d.digest, c.start, c."end", c.page, c.headings, c.n_tokens, c.parent_start,'
                f" c.parent_end, c.language, c.vector_key, v.data {of_chunks}", number
            ),
            "terms": [] if space is None else ask(
                "SELECT d.digest, c.start, t.term, t.offset FROM temp.terms t"
                " LEFT JOIN chunks c ON c.id = t.doc LEFT JOIN documents d ON d.id = c.document_id"
            ),
        }  # fmt: skip


def space_of(connection, number):
    """Tell under which number a collection's chunks, terms and vectors are kept."""
    found = connection.execute(
        "SELECT DISTINCT c.collection_id FROM chunks c JOIN documents d ON d.id = c.document_id"
        " WHERE d.collection_id = ?",
        (number,),
    ).fetchall()
    assert len(found) <= 1, found
    return found[0][0] if found else None


def check_index(library, collection):
    """Make sure that the vector index holds exactly a collection's chunks, with their vectors."""
    with closing(sqlite3.connect(library.home / "kb.sqlite3")) as connection:
        (number,) = connection.execute(
            "SELECT id FROM collections WHERE name = ?", (collection,)
        ).fetchone()
        space = space_of(connection, number)
        ids = [one for (one,) in connection.execute(
            "SELECT id FROM chunks WHERE collection_id = ? ORDER BY id", (space,)
        )]  # fmt: skip
    index = library.ask("index", collection=collection, space=space)
    assert index["ids"] == ids
    assert index["n_found"] == len(ids)
    assert index["worst"] < 1e-3


def check_paid(library):
    """Make sure that no text was embedded that was paid for already.

    A text is paid for when the transaction that keeps its vector has ended; what was computed but
    not kept when the process died (at most one bundle of vectors) may be computed once more. It is
    free again when no chunk of any collection uses it: in the transaction that removes its last
    chunk, or, if no chunk ever used it, when no job is left that could.
    """
    with closing(sqlite3.connect(library.home / "kb.sqlite3")) as connection:
        noted = Counter(connection.execute("SELECT what, key FROM ledger").fetchall())
    assert {what for what, _ in noted} <= {"kept", "freed"}
    embedded, lost = _embedded(library.log)
    for text, n_times in embedded.items():
        key = sha256(f"{FakeModel().embedder().digest}\0\0{text}".encode()).digest()
        assert n_times <= noted["kept", key] + lost[text], text


def check_nothing_is_left(library):
    """Make sure that no vector, no file and no step of a job lies there for nothing."""
    with closing(sqlite3.connect(library.home / "kb.sqlite3")) as connection:
        ask = lambda query: {row[0] for row in connection.execute(query)}  # noqa: E731
        assert ask("SELECT key FROM vectors") == ask("SELECT vector_key FROM chunks")
        assert ask("SELECT count(*) FROM job_files WHERE state = 'waiting'") == {0}
        paged = ask(
            "SELECT digest FROM documents d JOIN texts t ON t.document_id = d.id AND t.part = 0"
            " JOIN places p ON p.document_id = d.id AND p.root = '' WHERE t.text LIKE '%PDF-%'"
        )
    assert {one.name for one in (library.home / "originals").glob("*/*")} == paged
    assert not list((library.home / "staging").glob("*"))
    check_paid(library)


def _embedded(log):
    """Count how often each text was embedded, and how often that was lost before it was kept."""
    embedded, lost, pending = Counter(), Counter(), Counter()
    for line in log.read_text(encoding="utf-8").splitlines():
        if line == "kept":
            pending.clear()
        elif line == "opened":
            lost += pending
            pending.clear()
        else:
            text = json.loads(line)
            embedded[text] += 1
            pending[text] += 1
    return embedded, lost + pending
