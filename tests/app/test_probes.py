"""Whether the server may be asked: looked at for real, and not more often than needed."""

import asyncio
import errno
import threading
from types import SimpleNamespace

import pytest

from app import probes as module
from app.probes import Probes, unwritable
from engine.errors import ModelNotFoundError
from ingest.errors import IngestError


def parts_at(home, **faults):
    def raising(error):
        if error is not None:
            raise error

    kb = SimpleNamespace(
        collections=lambda: raising(faults.get("catalogue")),
        model_of_new=lambda: SimpleNamespace(model="m"),
    )
    library = SimpleNamespace(find=lambda _: raising(faults.get("model")))
    engine = SimpleNamespace(library=library, sickness=lambda: faults.get("sickness", ""))
    return SimpleNamespace(kb=kb, engine=engine, settings=SimpleNamespace(home=home))


def test_all_is_well(tmp_path):
    probes = Probes(parts_at(tmp_path))

    assert asyncio.run(probes.obstacle()) == ""
    assert probes.sickness() == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"catalogue": IngestError("the catalogue is broken")}, "catalogue is broken"),
        ({"model": ModelNotFoundError("m")}, "m"),
    ],
)
def test_what_is_not_well_is_named(tmp_path, faults, said):
    assert said in asyncio.run(Probes(parts_at(tmp_path, **faults)).obstacle())


def test_a_data_directory_that_cannot_be_written_is_an_obstacle(tmp_path):
    assert "cannot be written" in asyncio.run(Probes(parts_at(tmp_path / "gone")).obstacle())


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)

    assert "No space left" in unwritable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_given_again_for_a_while(tmp_path, monkeypatch):
    n_looks, now = [], [0.0]
    monkeypatch.setattr(module, "obstacle_of", lambda _: n_looks.append(1) or "")
    probes = Probes(parts_at(tmp_path), clock=lambda: now[0])

    async def often():
        for _ in range(5):
            await probes.obstacle()
        now[0] = 2.0
        await probes.obstacle()

    asyncio.run(often())

    assert len(n_looks) == 2


def test_a_look_that_begins_as_another_ends_takes_nothing_from_who_waited(tmp_path, monkeypatch):
    may_end = threading.Event()
    looks = iter((lambda: "the first", may_end.wait))
    monkeypatch.setattr(module, "obstacle_of", lambda _: next(looks)())
    probes = Probes(parts_at(tmp_path))

    async def two():
        waiting = asyncio.create_task(probes.obstacle())
        await asyncio.sleep(0)
        later = probes.obstacle()
        # Runs once the look is over, before who waited for it goes on.
        probes._looking.add_done_callback(lambda _: later.send(None))
        try:
            return await waiting
        finally:
            may_end.set()
            later.close()

    assert asyncio.run(two()) == "the first"


def test_a_disk_that_hangs_is_told_and_asked_once(tmp_path, monkeypatch):
    may_end, n_looks = threading.Event(), []

    def hanging(_):
        n_looks.append(1)
        assert may_end.wait(30)
        return ""

    monkeypatch.setattr(module, "obstacle_of", hanging)
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    probes = Probes(parts_at(tmp_path))

    async def ask():
        told = [await probes.obstacle() for _ in range(3)]
        may_end.set()
        return told

    assert all("has not answered" in one for one in asyncio.run(ask()))
    assert len(n_looks) == 1


def test_sickness_is_the_engines(tmp_path):
    assert Probes(parts_at(tmp_path, sickness="stuck")).sickness() == "stuck"
