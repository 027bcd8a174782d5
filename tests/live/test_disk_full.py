"""A disk that fills up under the real server: refused by name, nothing lost, works again after."""

import os
import subprocess

import pytest

from tests.live.conftest import Quire, all_documents, finished

TEXT = "\n\n".join(f"Paragraph {n}: the depot number {n * 7} holds {n} crates." for n in range(900))


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("NOT TESTED: a full disk; there is no mount command here")
    if done.returncode:
        pytest.skip("NOT TESTED: a full disk; mounting a small one needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, leaving_bytes):
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler = folder / "filler"
    filler.write_bytes(b"\0" * max(0, free - leaving_bytes))
    return filler


def test_a_full_disk_is_named_loses_nothing_and_heals(small_disk, starter_models):
    process = Quire(small_disk / "quire", starter_models, "serve", "--no-ui")
    try:
        client = process.start()
        first = [("files", ("first.md", b"The mill in Umbria grinds chestnuts."))]
        sent = client.post("/kb/documents", files=first)
        assert finished(client, sent.json()["job_id"])["state"] == "done"
        filler = fill(small_disk, leaving_bytes=60_000)

        refused = client.post("/kb/documents", files=[("files", ("second.md", TEXT.encode()))])

        if refused.status_code == 202:
            job = finished(client, refused.json()["job_id"])
            assert job["state"] == "failed"
            said = job["errors"][0]["reason"]
        else:
            assert refused.status_code == 507, refused.text
            said = refused.json()["error"]
        assert "disk" in said or "space" in said
        assert client.get("/healthz").status_code == 200
        assert [one["path"] for one in all_documents(client, "default")] == ["first.md"]

        filler.unlink()
        again = client.post("/kb/documents", files=[("files", ("second.md", TEXT.encode()))])

        assert finished(client, again.json()["job_id"])["state"] == "done"
        assert len(all_documents(client, "default")) == 2
    finally:
        process.stop()
