import random
import subprocess
import sys
from pathlib import Path

from tests.fakes import bag_of_terms, count_tokens
from tests.ingest.crash_child import N_FILES, text_of

ROOT = Path(__file__).resolve().parents[2]


def run_and_kill(home, after_s):
    """Start the child, let it work for a while, kill it as hard as can be."""
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/ingest/crash_child.py"), str(ROOT), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        job_id = child.stdout.readline().decode().strip()
        try:
            child.wait(after_s)
        except subprocess.TimeoutExpired:
            child.kill()
        else:
            raise AssertionError("the child ended by itself")
    return job_id


def test_an_ingest_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path, open_kb):
    chance = random.Random(7)
    jobs = {run_and_kill(tmp_path / "home", chance.uniform(0.1, 0.6)) for _ in range(3)}

    kb = open_kb()

    assert len(jobs) == 1
    job = kb.wait(jobs.pop(), 60)
    assert (job.state, job.n_done, job.errors) == ("done", N_FILES, ())
    documents, total = kb.documents(limit=1000)
    assert total == N_FILES
    assert {one.paths for one in documents} == {(f"{n}.txt",) for n in range(N_FILES)}
    for document in documents:
        number = int(document.paths[0].removesuffix(".txt"))
        assert kb.text(document.id) == text_of(number)
        covered = " ".join(chunk.text for chunk in kb.chunks(document.id))
        assert count_tokens([covered]) == count_tokens([text_of(number)])
    number = kb._store.collection_id("default")
    assert kb._index.ids(number) == set(kb._documents.chunk_ids(number))
    own = kb.dense("default", bag_of_terms("File 47\nOwn passage 47 3. " + "other " * 30), 3)
    assert own[0].path == "47.txt"
    assert kb.lexical("default", "passage 47", 1)[0].path == "47.txt"
    assert kb.status()["n_orphans"] == 0
    assert not any((tmp_path / "home" / "staging").iterdir())


def test_a_process_that_is_killed_lets_go_of_the_library(tmp_path, open_kb):
    run_and_kill(tmp_path / "home", 0.05)

    assert open_kb().collections()
