"""Whoever changes the log is found out; what a crash did is told apart from that."""

import json

import pytest

from app.audit.entry import Link, hash_of, sealed
from app.audit.files import end_of, entries_of, files_of, judged, verify


def chain(n, link=None):
    link, lines = link or Link(), []
    for number in range(n):
        raw, link = sealed(link, {"status": 200 + number})
        lines.append(raw)
    return lines, link


def verdict_of(lines):
    return judged(("audit.jsonl", number, raw) for number, raw in enumerate(lines, 1))


def changed(raw):
    return raw.replace(b'"status":20', b'"status":40')


def mended(torn, n):
    return sealed(Link(n, hash_of(torn)), {"event": "mended"})[0]


def test_an_untouched_log_is_whole():
    lines, end = chain(5)

    verdict = verdict_of(lines)

    assert verdict.is_whole
    assert (verdict.n_lines, verdict.n_first, verdict.end) == (5, 1, end)


def test_an_empty_log_is_whole():
    assert verdict_of([]).is_whole


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [lines[0], changed(lines[1]), *lines[2:]],
        lambda lines: lines[:2] + lines[3:],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: [*lines[:2], b"garbage\n", *lines[2:]],
        lambda lines: [*lines[:2], sealed(Link(2, "0" * 64), {})[0], *lines[2:]],
        lambda lines: [sealed(Link(0, "f" * 64), {})[0], *lines[1:]],
        lambda lines: [*lines[:2], b"torn\n", b"torn\n", mended(b"torn", 2)],
        lambda lines: [*lines, b'{"n":6,'],
    ],
    ids="changed gone swapped doubled garbage forged first-forged torn-twice torn-end".split(),
)
def test_every_change_is_found(tamper):
    lines, _ = chain(5)

    assert not verdict_of(tamper(lines)).is_whole


def test_a_line_that_a_crash_tore_is_no_fault_once_it_is_marked():
    lines, link = chain(3)
    torn = b'{"n":4,"sta'
    rest, _ = chain(2, Link(4, hash_of(mended(torn, 3)[:-1])))

    assert verdict_of([*lines, torn + b"\n", mended(torn, 3), *rest]).is_whole
    assert link.n == 3


def test_older_files_come_first_and_a_log_may_begin_in_the_middle(tmp_path):
    lines, end = chain(9)
    path = tmp_path / "audit.jsonl"
    for name, part in (("audit.jsonl.10", lines[2:4]), ("audit.jsonl.2", lines[4:6])):
        (tmp_path / name).write_bytes(b"".join(part))
    (tmp_path / "audit.jsonl.1").write_bytes(b"".join(lines[6:8]))
    (tmp_path / "audit.jsonl.old").write_bytes(b"not ours")
    path.write_bytes(lines[8])

    assert [one.name for one in files_of(path)] == [
        "audit.jsonl.10",
        "audit.jsonl.2",
        "audit.jsonl.1",
        "audit.jsonl",
    ]
    assert [one["n"] for one in entries_of(path)] == list(range(3, 10))
    verdict = verify(path)
    assert (verdict.is_whole, verdict.n_first, verdict.end) == (True, 3, end)


@pytest.mark.parametrize("torn", [b"", b'{"n":4,"s'])
@pytest.mark.parametrize("is_alone", [False, True], ids=["same-file", "file-of-its-own"])
def test_the_end_of_the_chain_is_found_also_after_a_crash(tmp_path, torn, is_alone):
    lines, end = chain(3)
    path = tmp_path / "audit.jsonl"
    if is_alone:
        (tmp_path / "audit.jsonl.1").write_bytes(b"".join(lines))
        path.write_bytes(torn)
    else:
        path.write_bytes(b"".join(lines) + torn)

    link, n_torn = end_of(path)

    assert n_torn == len(torn)
    assert link == (Link(3, hash_of(torn)) if torn else end)


def test_nothing_has_no_end(tmp_path):
    assert end_of(tmp_path / "audit.jsonl") == (Link(), 0)
    assert json.loads(sealed(Link(), {})[0])["n"] == 1
