"""The unit for systemd, read by systemd's own tools where they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
UNIT = FOLDER / "quire.service"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(path=UNIT):
    """Read all lines NAME=VALUE; a name may stand more than once."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def environment():
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(settings()["Environment"])))


def seconds(span):
    return int(span.removesuffix("s"))


def test_stopping_takes_longer_than_the_grace():
    grace = int(environment()["QUIRE_GRACE_S"])

    assert seconds(settings()["TimeoutStopSec"][0]) >= grace + 15


def test_the_key_is_handed_over_as_a_credential():
    (credential,) = settings()["LoadCredential"]

    assert environment()["QUIRE_ADMIN_KEY_FILE"] == "%d/" + credential.partition(":")[0]


def test_it_writes_only_to_its_own_folder():
    folder = "/var/lib/" + settings()["StateDirectory"][0]

    assert settings()["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in settings()
    assert {environment()["QUIRE_HOME"], environment()["HOME"]} == {folder}


def test_the_user_of_the_unit_is_made_by_sysusers():
    made = (FOLDER / "quire.sysusers").read_text(encoding="utf-8").splitlines()[-1].split()

    assert made[:2] == ["u", settings()["User"][0]]


def test_the_figures_of_memory_can_still_be_read():
    assert "ProcSubset" not in settings()  # would hide /proc/meminfo
    assert "MemoryDenyWriteExecute" not in settings()  # numeric libraries compile at run time


@needs_systemd
def test_systemd_takes_the_unit(tmp_path):
    # Here the program lies elsewhere; everything else is as it will be.
    unit = tmp_path / "quire.service"
    unit.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/quire/.venv/bin/quire", "/bin/true")
    )

    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    about_us = [line for line in said.stderr.splitlines() if "quire.service" in line]
    assert about_us == []
    assert said.returncode == 0, said.stderr


@needs_systemd
def test_systemd_finds_little_exposed():
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    score = re.search(r"exposure level for quire\.service: ([\d.]+)", said.stdout)

    if score is None:
        pytest.skip("this systemd-analyze cannot look at a unit that is not loaded")
    assert float(score[1]) <= 2.0
