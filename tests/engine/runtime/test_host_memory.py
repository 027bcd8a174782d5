"""Main memory as a container sees it; made-up /proc and /sys."""

import pytest

from engine.runtime.host_memory import host_memory

GIB = 1 << 30


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "proc/meminfo", "MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 2097152 kB")
    return tmp_path


def write(root, name, text):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def test_what_caches_hold_counts_as_free(root):
    found = host_memory(root)

    assert (found.free_bytes, found.total_bytes) == (2 * GIB, 4 * GIB)


def test_a_limit_of_version_two_counts_less_what_is_used(root):
    write(root, "sys/fs/cgroup/memory.max", str(GIB))
    write(root, "sys/fs/cgroup/memory.current", str(GIB // 2))
    write(root, "sys/fs/cgroup/memory.stat", f"anon 5\ninactive_file {GIB // 4}")

    found = host_memory(root)

    assert (found.free_bytes, found.total_bytes) == (3 * GIB // 4, GIB)


def test_files_that_were_read_twice_are_no_memory_in_use(root):
    write(root, "sys/fs/cgroup/memory.max", str(GIB))
    write(root, "sys/fs/cgroup/memory.current", str(GIB))
    write(root, "sys/fs/cgroup/memory.stat", f"active_file {GIB // 2}\ninactive_file {GIB // 4}")

    assert host_memory(root).free_bytes == 3 * GIB // 4


def test_a_limit_of_a_group_above_the_processs_own_counts(root):
    write(root, "proc/self/cgroup", "0::/user.slice/quire.service")
    write(root, "sys/fs/cgroup/user.slice/memory.max", str(GIB))
    write(root, "sys/fs/cgroup/user.slice/quire.service/memory.max", "max")

    assert host_memory(root).total_bytes == GIB


def test_a_limit_of_version_one_counts(root):
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", str(GIB))
    write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", str(2 * GIB))

    found = host_memory(root)

    assert (found.free_bytes, found.total_bytes) == (0, GIB)


@pytest.mark.parametrize("text", ["max", "9223372036854771712"])
def test_no_limit_is_none(root, text):
    write(root, "sys/fs/cgroup/memory.max", text)

    assert host_memory(root).total_bytes == 4 * GIB


def test_this_machine_has_some():
    found = host_memory()

    assert 0 < found.free_bytes <= found.total_bytes
