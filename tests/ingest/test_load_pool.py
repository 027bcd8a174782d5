import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import load_pool
from ingest.errors import EncryptedFileError, FileRefusedError, IngestError, TooLargeError
from ingest.load_child import (
    pack,
    receive_bytes,
    receive_head,
    receive_text,
    refusal,
    send,
    unpack,
)
from ingest.load_pool import IN_PROCESS_BYTES, LoadPool, ParserDiedError, PoolLimits, is_light
from ingest.types import Block, Loaded
from tests.ingest.libraries import is_alive

TARGET = "tests.ingest.nasty_load:load"
LOADED = Loaded(
    "text \ud800 字",
    (Block(0, 3, "table", ("A", "B"), page=2, header=(0, 1)), Block(3, 4, "code")),
    "title",
    "text/x",
    {"k": "v"},
    ("careful",),
)


@pytest.fixture
def open_pool():
    pools = []

    def open_one(n_children=1, **limits):
        limits = {"time_limit_s": 20.0, "max_bytes": 512 * 1024**2} | limits
        pools.append(LoadPool(n_children, PoolLimits(**limits), target=TARGET))
        return pools[-1]

    yield open_one
    for pool in pools:
        pool.close()


def pid_of(loaded):
    return int(loaded.text.split()[0])


def wait_for(is_so):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if told := is_so():
            return told
        time.sleep(0.01)
    raise AssertionError("it never came")


def state_of(pid):
    """Tell what the system says of a process: R, S, Z …; nothing if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_loaded_text_comes_back_from_bytes_as_it_was():
    assert unpack(pack(LOADED), LOADED.text) == LOADED


@pytest.mark.parametrize("told", [b"[]", b"{}", b"x", b'{"headings": [], "kinds": []}'])
def test_bytes_that_are_no_text_are_refused_by_name(told):
    with pytest.raises(ValueError, match="JSON|not a loaded text|Expecting"):
        unpack(len(told).to_bytes(8, "little") + told, "")


@pytest.mark.parametrize("numbers", [(1,), (0, 1, 9, 0, 0, 0, 0), (0, 1, 0, 9, 0, 0, 0)])
def test_blocks_that_point_nowhere_are_refused(numbers):
    told = pack(Loaded("t", ()))
    one = b"".join(number.to_bytes(8, "little") for number in numbers)

    with pytest.raises(ValueError, match="not a loaded text"):
        unpack(told + one, "t")


@settings(max_examples=50, deadline=None)
@given(st.text(), st.integers(1, 7))
def test_a_text_comes_through_a_socket_as_it_was_however_it_is_cut(text, size):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        send(ours, b"L", b"about", text)
        kind, n_first, n_second = receive_head(theirs)

        assert (kind, receive_bytes(theirs, n_first)) == (b"L", b"about")
        assert receive_text(theirs, n_second) == text


def test_a_refusal_keeps_its_kind_but_names_no_other_class():
    assert isinstance(refusal(b"EncryptedFileError", "why"), EncryptedFileError)
    assert type(refusal(b"annotations", "why")) is FileRefusedError
    assert type(refusal(b"QueueFullError", "why")) is FileRefusedError


@pytest.mark.parametrize(
    ("n_bytes", "name", "light"),
    [
        (10, "a.md", True),
        (IN_PROCESS_BYTES, "A.TXT", True),
        (IN_PROCESS_BYTES + 1, "a.md", False),
        (10, "a.pdf", False),
        (10, "unnamed", False),
    ],
)
def test_only_small_plain_texts_are_read_without_a_process(n_bytes, name, light):
    assert is_light(n_bytes, name) is light


def test_a_process_is_used_again_until_it_has_read_enough(open_pool):
    pool = open_pool(files_per_child=2)

    pids = [pid_of(pool.load(b"ok", "a")) for _ in range(3)]

    assert pids[0] == pids[1] != pids[2]
    assert os.getpid() not in pids
    assert not is_alive(pids[0])


@pytest.mark.parametrize(
    ("order", "limits", "reason"),
    [
        (b"crash", {}, r"a\.pdf: the parser ended by signal 11 \(SIGSEGV\); tried 2 times"),
        (b"leave", {}, "ended by itself with code 3"),
        (b"hang", {"time_limit_s": 0.3, "time_per_mib_s": 0.0}, "took longer than 0.3 s"),
        (b"spin", {"time_limit_s": 0.3, "time_per_mib_s": 0.0}, "took longer than 0.3 s"),
        (b"stuck", {"time_limit_s": 0.3, "time_per_mib_s": 0.0}, "took longer than 0.3 s"),
        (b"eat at once", {"max_bytes": 2 * 1024**3}, "used more than 2,048 MB of memory"),
        (b"talk", {}, "used more than 512 MB of memory"),
        (b"eat", {"max_bytes": 300 * 1024**2}, "used more than 300 MB of memory"),
    ],
)
def test_a_file_that_ends_its_process_is_refused_with_the_reason(open_pool, order, limits, reason):
    pool = open_pool(**limits)

    with pytest.raises(ParserDiedError, match=reason):
        pool.load(order, "folder/a.pdf")

    assert pool.load(b"ok", "b").title == "title"


def test_a_second_try_may_go_well(open_pool, tmp_path):
    order = f"once: {tmp_path / 'tried'}".encode()

    assert open_pool().load(order, "a").text == "second try"


@pytest.mark.parametrize("has_room", [True, False])
def test_a_large_file_is_tried_twice_too_and_its_process_is_not_used_again(
    open_pool, tmp_path, monkeypatch, has_room
):
    monkeypatch.setattr(load_pool, "_LARGE_BYTES", 10)
    if not has_room:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    order = f"once: {tmp_path / 'tried'}".encode()
    pool = open_pool()

    assert pool.load(order, "a").text == "second try"
    pids = [pid_of(pool.load(b"noise" + b" " * 3_000_000, "a")) for _ in range(2)]

    assert pids[0] != pids[1]
    assert not any(map(is_alive, pids))


class NotedBytes(bytes):
    """Bytes that say when nobody holds them any more."""

    ends = []

    def __del__(self):
        self.ends.append(time.monotonic())


def test_the_bytes_of_a_large_file_are_let_go_before_its_text_comes(open_pool, monkeypatch):
    monkeypatch.setattr(load_pool, "_LARGE_BYTES", 10)
    monkeypatch.setattr(NotedBytes, "ends", ends := [])
    is_gone = []
    monkeypatch.setattr(
        load_pool, "receive_head", lambda *told: is_gone.append(bool(ends)) or receive_head(*told)
    )
    held = [NotedBytes(b"noise" + bytes(1_000_000))]

    open_pool().load(held.pop(), "a")

    assert is_gone == [True]


def test_what_a_loader_refuses_or_raises_comes_through_and_costs_no_process(open_pool):
    pool = open_pool()
    first = pid_of(pool.load(b"ok", "a"))

    with pytest.raises(EncryptedFileError, match=r"a\.pdf needs a password"):
        pool.load(b"refuse", "a.pdf")
    with pytest.raises(IngestError, match="ValueError: what is this"):
        pool.load(b"raise", "a")

    assert pid_of(pool.load(b"ok", "a")) == first


def test_what_a_parser_prints_does_not_disturb_and_text_arrives_whole(open_pool):
    loaded = open_pool().load(b"noise" + b" " * 5_000_000, "名.txt")

    assert loaded.text.split()[1:] == ["名.txt", "5000005", "\ud800"]
    assert loaded.blocks == (Block(0, 3, "table", ("A", "B"), page=2, header=(0, 1)),)


def test_files_are_loaded_by_as_many_processes_as_wished(open_pool):
    pool = open_pool(2)

    with ThreadPoolExecutor(4) as threads:
        pids = set(threads.map(lambda n: pid_of(pool.load(b"ok", str(n))), range(20)))

    assert len(pids) <= 2


def test_a_process_that_is_killed_by_hand_costs_one_try(open_pool, tmp_path):
    pool, note = open_pool(), tmp_path / "pid"
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(pool.load, f"hang once: {note}".encode(), "a")
        pid = wait_for(lambda: note.exists() and note.read_text())

        os.kill(int(pid), signal.SIGKILL)

        assert hanging.result(20).title == "title"
    os.kill(pid_of(pool.load(b"ok", "a")), signal.SIGKILL)
    assert pool.load(b"ok", "b").title == "title"


def test_a_parser_that_announces_more_than_it_may_say_is_not_listened_to_again(open_pool):
    pool = open_pool()

    with pytest.raises(TooLargeError, match="split the file"):
        pool.load(b"lie", "a")

    assert pool.load(b"ok", "b").title == "title"


PARENT = """
import sys; sys.path.insert(0, sys.argv[1])
from ingest.load_pool import LoadPool
pool = LoadPool(1, target="tests.ingest.nasty_load:load")
print(pool.load(b"ok", "a").text.split()[0], flush=True)
pool.load(b"stuck", "a")
"""


def test_no_parser_outlives_its_reader_even_if_it_is_stuck():
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen([sys.executable, "-c", PARENT, root], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        wait_for(lambda: state_of(pid) == "R")  # at work

        parent.kill()

    wait_for(lambda: state_of(pid) in {"", "Z"})


def test_closing_ends_also_a_process_at_work(open_pool):
    pool = open_pool()
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(pool.load, b"hang", "a")
        while not pool._busy:
            time.sleep(0.01)

        pool.close()

        assert isinstance(hanging.exception(20), IngestError)


def test_a_small_text_is_read_here(open_pool):
    pool = LoadPool(
        1, target="no.such:module", in_process=lambda data, _: Loaded(data.decode(), ())
    )

    assert pool.load(b"note", "a.md").text == "note"
