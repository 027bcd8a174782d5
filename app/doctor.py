"""Facts about this machine, the settings, the data in; findings out, each with its cure.

The judgements (`judge_*`) are pure; `examine` gathers the facts for them.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.config import Settings
from app.doctor_types import Finding, Level
from app.machine import GIB, Machine

if TYPE_CHECKING:
    from pathlib import Path

    from app.api.wire import StatusOut
    from app.compose import Parts
    from engine.types import ModelEntry

_OLDEST_PYTHON = (3, 11)
_LEAST_DISK_BYTES = 2 * GIB
_LEAST_MEMORY_BYTES = 2 * GIB


def examine(settings: Settings, parts: Parts | None = None) -> list[Finding]:
    """Look at everything; a look that fails is a finding too.

    Args:
        parts: those of the server that asks about itself.
    """
    from app.doctor_library import library_findings
    from app.doctor_system import system_findings

    return _looked(
        ("python", lambda: [judge_python(sys.version_info[:3])]),
        ("disk", lambda: [judge_disk(*_disk(settings))]),
        ("system", lambda: system_findings(settings)),
        ("engine", _engine_build),
        ("machine", _machine),
        ("models", lambda: _models(settings)),
        ("server", lambda: _server(settings) if parts is None else _itself(parts)),
        ("index", lambda: _index(settings) if parts is None else index_of(parts)),
        ("library", lambda: library_findings(settings)),
    )


def index_of(parts: Parts) -> list[Finding]:
    """Look at the index of the server that asks about itself."""
    from app.api.health import status_of
    from app.doctor_library import judge_counts, judge_index

    counts = judge_counts(parts.kb.status()) if parts.kb is not None else []
    return [*judge_index(status_of(parts)), *counts]


def _looked(*looks: tuple[str, Callable[[], Sequence[Finding]]]) -> list[Finding]:
    found: list[Finding] = []
    for name, look in looks:
        try:
            found += look()
        except Exception as error:  # noqa: BLE001 - a doctor reports what it stumbles over
            why = f"{type(error).__name__}: {error}"
            values = {"name": name, "why": why}
            found.append(Finding("bad", f"{name}: {why}", code="look_failed", values=values))
    return found


def _itself(parts: Parts) -> list[Finding]:
    return [judge_port(parts.settings.url, "Quire", is_ours=True)]


def judge_python(version: tuple[int, int, int]) -> Finding:
    """Judge the Python that runs this."""
    number = ".".join(map(str, version))
    text, values = f"Python {number}", {"version": number}
    if version[:2] < _OLDEST_PYTHON:
        cure = "install Python 3.11 or newer, then run `make setup` again"
        return Finding("bad", text, cure, "python", values)
    return Finding("ok", text, code="python", values=values)


def judge_disk(folder: str, free_bytes: int) -> Finding:
    """Judge the room where data goes."""
    free = f"{free_bytes / GIB:.1f}"
    text, values = f"{free} GiB free in {folder}", {"free": free, "folder": folder}
    if free_bytes < _LEAST_DISK_BYTES:
        cure = "free some space, or set QUIRE_HOME to a larger disk"
        return Finding("warn", text, cure, "disk", values)
    return Finding("ok", text, code="disk", values=values)


def judge_machine(machine: Machine, chat_model: str) -> list[Finding]:
    """Judge memory, cores, graphics memory."""
    memory, cores = f"{machine.memory_bytes / GIB:.1f}", str(machine.n_cores)
    text, code = f"{memory} GiB memory, {cores} cores", "machine"
    values = {"memory": memory, "cores": cores, "gpu": f"{machine.vram_bytes / GIB:.1f}"}
    if machine.vram_bytes:
        text, code = f"{text}, GPU with {values['gpu']} GiB", "machine_gpu"
    level: Level = "warn" if machine.memory_bytes < _LEAST_MEMORY_BYTES else "ok"
    cure = (
        "only the smallest models will run; give the machine more memory" if level != "ok" else ""
    )
    return [
        Finding(level, text, cure, code, values),
        Finding(
            "ok",
            f"a chat model that suits this machine: {chat_model}",
            code="suits",
            values={"model": chat_model},
        ),
    ]


def judge_models(entries: Sequence[ModelEntry], wanted: Sequence[str]) -> list[Finding]:
    """Judge what is installed against what the settings name."""
    from app.models import is_installed

    found = []
    for kind in ("embedding", "completion"):
        names = [one.name for one in entries if kind in one.capabilities and one.is_readable]
        if names:
            told, values = ", ".join(names), {"names": ", ".join(names)}
            found.append(Finding("ok", f"{kind} models: {told}", "", f"models_{kind}", values))
        else:
            text, cure = f"no {kind} model is installed", "run `quire prepare`"
            found.append(Finding("warn", text, cure, f"no_{kind}"))
    found += [
        _of_model(one.name, f"model {one.name} is incomplete", "model_incomplete")
        for one in entries
        if not one.is_readable
    ]
    found += [
        _of_model(name, f"model {name} is set, but not installed", "model_missing")
        for name in wanted
        if name and not is_installed(name, entries)
    ]
    return found


def judge_port(url: str, who: str, *, is_ours: bool) -> Finding:
    """Judge who answers where the server should be; an empty `who` means nobody."""
    values = {"url": url, "who": who}
    if not who:
        text = f"nobody listens at {url}; a server can start there"
        return Finding("ok", text, code="port_free", values=values)
    if is_ours:
        return Finding("ok", f"the server runs at {url}", code="port_ours", values=values)
    cure = "stop it, or set QUIRE_PORT to another port before `quire up`"
    return Finding("warn", f"{who} listens at {url}", cure, "port_taken", values)


def _of_model(name: str, text: str, code: str) -> Finding:
    return Finding("bad", text, f"run `quire pull {name}`", code, {"name": name})


def _disk(settings: Settings) -> tuple[str, int]:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    return str(settings.home), shutil.disk_usage(folder).free


def _engine_build() -> list[Finding]:
    from app.native_build import hardware, judge_backends, judge_processor, processor_flags

    try:
        from engine.runtime.devices_native import device_names
        from engine.runtime.llama import build_features

        features = build_features()
    except (ImportError, OSError) as error:
        cure = "run `make setup` again; it compiles llama.cpp for this machine"
        text = f"the engine's native layer does not load: {error}"
        return [Finding("bad", text, cure, "native_broken", {"why": str(error)})]
    version, info = features["llama-cpp-python"], features["system_info"]
    return [
        Finding(
            "ok",
            f"llama-cpp-python {version}; {info}",
            code="build",
            values={"version": version, "info": info},
        ),
        *judge_backends(info, device_names(), hardware(), version),
        judge_processor(info, processor_flags(), version),
    ]


def _machine() -> list[Finding]:
    from app.compose import machine_of_build
    from app.models import chat_model_for

    machine = machine_of_build()
    return judge_machine(machine, chat_model_for(machine))


def _models(settings: Settings) -> list[Finding]:
    from engine.library.store import Library

    engine = settings.engine
    entries = Library(engine.models_dir, engine.extra_models_dirs).entries()
    memory = engine.models_dir / "probed.json"
    bad = _refused(memory)
    return [
        *judge_models(entries, (settings.embed_model, settings.chat_model)),
        *(
            Finding(
                "bad",
                f"{one.name} crashed or hung llama.cpp when it was tried",
                f"pull or create it again; to try once more, stop the server and delete {memory}",
                "model_crashes",
                {"name": one.name, "file": str(memory)},
            )
            for one in entries
            if one.model_digest in bad
        ),
    ]


def _refused(memory: Path) -> tuple[str, ...]:
    from engine.runtime.probe import build_name, refused_digests

    try:
        from engine.runtime.llama import build_features
    except (ImportError, OSError):  # said better by `_engine_build`
        return ()
    return refused_digests(memory, build_name(build_features()))


def _server(settings: Settings) -> list[Finding]:
    from app.client import find_server, who_listens
    from app.server import is_answering
    from app.tls import trust_of

    is_taken = is_answering(settings.url)
    is_ours = is_taken and find_server(settings, "engine") is not None
    who = who_listens(settings.url, trust_of(settings, settings.url)) if is_taken else ""
    return [judge_port(settings.url, who, is_ours=is_ours)]


def status_here(settings: Settings) -> StatusOut | None:
    """Ask the server that has our data open how it is; None if there is none."""
    from app.client import ask_status, find_server, key_for
    from app.tls import trust_of

    url = find_server(settings, "knowledge")
    return ask_status(url, key_for(settings, url), trust_of(settings, url)) if url else None


def _index(settings: Settings) -> list[Finding]:
    """Ask the running server; without one only look whether there is a library."""
    from app.doctor_library import judge_index

    status = status_here(settings)
    if status is not None:
        return judge_index(status)
    from app.compose import bound_model
    from ingest.lock import FolderLock

    if not (settings.home / "kb.sqlite3").is_file():
        text = f"no library yet in {settings.home}; `quire up` makes one"
        return [Finding("ok", text, code="no_library", values={"folder": str(settings.home)})]
    lock = FolderLock(settings.home / "server.lock")
    try:
        bound = bound_model(settings.home)
    finally:
        lock.release()
    name = bound.name if bound else "nothing yet"
    text = f"the library opens; it was indexed with {name}"
    return [Finding("ok", text, code="library_opens", values={"model": name})]
