"""`quire audit`: the latest entries, those of one key, whether somebody changed the log."""

import json

import pytest
from typer.testing import CliRunner

from app.audit.log import AuditLog, audit_path
from app.cli.main import build
from tests.app.audit.test_entry import entry


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("QUIRE_HOME", str(tmp_path))

    def call(*asked):
        return CliRunner().invoke(build(), ["audit", *asked])

    return call


@pytest.fixture
def path(tmp_path):
    found = audit_path(tmp_path)
    log = AuditLog(found)
    for n in range(5):
        log.add(entry(key=f"k{n % 2}", key_name=f"joe{n % 2}\x1b[2J", status=200 + n))
    log.close()
    return found


def test_the_latest_entries_come_last(run, path):
    lines = run("--last", "2").stdout.splitlines()

    assert len(lines) == 2
    assert "203" in lines[0]
    assert "204" in lines[1]
    assert "/kb/query" in lines[1]
    assert all(line.isprintable() for line in lines)


def test_those_of_one_key_alone_and_as_json(run, path):
    found = [json.loads(one) for one in run("--key", "k1", "--json").stdout.splitlines()]

    assert [one["status"] for one in found] == [201, 203]


def test_a_whole_log_is_said_to_be_whole_with_its_end(run, path):
    done = run("verify")

    assert done.exit_code == 0
    assert "5 lines, the chain holds" in done.stdout
    assert "line 5 has" in done.stdout


def test_a_changed_log_is_found_out(run, path):
    path.write_bytes(path.read_bytes().replace(b'"status":202', b'"status":999'))

    done = run("verify")

    assert done.exit_code == 1
    assert "audit.jsonl, line 4" in done.output
    assert "holds" not in done.output


@pytest.mark.parametrize("asked", [(), ("verify",)])
def test_without_a_log_it_says_how_to_get_one(run, asked):
    done = run(*asked)

    assert done.exit_code == 1
    assert "QUIRE_AUDIT=on" in done.output
