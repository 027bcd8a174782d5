"""/healthz, /readyz and what /kb/status tells of the audit log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.api.health import health_router
from app.compose import Parts
from app.config import settings_from
from app.stopping import Stop


class Engine:
    """Says what is wrong with it."""

    said = ""

    def sickness(self):
        return self.said


@pytest.fixture
def asked(tmp_path):
    engine, stop, audit = Engine(), Stop(), SimpleNamespace(trouble="")
    parts = Parts(settings_from({"QUIRE_HOME": str(tmp_path)}), engine, 0.0)
    app = FastAPI()
    app.include_router(health_router(parts, stop, audit))
    return SimpleNamespace(http=TestClient(app), engine=engine, stop=stop, audit=audit)


def test_a_process_that_works_is_healthy_and_ready(asked):
    assert asked.http.get("/healthz").json() == {"status": "ok"}
    assert asked.http.get("/readyz").json() == {"ready": True, "reason": ""}


def test_a_stuck_computation_makes_it_sick_but_not_unready(asked):
    asked.engine.said = "a computation has not ended for 700 seconds"

    sick = asked.http.get("/healthz")

    assert sick.status_code == 503
    assert sick.json() == {"status": "sick", "reason": asked.engine.said}
    assert asked.http.get("/readyz").status_code == 200


def test_on_the_way_down_it_is_healthy_but_not_ready(asked):
    asked.stop.begin()

    assert asked.http.get("/healthz").status_code == 200
    reply = asked.http.get("/readyz")
    assert (reply.status_code, reply.json()["reason"]) == (503, "stopping")


def test_an_audit_log_that_cannot_be_written_is_a_notice(asked):
    assert asked.http.get("/kb/status").json()["notices"] == []
    asked.audit.trouble = "the audit log cannot be written: No space left on device"

    assert asked.http.get("/kb/status").json()["notices"] == [asked.audit.trouble]
