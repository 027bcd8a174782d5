"""Facts about the system and the settings in, findings with their cures out.

The judgements (`judge_*`) are pure; `system_findings` gathers the facts for them.
"""

from __future__ import annotations

import difflib
import os
import shutil
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from app.access.policy import CURE, wants_keys
from app.config import Auth, Settings, known_names, names_given
from app.doctor_types import Finding, Level
from app.machine import GIB
from engine.api.guard import is_loopback

_LEAST_FILES = 1024
_OLLAMA = "OLLAMA_"

# Program → what it is for, how it is got.
_PROGRAMS = {
    "tesseract": (
        "scans and pictures are read (OCR)",
        "scans and pictures cannot be read",
        "Debian: `apt install tesseract-ocr`; macOS: `brew install tesseract`",
    ),
    "soffice": (
        "old Office files (.doc, .xls, .ppt) are read",
        "old Office files (.doc, .xls, .ppt) cannot be read",
        "Debian: `apt install libreoffice-core`; macOS: `brew install --cask libreoffice`",
    ),
}


def judge_files(limit: int | None) -> list[Finding]:
    """Judge how many files and connections this process may have open; None is no limit."""
    if limit is None or limit >= _LEAST_FILES:
        return []
    text = f"only {limit} files may be open at once: many callers at once will be refused"
    cure = "run `ulimit -n 4096` before the start; in a systemd unit LimitNOFILE=4096"
    return [Finding("warn", text, cure, "few_files", {"n": str(limit)})]


def judge_permissions(folder: str, mode: int, *, is_reachable: bool) -> list[Finding]:
    """Judge who can read the data directory.

    Args:
        is_reachable: whether others get as far as this folder.
    """
    if not (is_reachable and mode & 0o007):
        return []
    level: Level = "bad" if mode & 0o002 else "warn"
    can = "change" if level == "bad" else "read"
    text = f"every user of this machine can {can} what lies in {folder}"
    cure = f"run `chmod 700 {folder}`"
    return [Finding(level, text, cure, f"all_{can}", {"folder": folder})]


def judge_settings(given: Sequence[str], known: Collection[str]) -> list[Finding]:
    """Judge names of settings: what nobody reads was probably meant to do something."""
    found = []
    for name in sorted(set(given) - set(known)):
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
        text, values = f"{name} is no setting", {"name": name, "near": "".join(near)}
        if near:
            cure = f"did you mean {near[0]}?"
            found.append(Finding("warn", text, cure, "setting_mistyped", values))
        elif not name.startswith(_OLLAMA):  # Ollama has some that mean nothing here
            cure = "remove it; the README has a table of all settings"
            found.append(Finding("warn", text, cure, "setting_unknown", values))
    return found


def judge_access(auth: Auth, host: str) -> list[Finding]:
    """Judge who may come in; that keys are there is seen to at the start."""
    where, values = host or "every address", {"where": host or "*"}
    if wants_keys(auth, host):
        text = f"keys are asked for at {where}"
        return [Finding("ok", text, code="keys_asked", values=values)]
    if is_loopback(host):
        text = f"only this machine reaches {where}; no keys are asked for"
        return [Finding("ok", text, code="only_here", values=values)]
    text = f"everybody who reaches {where} may read, change and delete everything"
    cure = f"unset QUIRE_AUTH and {CURE.partition(';')[0]}"
    return [Finding("bad", text, cure, "open_to_all", values)]


def judge_programs(found: Mapping[str, bool]) -> list[Finding]:
    """Judge which helpers are installed that some kinds of files need."""
    findings = []
    for name, (use, lack, cure) in _PROGRAMS.items():
        if found.get(name):
            text = f"{name} is installed: {use}"
            findings.append(Finding("ok", text, code=f"has_{name}"))
        else:
            text = f"{name} is not installed: {lack}"
            findings.append(Finding("warn", text, cure, f"no_{name}"))
    return findings


def judge_use(sizes: Mapping[str, int]) -> list[Finding]:
    """Say what the library takes on the disk, by part, the largest first."""
    told = sorted(((size, name) for name, size in sizes.items() if size), reverse=True)
    if not told:
        return []
    parts = ", ".join(f"{name} {_worded(size)}" for size, name in told)
    total = _worded(sum(sizes.values()))
    values = {"total": total} | {name: _worded(size) for size, name in told}
    text = f"the data directory takes {total}: {parts}"
    return [Finding("ok", text, code="use", values=values)]


def system_findings(settings: Settings) -> list[Finding]:
    """Look at what this process and its data directory are allowed to do."""
    home = settings.home
    found = [
        *judge_files(_files_limit()),
        *judge_settings(names_given(home), known_names()),
        *judge_access(settings.auth, settings.host),
        *judge_programs({name: bool(shutil.which(name)) for name in _PROGRAMS}),
    ]
    if home.is_dir():
        mode = stat.S_IMODE(home.stat().st_mode)
        found += judge_permissions(str(home), mode, is_reachable=_is_reachable(home))
        found += judge_use(_sizes(settings))
    return found


def _worded(n_bytes: int) -> str:
    return f"{n_bytes / GIB:.1f} GiB" if n_bytes >= GIB // 10 else f"{n_bytes / 1024**2:.1f} MiB"


def _files_limit() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _is_reachable(folder: Path) -> bool:
    return all(one.stat().st_mode & stat.S_IXOTH for one in folder.resolve().parents)


def _sizes(settings: Settings) -> dict[str, int]:
    home, models = settings.home, settings.engine.models_dir
    sizes = {
        "catalogue": sum(map(_size, home.glob("kb.sqlite3*"))),
        "vector index": _size(home / "chroma"),
        "conversations": sum(map(_size, home.glob("conversations.sqlite3*"))),
        "exams": sum(map(_size, home.glob("exam.sqlite3*"))),
        "originals": _size(home / "originals"),
        "inbox": _size(home / "inbox"),
        "audit log": _size(home / "audit"),
    }
    if models.is_relative_to(home):
        sizes["models"] = _size(models)
    return sizes


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            try:
                total += Path(root, name).lstat().st_size
            except FileNotFoundError:
                continue  # removed just now
    return total
