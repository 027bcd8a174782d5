"""Nothing in, the devices that llama.cpp can compute on with their memory out; asks ggml, NVML."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import llama_cpp as native

from engine.runtime.devices import Device, Machine
from engine.runtime.host_memory import host_memory
from engine.runtime.log_native import start_backend

_GPU, _IGPU = 1, 2  # ggml_backend_dev_type
_NVIDIA_BACKENDS = ("CUDA",)


def this_machine() -> Machine:
    """Measure GPUs and main memory as they are now."""
    return Machine(host_memory(), tuple(gpus()))


def gpus() -> list[Device]:
    """List the GPUs of this build as llama.cpp orders them, with what is free now.

    The Python binding has no device functions, so ggml's own library, which it has loaded already,
    is asked. Where NVML can be asked too, the smaller of the two free sizes counts: CUDA's does not
    see what other processes are about to hold. Source: llama.cpp, ggml/include/ggml-backend.h.
    """
    ggml = _ggml()
    if ggml is None:
        return []
    start_backend()
    found = []
    for number in range(ggml.ggml_backend_dev_count()):
        device = ggml.ggml_backend_dev_get(number)
        kind = ggml.ggml_backend_dev_type(device)
        if kind not in (_GPU, _IGPU):
            continue
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        registry = ggml.ggml_backend_dev_backend_reg(device)
        found.append(
            Device(
                name=_text(ggml.ggml_backend_dev_name(device)),
                kind="gpu" if kind == _GPU else "igpu",
                backend=_text(ggml.ggml_backend_reg_name(registry)),
                description=_text(ggml.ggml_backend_dev_description(device)),
                free_bytes=free.value,
                total_bytes=total.value,
            )
        )
    return used_first(found, nvml_free())


def device_names() -> list[str]:
    """Name every device of this build, the processor too: `CPU: AMD EPYC`."""
    ggml = _ggml()
    if ggml is None:
        return []
    start_backend()
    devices = [ggml.ggml_backend_dev_get(one) for one in range(ggml.ggml_backend_dev_count())]
    return [
        f"{_text(ggml.ggml_backend_dev_name(one))}: {_text(ggml.ggml_backend_dev_description(one))}"
        for one in devices
    ]


def used_first(devices: Sequence[Device], nvml: Sequence[tuple[int, int]]) -> list[Device]:
    """Leave out what llama.cpp does not use and take the smaller of two free sizes.

    Integrated GPUs are used only where there is no other one. NVML's sizes count only if it sees
    as many cards as CUDA, with the same total size: with CUDA_VISIBLE_DEVICES the two differ.

    Args:
        nvml: (free, total) bytes by card.
    """
    from dataclasses import replace

    discrete = [one for one in devices if one.kind == "gpu"]
    chosen = discrete or list(devices)
    cards = [one for one in chosen if one.backend in _NVIDIA_BACKENDS]
    if len(cards) != len(nvml):
        return chosen
    by_name = {}
    for card, (free, total) in zip(cards, nvml, strict=True):
        if abs(total - card.total_bytes) < total // 20:
            by_name[card.name] = min(free, card.free_bytes)
    return [replace(one, free_bytes=by_name.get(one.name, one.free_bytes)) for one in chosen]


def nvml_free() -> list[tuple[int, int]]:
    """Ask NVML for (free, total) bytes by card; nothing where it is not installed."""
    try:
        import pynvml  # type: ignore[import-not-found,unused-ignore] # of nvidia-ml-py, optional
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        sizes = []
        for number in range(pynvml.nvmlDeviceGetCount()):
            memory = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(number))
            sizes.append((int(memory.free), int(memory.total)))
    except pynvml.NVMLError:
        return []
    else:
        return sizes


@cache
def _ggml() -> ctypes.CDLL | None:
    folder = Path(native.__file__).parent / "lib"
    name = {"darwin": "libggml.dylib", "win32": "ggml.dll"}.get(sys.platform, "libggml.so")
    try:
        library = ctypes.CDLL(str(folder / name))
        for function in ("dev_get", "dev_backend_reg"):
            getattr(library, f"ggml_backend_{function}").restype = ctypes.c_void_p
        for function in ("dev_name", "dev_description", "reg_name"):
            getattr(library, f"ggml_backend_{function}").restype = ctypes.c_char_p
            getattr(library, f"ggml_backend_{function}").argtypes = [ctypes.c_void_p]
        size = ctypes.POINTER(ctypes.c_size_t)
        library.ggml_backend_dev_count.restype = ctypes.c_size_t
        library.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
        library.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
        library.ggml_backend_dev_backend_reg.argtypes = [ctypes.c_void_p]
        library.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size, size]
        library.ggml_backend_dev_memory.restype = None
    except (OSError, AttributeError):  # another layout of the package: no device is known
        return None
    return library


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
