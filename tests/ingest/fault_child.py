"""Kills a library at one fault point after the other, opens it again and writes what is there.

One process imports everything and forks for each try, so that a try costs no start of Python.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import chromadb  # noqa: F401 - once, for all forks

from ingest import faults
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain

PARAGRAPH = "{} {}. " + "word " * 30


def text_of(name, n_paragraphs=4):
    return "\n\n".join([f"# {name}", *(PARAGRAPH.format(name, n) for n in range(n_paragraphs))])


def plant(tree):
    tree.mkdir(parents=True)
    for name in ("stays", "moves", "changes", "goes"):
        (tree / f"{name}.txt").write_text(text_of(name))


def alter(tree):
    (tree / "moves.txt").rename(tree / "moved.txt")
    (tree / "changes.txt").write_text(text_of("changes", 5))
    (tree / "goes.txt").unlink()
    (tree / "new.txt").write_text(text_of("new"))
    (tree / "copy.txt").write_text(text_of("new"))


def open_kb(home, log):
    model = FakeModel()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def embed(texts, is_query):
        for text in texts:
            os.write(file, json.dumps(text).encode() + b"\n")
        return model.embed(texts, is_query)

    return KnowledgeBase(
        home, model.embedder(embed=embed), chunk_tokens=60, max_file_bytes=10**6, load=load_plain
    )


def settled(kb, tree):
    for job in kb.jobs():
        kb.wait(job.id, 30)
    job = kb.wait(kb.sync(tree, "default", is_confirmed=True), 30)
    assert (job.state, job.errors) == ("done", ()), job


def contents(kb):
    number = kb._store.collection_id("default")
    ids = kb._documents.chunk_ids(number)
    documents, total = kb.documents(limit=100)
    _, vectors, _ = kb._documents.vectors_of(sorted(ids))
    return {
        "total": total,
        "documents": sorted(
            [
                sorted(one.paths),
                kb.text(one.id),
                [[chunk.start, chunk.end, *chunk.headings] for chunk in kb.chunks(one.id)],
            ]
            for one in documents
        ),
        "vectors": sorted(vectors.round(4).tolist()),
        "words": sorted(hit.text for hit in kb.lexical("default", "word", 100)),
        "is_index_equal": kb._index.ids(number) == set(ids),
        "n_staged": sum(1 for _ in (kb._folder / "staging").glob("*/*")),
        "n_waiting": sum(kb.status()["jobs"].values()),
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


def die_at(point, tree, home, log):
    with open_kb(home, log) as kb:
        settled(kb, tree)
        alter(tree)
        faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
        kb.submit("default", [("sent.txt", text_of("sent").encode())])
        settled(kb, tree)


def heal(tree, home, log, result):
    with open_kb(home, log) as kb:
        settled(kb, tree)
        if not any("sent.txt" in one.paths for one in kb.documents()[0]):
            kb.wait(kb.submit("default", [("sent.txt", text_of("sent").encode())]), 30)
        result.write_text(json.dumps(contents(kb)))


def main():
    folder = Path(sys.argv[2])
    for number, point in enumerate(sys.argv[3:]):
        tree, home, fresh = (folder / f"{number}-{name}" for name in ("tree", "home", "fresh"))
        log, healed, built = (folder / f"{number}-{name}" for name in ("log", "healed", "built"))
        plant(tree)
        ended = in_fork(die_at, point, tree, home, log)
        in_fork(heal, tree, home, log, healed)
        in_fork(heal, tree, fresh, folder / "ignored", built)
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
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
