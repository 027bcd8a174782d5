"""OLLAMA_* variables in, one frozen EngineSettings out; the engine reads no others."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

T = TypeVar("T")
CacheType = Literal["f16", "q8_0", "q4_0"]

OLLAMA_PORT = 11434

_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+\.?\d*|\.\d+) ?([kmgt]?)(i?b?)")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine runs."""

    models_dir: Path
    keep_alive_s: float = 300.0  # negative = for ever
    n_ctx: int = 0  # tokens per request; 0 = 4096, or the model's own limit if smaller
    n_parallel: int = 4  # requests that one model answers at once
    max_queue: int = 512  # requests that may wait
    max_loaded_models: int = 3
    origins: tuple[str, ...] = ()  # further allowed CORS origins
    go_template: bool | None = None  # False: the GGUF's own chat template goes first; None chooses
    extra_models_dirs: tuple[Path, ...] = ()  # further models folders, only read
    is_pruning: bool = True  # whether what nothing uses any more is deleted
    key_path: Path | None = None  # what signs requests for registries' tokens
    prefix_cache_bytes: int = 512 << 20  # main memory per model for conversations without a slot
    flash_attention: bool | None = None  # None = llama.cpp chooses
    cache_type: CacheType = "f16"  # of the KV cache
    load_timeout_s: float = 300.0  # longest time that a load makes no progress; 0 = for ever
    gpu_overhead_bytes: int = 0  # of every GPU, left alone
    is_spread: bool = False  # models go to all GPUs, also if one would hold them
    is_speculating: bool = True  # try tokens ahead of an answer where that pays
    registries: tuple[str, ...] = ()  # host or host:port that models may come from; empty = any
    is_inside_reachable: bool = True  # also registries on this machine and in its networks


def parse_duration(text: str) -> float:
    """Read a Go duration such as 1h30m, -1m or 0 as seconds.

    Raises:
        ValueError: not a duration; a bare number other than 0 has no unit.
    """
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    if re.fullmatch(r"\d+\.?\d*|\.\d+", rest):
        raise ValueError(f'time: missing unit in duration "{text}"')
    if not rest or _PART.sub("", rest):
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(rest))


def engine_settings_from(env: Mapping[str, str], *, home: Path) -> EngineSettings:
    """Read the engine's settings.

    Args:
        home: where models lie if OLLAMA_MODELS says nothing.
    Raises:
        ValueError: a variable has a value that cannot be read; the message names both.
    """
    return EngineSettings(
        models_dir=_read(env, "OLLAMA_MODELS", lambda raw: Path(raw).expanduser(), str(home)),
        keep_alive_s=_read(env, "OLLAMA_KEEP_ALIVE", _keep_alive, "5m"),
        n_ctx=_read(env, "OLLAMA_CONTEXT_LENGTH", int, "0"),
        n_parallel=max(1, _read(env, "OLLAMA_NUM_PARALLEL", int, "4")),
        max_queue=max(1, _read(env, "OLLAMA_MAX_QUEUE", int, "512")),
        max_loaded_models=_loaded(_read(env, "OLLAMA_MAX_LOADED_MODELS", int, "0")),
        origins=_read(env, "OLLAMA_ORIGINS", _comma_list, ""),
        go_template=_read(env, "OLLAMA_GO_TEMPLATE", _flag_or_none, ""),
        extra_models_dirs=_read(env, "OLLAMA_MODELS_EXTRA", _folders, ""),
        is_pruning=not _read(env, "OLLAMA_NOPRUNE", parse_flag, "0"),
        key_path=Path("~/.ollama/id_ed25519").expanduser(),
        prefix_cache_bytes=_read(env, "OLLAMA_PREFIX_CACHE", parse_bytes, "512MiB"),
        flash_attention=_read(env, "OLLAMA_FLASH_ATTENTION", _flag_or_none, ""),
        cache_type=_read(env, "OLLAMA_KV_CACHE_TYPE", _cache_type, "f16"),
        load_timeout_s=_read(env, "OLLAMA_LOAD_TIMEOUT", _timeout, "5m"),
        gpu_overhead_bytes=_read(env, "OLLAMA_GPU_OVERHEAD", parse_bytes, "0"),
        is_spread=_read(env, "OLLAMA_SCHED_SPREAD", parse_flag, "0"),
        is_speculating=_read(env, "OLLAMA_SPECULATION", _auto_or_off, "auto"),
        registries=_read(env, "OLLAMA_REGISTRIES", _comma_list, ""),
    )


def _read(env: Mapping[str, str], name: str, kind: Callable[[str], T], default: str) -> T:
    raw = env.get(name, "").strip().strip("\"'") or default
    try:
        return kind(raw)
    except ValueError as error:
        raise ValueError(f"{name}={raw!r}: {error}") from error


def parse_bytes(raw: str) -> int:
    """Read a size such as 512MiB, 2GB, 1.5g or 1000000; a bare number counts bytes.

    Raises:
        ValueError: not a size.
    """
    found = _SIZE.fullmatch(raw.strip().casefold())
    if found is None:
        raise ValueError("expected a size such as 512MiB, 2GB or 0")
    base = 1000 if found[3] == "b" and found[2] else 1024
    return int(float(found[1]) * base ** " kmgt".index(found[2] or " "))


def _loaded(wanted: int) -> int:
    return wanted if wanted > 0 else 3


def _keep_alive(raw: str) -> float:
    try:
        seconds = float(raw)
    except ValueError:
        seconds = parse_duration(raw)
    return -1.0 if seconds < 0 else min(seconds, math.inf)


def _timeout(raw: str) -> float:
    """Read a duration; Ollama takes 0 and less for ever."""
    return max(0.0, _keep_alive(raw))


def _cache_type(raw: str) -> CacheType:
    known: dict[str, CacheType] = {"f16": "f16", "q8_0": "q8_0", "q4_0": "q4_0"}
    if raw.casefold() not in known:
        raise ValueError("expected f16, q8_0 or q4_0")
    return known[raw.casefold()]


def _comma_list(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _folders(raw: str) -> tuple[Path, ...]:
    return tuple(Path(part).expanduser() for part in raw.split(os.pathsep) if part.strip())


def parse_host(raw: str) -> tuple[str, int]:
    """Read OLLAMA_HOST: `[scheme://]host[:port][/path]`.

    Without a port it is that of the scheme, if one is given, else Ollama's; a port that is none
    is Ollama's too. Source: Ollama's envconfig, Host().
    """
    scheme, _, rest = raw.strip().strip("\"'").rpartition("://")
    usual = {"http": 80, "https": 443}.get(scheme, OLLAMA_PORT)
    place = rest.partition("/")[0]
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):  # a bare IPv6 address stands in brackets
        host, port = place, str(usual)
    is_port = port.isdecimal() and int(port) < 65536
    return host.strip("[]") or "127.0.0.1", int(port) if is_port else OLLAMA_PORT


def _auto_or_off(raw: str) -> bool:
    if raw not in {"auto", "off"}:
        raise ValueError("expected auto or off")
    return raw == "auto"


def _flag_or_none(raw: str) -> bool | None:
    return parse_flag(raw) if raw else None


def parse_flag(raw: str) -> bool:
    """Read a switch of Ollama's: whatever is no way to say no means yes.

    Source: Ollama's envconfig, Bool(), and Go's strconv.ParseBool for the ways to say no.
    """
    said = raw.strip().strip("\"'")
    return said not in {"", "0", "f", "F", "false", "False", "FALSE"}


def calm_openmp(env: MutableMapping[str, str]) -> None:
    """Let OpenMP's threads sleep soon instead of spinning, unless the user chose otherwise.

    llama.cpp meets at a barrier after every operation. With the default spin count two busy
    processes on two cores slowed a stream from 70 tokens/s to 0.3; with a short one it keeps going.
    Must be called before llama_cpp (and with it libgomp) is imported.
    Source: libgomp manual, GOMP_SPINCOUNT and OMP_WAIT_POLICY.
    """
    if "OMP_WAIT_POLICY" not in env:
        env.setdefault("GOMP_SPINCOUNT", "1000")
