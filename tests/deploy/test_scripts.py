"""The small scripts of deploy/: keys, certificates."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.access.keys import parse_token

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def run(*words):
    return subprocess.run(["sh", *map(str, words)], capture_output=True, text=True, check=False)


def test_a_new_key_is_one_that_the_server_takes_and_only_its_owner_reads(tmp_path):
    file = tmp_path / "key"

    said = run(DEPLOY / "new_key.sh", file)

    assert said.returncode == 0, said.stderr
    assert parse_token(file.read_text(encoding="ascii").strip()) is not None
    assert file.stat().st_mode & 0o777 == 0o400
    assert file.read_text(encoding="ascii").strip() not in said.stdout


def test_two_keys_differ_and_none_is_written_over(tmp_path):
    run(DEPLOY / "new_key.sh", tmp_path / "a")
    run(DEPLOY / "new_key.sh", tmp_path / "b")
    before = (tmp_path / "a").read_text(encoding="ascii")

    again = run(DEPLOY / "new_key.sh", tmp_path / "a")

    assert before != (tmp_path / "b").read_text(encoding="ascii")
    assert again.returncode == 1
    assert "exists" in again.stderr
    assert (tmp_path / "a").read_text(encoding="ascii") == before


def test_the_key_for_compose_lies_in_a_folder_that_keeps_others_out(tmp_path):
    shutil.copy(DEPLOY / "new_key.sh", tmp_path)

    said = run(tmp_path / "new_key.sh")

    assert said.returncode == 0, said.stderr
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / "admin_key").stat().st_mode & 0o777 == 0o444


def test_keys_and_certificates_stay_out_of_the_repository():
    rules = (DEPLOY / "secrets" / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert "*" in rules


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(
    ("host", "name"),
    [("kb.example.org", "DNS:kb.example.org"), ("10.0.0.5", "IP Address:10.0.0.5")],
)
def test_a_certificate_is_for_the_host_that_was_named(tmp_path, host, name):
    said = run(DEPLOY / "nginx" / "new_cert.sh", host, tmp_path)
    assert said.returncode == 0, said.stderr

    command = ["openssl", "x509", "-in", str(tmp_path / "quire.crt"), "-noout"]
    told = subprocess.run([*command, "-text"], capture_output=True, text=True, check=True).stdout

    assert name in told
