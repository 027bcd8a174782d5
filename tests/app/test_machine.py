"""The machine is measured as a container sees it."""

from __future__ import annotations

from app.machine import measure


def test_a_containers_limit_counts_if_it_is_smaller(tmp_path):
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("123456789\n")

    assert measure(has_gpu_build=False, root=tmp_path).memory_bytes == 123456789


def test_no_limit_means_the_machines_memory(tmp_path):
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("max\n")

    machine = measure(has_gpu_build=False, root=tmp_path)

    assert machine.memory_bytes > 2**28
    assert machine.n_cores >= 1
    assert machine.vram_bytes == 0
