"""GPUs and main memory as they are now: what there is, what is free; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from engine.runtime.host_memory import HostMemory
from engine.runtime.sizes import HOST


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU as llama.cpp sees it."""

    name: str  # CUDA0, Metal, Vulkan1
    kind: Literal["gpu", "igpu"]
    backend: str  # CUDA, Metal, ROCm, Vulkan
    free_bytes: int
    total_bytes: int  # for Metal the working set that the system allows
    description: str = ""

    @property
    def is_unified(self) -> bool:
        """Whether its memory is main memory."""
        return self.kind == "igpu" or self.backend in ("Metal", "MTL")


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is, and how much of it is free now."""

    host: HostMemory
    gpus: tuple[Device, ...] = ()

    def free(self) -> dict[str, int]:
        """Give the free bytes by device."""
        return {HOST: self.host.free_bytes, **{one.name: one.free_bytes for one in self.gpus}}

    def with_free(self, free: Mapping[str, int]) -> Machine:
        """Say otherwise what is free; devices that are not named keep what they have."""
        host = replace(self.host, free_bytes=free.get(HOST, self.host.free_bytes))
        gpus = (replace(one, free_bytes=free.get(one.name, one.free_bytes)) for one in self.gpus)
        return Machine(host, tuple(gpus))
