"""What llama.cpp was compiled with, what the machine has in; findings with commands out.

The judgements are pure; `hardware` and `processor_flags` read /proc, /dev, /sys.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.doctor_types import Finding

_CPUINFO = Path("proc/cpuinfo")
# What /proc/cpuinfo calls it → what llama.cpp's system info calls it.
_FLAGS = {
    "avx2": "AVX2",
    "f16c": "F16C",
    "fma": "FMA",
    "bmi2": "BMI2",
    "avx_vnni": "AVX_VNNI",
    "avx512f": "AVX512",
    "avx512vbmi": "AVX512_VBMI",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "amx_int8": "AMX_INT8",
    "asimd": "NEON",
    "asimddp": "DOTPROD",
    "i8mm": "MATMUL_INT8",
    "sve": "SVE",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a backend is compiled in."""

    cmake_args: str
    needs: str  # what must be installed before
    signs: tuple[str, ...]  # words by which llama.cpp names the backend


RECIPES = {
    "CUDA": Recipe("-DGGML_CUDA=on", "NVIDIA's driver and CUDA toolkit (nvcc)", ("CUDA",)),
    "ROCm": Recipe("-DGGML_HIP=on", "AMD's ROCm with hipBLAS", ("ROCm", "HIP")),
    "Metal": Recipe("-DGGML_METAL=on", "Xcode's command line tools", ("Metal", "MTL")),
    "Vulkan": Recipe("-DGGML_VULKAN=on", "Vulkan's headers, loader and glslc", ("Vulkan",)),
}
_NO_GPU = ("CPU", "AMX", "BLAS")  # devices that compute on the processor
_BUILT_FOR = {"CUDA": "an NVIDIA GPU", "ROCm": "an AMD GPU", "Metal": "an Apple GPU"}


def install_command(version: str, cmake_args: str) -> str:
    """Write the command that compiles llama-cpp-python anew in this environment."""
    return (
        f'CMAKE_ARGS="{cmake_args}" {sys.executable} -m pip install --force-reinstall --no-deps '
        f"--no-cache-dir --no-binary llama-cpp-python llama-cpp-python=={version}"
    )


def judge_backends(
    info: str, devices: Sequence[str], found: Collection[str], version: str
) -> list[Finding]:
    """Judge which GPUs the build can use.

    Args:
        info: llama.cpp's system info.
        devices: `CUDA0: NVIDIA H100`, the processor too.
        found: backends that the hardware here could use, the best first.
    """
    said = " ".join((info, *devices)).casefold()
    built = [
        name
        for name, recipe in RECIPES.items()
        if any(f"{sign.casefold()}" in said for sign in recipe.signs)
    ]
    findings = [
        Finding("ok", f"the engine computes on {one}", code="computes_on", values={"device": one})
        for one in devices
    ]
    if built or not found:
        if built and all(one.startswith(_NO_GPU) for one in devices):
            text = f"the build has {' and '.join(built)}, but sees no such device"
            cure, values = "check the driver and CUDA_VISIBLE_DEVICES", {"names": ", ".join(built)}
            findings.append(Finding("warn", text, cure, "gpu_unseen", values))
        return findings
    best = next(iter(found))
    recipe = RECIPES[best]
    command = install_command(version, recipe.cmake_args)
    findings.append(
        Finding(
            "ok" if best == "Vulkan" else "warn",  # it may be a weak one
            f"here is {_BUILT_FOR.get(best, 'a GPU')} that this build of llama.cpp cannot use",
            f"install {recipe.needs}, then run `{command}`",
            "gpu_unused",
            {"name": best, "needs": recipe.needs, "command": command},
        )
    )
    return findings


def judge_processor(info: str, flags: Collection[str], version: str) -> Finding:
    """Judge whether the build uses what the processor offers.

    Args:
        flags: as /proc/cpuinfo lists them; none = unknown.
    """
    used = {
        part.split("=")[0].strip()
        for part in info.replace(":", "|").split("|")
        if part.strip().endswith("= 1")
    }
    offered = [name for flag, name in _FLAGS.items() if flag in flags]
    missing = [name for name in offered if name not in used]
    if not missing:
        if not offered:
            text = "the processor's instruction sets are not known"
            return Finding("ok", text, code="processor_unknown")
        names = ", ".join(offered)
        text = f"the build uses what the processor offers: {names}"
        return Finding("ok", text, code="processor_used", values={"names": names})
    args = "-DGGML_NATIVE=on"
    if "AMX_INT8" in missing:  # a gcc drops stores to its configuration: docs/decisions/001
        quiet = "-fno-tree-dse -fno-dse"
        args += f" -DCMAKE_C_FLAGS='{quiet}' -DCMAKE_CXX_FLAGS='{quiet}'"
    names, command = ", ".join(missing), install_command(version, args)
    return Finding(
        "warn",
        f"the processor offers {names}, which this build does not use: it is slower than it could "
        "be",
        f"run `{command}`",
        "processor_unused",
        {"names": names, "command": command},
    )


def processor_flags(root: Path = Path("/")) -> frozenset[str]:
    """Read what the processor offers; nothing where the system does not say."""
    try:
        lines = (root / _CPUINFO).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def hardware(root: Path = Path("/"), platform: str = sys.platform) -> list[str]:
    """Name the backends that the hardware here could use, the best first."""
    if platform == "darwin":
        return ["Metal"]
    found = []
    if (root / "dev" / "nvidia0").exists() or (root == Path("/") and shutil.which("nvidia-smi")):
        found.append("CUDA")
    if (root / "dev" / "kfd").exists():
        found.append("ROCm")
    if any((root / "dev" / "dri").glob("renderD*")):
        found.append("Vulkan")
    return found
