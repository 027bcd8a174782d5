"""Kills a migration at one step after the other, opens the library again, writes what is there.

One process imports everything and forks for each try, so that a try costs no start of Python.
"""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from time import sleep

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

import chromadb  # noqa: F401 - once, for all forks

from ingest import faults
from ingest.embedders import Embedders
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain

NEW = "new:latest"
TEXTS = {f"{name}.txt": f"# {name}\n\n{name} " + "word " * 30 for name in ("a", "b", "c")}


def open_kb(home, log, *, is_new=False):
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    old, new = FakeModel(64), FakeModel(32)

    def embed(texts, is_query):
        found = new.embed(texts, is_query)
        for text in () if is_query else texts:
            os.write(file, json.dumps(text).encode() + b"\n")
        return found

    def find(name):
        if name == NEW:
            return new.embedder(model=NEW, digest="sha256:new", embed=embed)
        return old.embedder()

    embedders = Embedders(find(NEW if is_new else "bag:latest"), find)
    return KnowledgeBase(home, embedders, chunk_tokens=60, max_file_bytes=10**6, load=load_plain)


def put(kb):
    kb.wait(kb.submit("default", [(path, one.encode()) for path, one in TEXTS.items()]), 30)


def die_at(point, home, log):
    with open_kb(home, log) as kb:
        put(kb)
        faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
        kb.wait(kb.migrate(NEW), 30)
        sleep(5)


def heal(home, log, result, is_fresh):
    with open_kb(home, log, is_new=is_fresh) as kb:
        if is_fresh:
            put(kb)
        elif kb.collection("default").model != NEW and not kb.migrations():
            kb.migrate(NEW)  # nobody was told that it had begun
        for job in kb.jobs():
            kb.wait(job.id, 30)
        result.write_text(json.dumps(contents(kb)))


def contents(kb):
    (space,) = (one for one in [kb._spaces.of("default")["current"]])
    ids = kb._documents.chunk_ids(space.id)
    _, vectors, _ = kb._documents.vectors_of(ids)
    return {
        "model": [space.model, space.n_dimensions],
        "chunks": sorted(
            [one.title, [[c.start, c.end] for c in kb.chunks(one.id)]] for one in kb.documents()[0]
        ),
        "vectors": sorted(vectors.round(3).tolist()),
        "words": sorted(hit.text for hit in kb.lexical("default", "word", 100)),
        "near": sorted(hit.text for hit in kb.nearest("default", "word", 100)),
        "is_index_equal": kb._index.ids(space.id) == set(ids),
        "n_waiting": sum(kb.status()["jobs"].values()),
        "n_under_way": sum(one.state != "done" for one in kb.migrations()),
    }


def in_fork(step, *args):
    """Run a step in a process of its own; return how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            step(*args)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    folder = Path(sys.argv[2])
    built = folder / "built"
    in_fork(heal, folder / "fresh", folder / "ignored", built, True)
    for number, point in enumerate(sys.argv[3:]):
        home, log, healed = (folder / f"{number}-{name}" for name in ("home", "log", "healed"))
        ended = in_fork(die_at, point, home, log)
        in_fork(heal, home, log, healed, False)
        counts = Counter(log.read_text().splitlines())
        report = {
            "point": point,
            "ended": ended,
            "most_embedded": max(counts.values()),
            "healed": json.loads(healed.read_text()),
            "built": json.loads(built.read_text()),
        }
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
