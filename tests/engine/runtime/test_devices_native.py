"""What the installed build says of this machine, and how made-up GPUs are chosen from."""

from engine.runtime.devices_native import device_names, gpus, used_first
from engine.runtime.sizes import GIB
from tests.engine.runtime.machines import gpu


def test_llama_cpp_names_the_processor_at_least():
    assert any(name.startswith("CPU: ") for name in device_names())
    assert all(one.total_bytes > 0 for one in gpus())


def test_an_integrated_gpu_is_left_out_beside_a_real_one():
    real, weak = gpu(0, 8, backend="Vulkan"), gpu(1, 16, backend="Vulkan", kind="igpu")

    assert used_first([weak, real], []) == [real]
    assert used_first([weak], []) == [weak]


def test_the_smaller_of_two_free_sizes_counts():
    first, second = gpu(0, 24, 20), gpu(1, 24, 10)

    found = used_first([first, second], [(15 * GIB, 24 * GIB), (12 * GIB, 24 * GIB)])

    assert [one.free_bytes // GIB for one in found] == [15, 10]


def test_cards_that_cuda_does_not_show_are_not_mixed_up():
    shown = [gpu(0, 24, 20)]

    assert used_first(shown, [(GIB, 80 * GIB), (GIB, 24 * GIB)]) == shown
    assert used_first(shown, [(GIB, 80 * GIB)]) == shown
