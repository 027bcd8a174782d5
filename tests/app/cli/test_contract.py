"""Rules of Ollama's contract about its command line that no other test holds."""

from __future__ import annotations

import pytest


def test_show_prints_one_part_at_a_time(quire):
    done = quire("show", "m", "--license", "--system")

    assert done.exit_code != 0
    assert done.stdout == ""


def test_a_registry_without_encryption_must_be_allowed(server, quire):
    server.missing.add("m")

    quire("run", "m", "--insecure", "hi")

    (body,) = server.bodies("/api/pull")
    assert body["insecure"] is True


@pytest.mark.parametrize("verb", ["list", "ps"])
def test_tables_of_nothing_have_a_head(server, quire, verb):
    server.tags, server.ps = [], []

    (head,) = quire(verb).stdout.splitlines()

    assert head.split()[:3] == ["NAME", "ID", "SIZE"]
    assert head == head.upper()


@pytest.mark.parametrize("verb", ["start", "serve"])
def test_the_server_starts_by_two_names(quire, verb):
    assert quire(verb, "--help").exit_code == 0
