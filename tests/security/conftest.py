"""A server in a folder whose neighbours must stay untouched and unread."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.app.conftest import settings_at
from tests.security.locked import opened

CANARY = "canary-7f3a: nothing that is asked of the server may show this line"
FACT = "The lighthouse of Brumly was built in 1871 by Ada Finch."


@dataclass(frozen=True)
class Site:
    """A server, its home, and the folder around it."""

    url: str
    home: Path
    outside: Path

    def state_of_outside(self) -> dict[str, str]:
        """Say what lies beside the home, by digest."""
        return {
            str(path.relative_to(self.outside)): sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.outside.rglob("*"))
            if path.is_file() and not path.is_relative_to(self.home)
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory, starter_models):
    from app.compose import compose
    from app.server import bind, build_app, running

    outside = tmp_path_factory.mktemp("outside")
    for name in ("secret.txt", "etc/passwd", "quire/secret.md"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text(CANARY, encoding="utf-8")
    home = outside / "quire" / "home"
    models = outside / "quire" / "models"
    models.symlink_to(starter_models)
    with (
        compose(settings_at(home, models), lambda _: None) as parts,
        running(build_app(parts, has_ui=False), bind("127.0.0.1", 0)) as url,
    ):
        yield Site(url, home, outside)


@pytest.fixture(scope="session")
def locked(tmp_path_factory, starter_models):
    """Share one locked server among the files of a run: none of them harms it, or a test fails."""
    with opened(tmp_path_factory.mktemp("locked") / "home", starter_models) as one:
        yield one


@pytest.fixture
def http(site):
    with httpx.Client(base_url=site.url, timeout=60, trust_env=False) as client:
        yield client


def finished(http, job_id, within_s=60):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        job = http.get(f"/kb/jobs/{job_id}").json()
        if job["state"] in {"done", "failed"}:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} is not finished")
