"""A change of the embedding model: the old one answers, the new one learns and takes over."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ingest import faults
from ingest.embedders import Embedders
from ingest.errors import CollectionNotFoundError, ModelMissingError, NothingToRevertError
from ingest.migrations import chosen_model
from tests.fakes import FakeModel
from tests.ingest.watching import wait_until

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = "bag:latest", "new:latest"
FILES = {
    "tea.md": "# Tea\n\nGreen tea is steeped for two minutes.",
    "fox.md": "# Fox\n\nThe quick brown fox jumps over the lazy dog.",
    "city.md": "# Cities\n\nParis is the capital of France.",
}


class Bench:
    """Two models of different sizes, and a library that can find both by their names."""

    def __init__(self, open_kb):
        self._open_kb = open_kb
        self.old, self.new = FakeModel(64), FakeModel(32)
        self.may_embed = threading.Event()
        self.may_embed.set()
        self.embedded = []
        self.gone = set()

    def _embed(self, texts, is_query):
        if not is_query:
            assert self.may_embed.wait(20)
            self.embedded += texts
        return self.new.embed(texts, is_query)

    def embedder(self, name):
        if name in self.gone:
            return None
        if name == NEW:
            return self.new.embedder(model=NEW, digest="sha256:new", embed=self._embed)
        return self.old.embedder() if name == OLD else None

    def open(self, model=OLD, configured=""):
        return self._open_kb(Embedders(self.embedder(model), self.embedder, configured=configured))


@pytest.fixture
def bench(open_kb):
    return Bench(open_kb)


def put(kb, files, collection="default"):
    data = [(path, text.encode()) for path, text in files.items()]
    return kb.wait(kb.submit(collection, data), 20)


def titles(hits):
    return [hit.headings[0] for hit in hits]


def is_index_equal(kb):
    return all(
        kb._index.ids(one) == set(kb._documents.chunk_ids(one)) for one in kb._store.space_ids()
    )


def test_a_collection_moves_to_another_model_and_back_and_pays_once(bench):
    kb = bench.open()
    put(kb, FILES)

    job = kb.wait(kb.migrate(NEW), 20)

    assert (job.state, job.n_stored, job.errors) == ("done", 3, ())
    assert (kb.collection("default").model, kb.collection("default").n_dimensions) == (NEW, 32)
    assert titles(kb.nearest("default", "capital of France", 1)) == ["Cities"]
    assert len(bench.embedded) == 3
    (done,) = kb.migrations()
    assert (done.from_model, done.to_model, done.state, done.can_revert) == (OLD, NEW, "done", True)

    n_paid = bench.old.n_embedded
    assert kb.wait(kb.revert(), 20).state == "done"

    assert kb.collection("default").model == OLD
    assert titles(kb.nearest("default", "capital of France", 1)) == ["Cities"]
    assert (bench.old.n_embedded, len(bench.embedded)) == (n_paid, 3)
    assert is_index_equal(kb)


def test_the_old_model_answers_and_new_files_go_first_while_the_new_one_learns(bench):
    kb = bench.open()
    put(kb, FILES)
    before = kb.nearest("default", "capital of France", 3)
    bench.may_embed.clear()

    job_id = kb.migrate(NEW)
    wait_until(lambda: kb.migrations()[0].state == "running")

    assert kb.nearest("default", "capital of France", 3) == before
    (way,) = kb.migrations()
    assert (way.from_model, way.to_model, way.n_done, way.n_documents) == (OLD, NEW, 0, 3)
    sent = kb.submit("default", [("owl.md", b"# Owl\n\nAn owl hunts at night.")])
    bench.may_embed.set()
    assert kb.wait(sent, 20).n_stored == 1
    assert kb.wait(job_id, 20).state == "done"
    assert bench.embedded.index(next(one for one in bench.embedded if "owl" in one)) <= 1
    assert titles(kb.nearest("default", "hunts at night", 1)) == ["Owl"]
    assert kb.collection("default").n_chunks == 4
    assert len(bench.embedded) == len(set(bench.embedded)) == 4


def test_an_interrupted_migration_goes_on_after_a_restart(bench):
    kb = bench.open()
    put(kb, FILES)
    kb.migrate(NEW)
    kb.close()  # at whichever document it was

    kb = bench.open(NEW)

    wait_until(lambda: kb.collection("default").model == NEW)
    assert len(bench.embedded) == len(set(bench.embedded)) == 3
    wait_until(lambda: kb.status()["jobs"] == {"queued": 0, "running": 0})
    assert is_index_equal(kb)


def test_another_model_in_the_settings_begins_a_migration_and_a_choice_lasts_until_then(bench):
    kb = bench.open(OLD, "")
    put(kb, FILES)
    kb.close()

    kb = bench.open(NEW, NEW)
    wait_until(lambda: kb.collection("default").model == NEW)
    kb.wait(kb.migrate(OLD), 20)
    kb.close()

    kb = bench.open(NEW, NEW)  # the settings are as they were when OLD was chosen
    wait_until(lambda: kb.status()["jobs"] == {"queued": 0, "running": 0})
    assert kb.collection("default").model == OLD
    kb.create_collection("later")
    assert kb.collection("later").model == OLD
    kb.close()

    kb = bench.open(NEW, "")
    wait_until(lambda: kb.collection("default").model == NEW)


def test_other_prefixes_are_another_model(bench, open_kb):
    kb = bench.open()
    put(kb, FILES)
    kb.close()

    kb = open_kb(bench.old.embedder(document_prefix="passage: "))

    wait_until(lambda: kb.collection("default").document_prefix == "passage: ")
    assert titles(kb.nearest("default", "capital of France", 1)) == ["Cities"]


def test_questions_are_answered_although_the_old_model_is_gone(bench):
    kb = bench.open()
    put(kb, FILES)
    kb.close()
    bench.gone.add(OLD)
    bench.may_embed.clear()

    kb = bench.open(NEW)

    assert kb.nearest("default", "capital of France", 3) == []
    assert titles(kb.lexical("default", "capital", 3)) == ["Cities"]
    sent = kb.submit("default", [("owl.md", b"# Owl\n\nAn owl hunts at night.")])
    bench.may_embed.set()
    assert kb.wait(sent, 20).n_stored == 1
    assert titles(kb.lexical("default", "owl", 3)) == ["Owl"]
    assert titles(kb.nearest("default", "hunts at night", 1)) == ["Owl"]
    wait_until(lambda: kb.collection("default").model == NEW)
    assert kb.collection("default").n_chunks == 4
    assert kb.migrations()[0].can_revert is False


def test_what_is_done_is_ranked_by_both_models_with_scores_of_the_old_one(bench):
    kb = bench.open()
    put(kb, FILES)
    before = kb.nearest("default", "tea fox Paris", 3)
    ways = kb._migrations
    space = ways._begin("default", bench.embedder(NEW), is_anew=False)
    bench.new.embed = lambda texts, _is_query: np.stack([one_sided(text) for text in texts])
    last = before[-1]
    kb._pipeline.carry(last.document_id, space, lambda _text: None, lambda: False)
    first = before[0]
    kb._pipeline.carry(first.document_id, space, lambda _text: None, lambda: False)

    found = kb.nearest("default", "tea fox Paris", 3)

    assert [hit.score for hit in found] == [hit.score for hit in before]
    assert {hit.chunk_id for hit in found} == {hit.chunk_id for hit in before}
    assert found[1].chunk_id == before[1].chunk_id  # not done: it keeps its place


def one_sided(text):
    vector = np.zeros(32, np.float32)
    vector[1 if "Green tea" in text else 2] = 1
    return vector


def test_a_migration_that_is_stopped_keeps_what_it_paid_for(bench):
    kb = bench.open()
    put(kb, FILES)
    bench.may_embed.clear()
    kb.migrate(NEW)
    wait_until(lambda: kb.migrations()[0].state == "running")
    stop = threading.Thread(target=kb.revert)
    stop.start()
    stop.join(20)
    bench.may_embed.set()
    wait_until(lambda: kb.status()["jobs"] == {"queued": 0, "running": 0})
    assert kb.collection("default").model == OLD

    assert kb.wait(kb.migrate(NEW), 20).state == "done"

    assert kb.collection("default").model == NEW
    assert len(bench.embedded) == len(set(bench.embedded)) == 3


def test_deleting_a_document_takes_it_out_of_every_space(bench):
    kb = bench.open()
    put(kb, FILES)
    kb.wait(kb.migrate(NEW), 20)

    kb.delete_document(kb.lexical("default", "fox", 1)[0].document_id)
    kb.wait(kb.revert(), 20)

    assert "Fox" not in titles(kb.nearest("default", "quick brown fox", 3))
    assert kb.lexical("default", "fox", 3) == []
    assert is_index_equal(kb)


def test_an_unknown_model_or_collection_is_refused_and_nothing_begins(bench):
    kb = bench.open()
    put(kb, FILES)

    with pytest.raises(ModelMissingError, match=r"'none:latest'.*quire pull none:latest"):
        kb.migrate("none:latest")
    with pytest.raises(CollectionNotFoundError):
        kb.migrate(NEW, "nowhere")
    with pytest.raises(NothingToRevertError, match="nothing to go back to"):
        kb.revert()
    assert kb.migrations() == []


def test_indexing_anew_can_be_stopped(bench):
    kb = bench.open()
    put(kb, FILES)
    ids = kb._store.space_ids()
    kb._migrations._begin("default", bench.embedder(OLD), is_anew=True)
    assert len(kb._store.space_ids()) == 2

    kb.wait(kb.revert(), 20)

    assert (kb._store.space_ids(), kb.migrations()) == (ids, [])


def test_the_move_of_one_collection_moves_no_other_one_at_the_next_start(bench):
    kb = bench.open(OLD, "")
    put(kb, FILES, "large")
    put(kb, {"tea.md": FILES["tea.md"]}, "small")
    kb.wait(kb.migrate(NEW, "large"), 20)
    chosen = chosen_model(kb._store, "")
    kb.close()

    kb = bench.open(chosen or NEW, "")  # without a choice, the fullest collection decides

    assert [one.state for one in kb.migrations()] == ["done"]
    assert {one.name: one.model for one in kb.collections()} == {"large": NEW, "small": OLD}


def test_a_choice_does_not_come_back_with_settings_of_before(bench):
    kb = bench.open(OLD, OLD)
    put(kb, FILES)
    kb.wait(kb.migrate(NEW), 20)
    kb.close()
    kb = bench.open(OLD, "")
    wait_until(lambda: kb.collection("default").model == OLD)
    kb.close()

    kb = bench.open(OLD, OLD)

    wait_until(lambda: kb.status()["jobs"] == {"queued": 0, "running": 0})
    assert kb.collection("default").model == OLD


def test_what_was_chosen_for_a_deleted_collection_is_not_chosen_for_its_namesake(bench):
    kb = bench.open()
    put(kb, FILES, "notes")
    kb.wait(kb.migrate(NEW, "notes"), 20)
    kb.delete_collection("notes")
    put(kb, FILES, "notes")
    put(kb, FILES, "notes")

    assert kb.collection("notes").model == OLD
    kb.close()
    assert bench.open().migrations() == []


def test_a_next_model_that_cannot_embed_keeps_no_file_out(bench):
    kb = bench.open()
    put(kb, FILES)
    bench.embed = bench.new.embed
    bench.new.embed = fail
    job = kb.wait(kb.migrate(NEW), 20)
    assert {one.path for one in job.errors} == {"Tea", "Fox", "Cities", "default"}

    put_one = put(kb, {"owl.md": "# Owl\n\nAn owl hunts at night."})

    assert (put_one.n_stored, put_one.errors) == (1, ())
    assert titles(kb.nearest("default", "hunts at night", 1)) == ["Owl"]
    (way,) = kb.migrations()
    assert (way.state, way.n_done, way.n_documents) == ("failed", 0, 4)
    assert "no such tensor" in way.message
    bench.new.embed = bench.embed
    assert kb.wait(kb.migrate(NEW), 20).state == "done"
    assert kb.collection("default").n_chunks == 4


def fail(_texts, _is_query):
    raise RuntimeError("no such tensor")


def test_a_model_in_use_that_is_removed_costs_its_leg_of_the_search_alone(bench):
    kb = bench.open()
    put(kb, FILES)
    bench.gone.add(OLD)

    assert kb.nearest("default", "capital of France", 3) == []
    assert titles(kb.lexical("default", "capital", 3)) == ["Cities"]
    with pytest.raises(ModelMissingError, match="quire pull bag:latest"):
        kb.submit("default", [("owl.md", b"# Owl")])


def test_a_collection_that_is_deleted_meanwhile_stops_no_other_one(bench):
    kb = bench.open()
    put(kb, FILES, "a")
    put(kb, FILES, "b")
    gone = []

    def delete(point):
        if point == "space begun" and not gone:
            gone.append("b")
            kb.delete_collection("b")

    faults.install(delete)
    try:
        job = kb.wait(kb.migrate(NEW), 20)
    finally:
        faults.install(lambda _point: None)

    assert job.state == "done"
    assert [(one.collection, one.state) for one in kb.migrations()] == [("a", "done")]


def test_indexing_anew_embeds_nothing_that_is_known_and_leaves_one_space(bench):
    kb = bench.open()
    put(kb, FILES)
    n_paid, ids = bench.old.n_embedded, kb._store.space_ids()

    assert kb.wait(kb.reindex("default"), 20).state == "done"

    assert bench.old.n_embedded == n_paid
    assert len(kb._store.space_ids()) == 1
    assert kb._store.space_ids() != ids
    assert titles(kb.nearest("default", "capital of France", 1)) == ["Cities"]


HARDEST = ("document carried", "space switched")


def test_a_kill_in_a_migration_leaves_one_that_ends_as_if_nothing_had_been(tmp_path):
    kill_and_heal(tmp_path, HARDEST)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_so_does_a_kill_at_any_other_step(tmp_path):
    others = ("job queued", "task taken", "vectors computed", "vectors kept", "vectors indexed")
    kill_and_heal(tmp_path, (*others, "space begun", "space filled", "task done", "task noted"))


def kill_and_heal(folder, points):
    child = [sys.executable, str(ROOT / "tests/ingest/migrate_child.py"), str(ROOT), str(folder)]
    done = subprocess.run([*child, *points], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["point"] for one in reports] == list(points)
    for one in reports:
        assert one["ended"] == -signal.SIGKILL, f"{one['point']} was not reached"
        assert one["healed"] == one["built"], one["point"]
        # Vectors that were computed and not yet kept are the only ones that a kill can cost.
        n_most = 2 if one["point"] == "vectors computed" else 1
        assert one["most_embedded"] == n_most, one["point"]
