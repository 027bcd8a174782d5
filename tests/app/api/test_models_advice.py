"""What a real server says about models, its machine and its log."""

from types import SimpleNamespace

import httpx
import pytest

from app.api.models_advice import advice_of, cost_of
from app.machine import GIB
from engine.runtime.devices import Machine
from engine.runtime.host_memory import HostMemory
from engine.runtime.pool import Rooms
from engine.runtime.sizes import HOST
from ingest.types import Chunk, Collection


@pytest.fixture(scope="module")
def api(server):
    client, _ = server
    with httpx.Client(base_url=client.url, timeout=60) as api:
        yield api


def test_the_machine_is_measured(api):
    found = api.get("/kb/machine").json()

    assert found["memory_bytes"] > found["memory_free_bytes"] > 0
    assert found["disk_bytes"] > found["disk_free_bytes"] > 0
    assert found["n_cores"] >= 1
    assert found["models_bytes"] > 100_000_000  # the starters


def test_well_known_models_come_with_their_fit(api):
    found = api.get("/kb/models/advice").json()["models"]

    assert {one["role"] for one in found} == {"chat", "embedding", "reranker"}
    assert any(one["fit"] != "none" for one in found)
    assert any(one["is_advised"] for one in found)


def test_a_placement_is_explained_with_numbers(api):
    found = api.get("/kb/models/placement", params={"model": "smollm2:135m"}).json()

    assert found["fits"]
    assert found["shares"][0]["weights_bytes"] > 50_000_000
    assert len(found["sentences"]) > 3


@pytest.mark.parametrize(
    ("model", "status"), [("absent", 404), ("", 400), ("../etc/passwd", 400), ("x" * 600, 400)]
)
def test_a_placement_of_what_is_not_there_is_refused(api, model, status):
    answer = api.get("/kb/models/placement", params={"model": model})

    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_modelfile_is_checked_and_never_opens_a_file(api):
    good = api.post("/kb/models/modelfile", json={"text": "FROM smollm2:135m"}).json()
    bad = api.post("/kb/models/modelfile", json={"text": "FROM /etc/passwd"}).json()

    assert good == {"mistakes": [], "request": {"from": "smollm2:135m"}}
    assert bad["mistakes"][0]["line"] == 1
    assert bad["request"] == {}


@pytest.mark.parametrize(
    "body", [{}, {"model": ""}, {"model": "a", "more": 1}, {"model": "\x00"}, {"model": "kb/x"}]
)
def test_a_pull_of_no_model_is_refused(api, body):
    answer = api.post("/kb/models/pulls", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_pull_without_a_registry_fails_by_itself_and_is_forgotten(api):
    # A port at which nobody listens: no name is looked up, nothing leaves the machine.
    begun = api.post("/kb/models/pulls", json={"model": "127.0.0.1:1/library/absent"})
    assert begun.status_code in (202, 400, 403)
    if begun.status_code != 202:
        return  # this server is told which registries it may ask
    pull_id = begun.json()["id"]

    assert api.delete(f"/kb/models/pulls/{pull_id}").status_code == 200
    api.delete(f"/kb/models/pulls/{pull_id}")
    assert pull_id not in {one["id"] for one in api.get("/kb/models/pulls").json()["pulls"]}
    assert api.delete("/kb/models/pulls/p999").status_code == 404


def test_the_log_is_a_bounded_list(api):
    assert isinstance(api.get("/kb/logs").json()["logs"], list)
    assert api.get("/kb/logs", params={"limit": 0}).status_code == 400
    assert api.get("/kb/logs", params={"limit": 100_000}).status_code == 400


def test_the_cost_of_a_model_that_is_not_there_is_refused(api):
    assert api.post("/kb/models/cost", json={"model": "absent"}).status_code == 404


class OneCollection:
    """A knowledge base of one collection, embedded with another model."""

    def collections(self):
        return [Collection("a", "old", "sha256:old", 384, "", "", 1, 40)]

    def documents(self, collection, *, limit):
        return [SimpleNamespace(id="d")], 1

    def text(self, document_id):
        return "One sentence. Another."

    def chunks(self, document_id):
        return [Chunk(0, 13, "One sentence."), Chunk(14, 22, "Another.")]


def test_the_cost_is_measured_with_passages_that_are_there(starter_engine):
    found = cost_of(starter_engine, OneCollection(), "all-minilm")

    assert (found.n_passages, found.n_sampled) == (40, 2)
    assert found.eta_s == pytest.approx(40 / found.passages_per_s)


def test_what_models_hold_now_is_not_counted_twice(starter_engine, tmp_path, monkeypatch):
    """Mapped files count as free to the system already: the engine knows what there really is."""
    rooms = Rooms({HOST: 0}, {HOST: 4 * GIB})
    monkeypatch.setattr(starter_engine._loader._pool, "rooms", lambda: rooms)
    parts = SimpleNamespace(engine=starter_engine, settings=SimpleNamespace(home=tmp_path))

    found = advice_of(parts, Machine(HostMemory(64 * GIB, 64 * GIB), ()))

    fits = {one.name: one.fit for one in found.models}
    assert (fits["qwen2.5:0.5b"], fits["qwen2.5:14b"]) == ("memory", "none")
