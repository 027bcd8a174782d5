import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.errors import EncryptedFileError, FileRefusedError, IngestError
from ingest.load_child import pack, refusal, unpack
from ingest.load_pool import IN_PROCESS_BYTES, LoadPool, ParserDiedError, PoolLimits, is_light
from ingest.types import Block, Loaded

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


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_loaded_text_comes_back_from_bytes_as_it_was():
    assert unpack(*pack(LOADED)) == LOADED


@pytest.mark.parametrize("about", [b"[]", b"{}", b"x", b'{"blocks": [1]}', b'{"blocks":[],"y":1}'])
def test_bytes_that_are_no_text_are_refused_by_name(about):
    with pytest.raises(ValueError, match="JSON|not a loaded text|Expecting"):
        unpack(about, b"")


def test_a_refusal_keeps_its_kind_but_names_no_other_class():
    assert isinstance(refusal(b"EncryptedFileError", b"why"), EncryptedFileError)
    assert type(refusal(b"annotations", b"why")) is FileRefusedError
    assert type(refusal(b"QueueFullError", b"why")) is FileRefusedError


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
        (b"eat", {"max_bytes": 300 * 1024**2}, "used more than 300 MB of memory"),
    ],
)
def test_a_file_that_ends_its_process_is_refused_with_the_reason(open_pool, order, limits, reason):
    pool = open_pool(**limits)

    with pytest.raises(ParserDiedError, match=reason):
        pool.load(order, "folder/a.pdf")

    assert pool.load(b"ok", "b").title == "title"


def test_a_second_try_may_go_well(open_pool, tmp_path):
    order = f"once {tmp_path / 'tried'}".encode()

    assert open_pool().load(order, "a").text == "second try"


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
