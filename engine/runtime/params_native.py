"""A placement in, llama.cpp's own parameters for loading and computing out."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import llama_cpp as native

from engine.config import CacheType
from engine.runtime.placement import Placement
from engine.types import Options

_CACHE_TYPES: dict[CacheType, int] = {
    "f16": native.GGML_TYPE_F16,
    "q8_0": native.GGML_TYPE_Q8_0,
    "q4_0": native.GGML_TYPE_Q4_0,
}
_FLASH_AUTO, _FLASH_OFF, _FLASH_ON = -1, 0, 1  # llama_flash_attn_type
_SPLIT_NONE, _SPLIT_LAYER = 0, 1  # llama_split_mode


class LoadWatch:
    """Ends a load that makes no progress; must outlive the load.

    llama.cpp asks between tensors, so a read that never returns cannot be ended, one that crawls
    can. Source: llama.cpp, include/llama.h, `llama_progress_callback`.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait for progress.

        Args:
            timeout_s: longest time between two steps; 0 or less waits for ever.
        """
        self._timeout_s, self._clock = timeout_s, clock
        self._last_s, self._done = clock(), -1.0
        self.is_stalled = False
        self.callback = native.llama_progress_callback(self.goes_on)

    def goes_on(self, done: float, _: object = None) -> bool:
        """Tell whether the load may go on; `done` counts up from 0 to 1."""
        now_s = self._clock()
        if self._timeout_s > 0 and now_s - self._last_s > self._timeout_s:
            self.is_stalled = True
            return False
        if done > self._done:
            self._last_s, self._done = now_s, done
        return True


def model_params(
    options: Options, placement: Placement | None, *, has_extra_buffers: bool, watch: LoadWatch
) -> tuple[native.llama_model_params, list[object]]:
    """Say how weights are loaded; the second part must live until they are.

    Args:
        placement: None leaves the devices to the options and to llama.cpp.
    """
    params, kept = native.llama_model_default_params(), []
    params.use_extra_bufts = has_extra_buffers
    params.progress_callback = watch.callback
    kept.append(watch.callback)
    uses_mmap = options.use_mmap if placement is None else placement.uses_mmap
    params.load_mode = native.llama_load_mode_from_str(b"mmap" if uses_mmap else b"none")
    if placement is None:
        params.n_gpu_layers = 999 if options.num_gpu < 0 else options.num_gpu
        params.main_gpu = options.main_gpu
        return params, kept
    params.n_gpu_layers = placement.n_gpu_layers
    params.main_gpu = placement.main_gpu
    params.split_mode = _SPLIT_LAYER if placement.split_mode == "layer" else _SPLIT_NONE
    if placement.tensor_split:
        split = (ctypes.c_float * native.llama_max_devices())(*placement.tensor_split)
        params.tensor_split = split
        kept.append(split)
    if not placement.n_gpu_layers:  # an empty list: a GPU that is only looked at takes memory too
        nothing = (ctypes.c_void_p * 1)(None)
        params.devices = ctypes.cast(nothing, ctypes.c_void_p)
        kept.append(nothing)
    return params, kept


def context_params(placement: Placement | None) -> native.llama_context_params:
    """Say where the cache lies and in which type."""
    params = native.llama_context_default_params()
    if placement is None:
        return params
    params.type_k = params.type_v = _CACHE_TYPES[placement.cache_type]
    flash = {None: _FLASH_AUTO, True: _FLASH_ON, False: _FLASH_OFF}
    params.flash_attn_type = flash[placement.flash_attention]
    params.offload_kqv = params.op_offload = placement.n_gpu_layers > 0
    return params
