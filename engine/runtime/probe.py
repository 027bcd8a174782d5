"""Is it safe to load this file here? A child process tries first; verdicts are remembered.

llama.cpp ends the whole process on some files (an assertion, an instruction that this machine
lacks, a build that crashes). Python cannot catch that, so a model that this machine has not proven
yet is loaded and computed once in a child.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import LoadError

_log = logging.getLogger(__name__)

TIMEOUT_S = 300.0
_CUT_SHORT = (-int(signal.SIGKILL), -int(signal.SIGALRM))  # no memory; no answer in time


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tried."""

    path: Path
    digest: str  # of the model file
    kind: Literal["chat", "embedding", "rerank"]
    num_gpu: int
    adapters: tuple[Path, ...] = ()
    projectors: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Name what was tried; files beside the model are blobs, so their names say it all."""
        beside = "".join(f" {one.name}" for one in (*self.adapters, *self.projectors))
        return f"{self.digest}{beside} {self.kind} gpu={self.num_gpu}"

    def arguments(self, *, has_extra_buffers: bool) -> str:
        """Say it to the child."""
        return json.dumps(
            {
                "path": str(self.path),
                "kind": self.kind,
                "num_gpu": self.num_gpu,
                "adapters": [str(one) for one in self.adapters],
                "projectors": [str(one) for one in self.projectors],
                "has_extra_buffers": has_extra_buffers,
            }
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a model can be loaded."""

    has_extra_buffers: bool


class Prober:
    """Ask once per model, build and kind of use."""

    def __init__(self, memory: Path, build: str) -> None:
        """Remember verdicts in a file.

        Args:
            memory: JSON file; it need not exist nor be writable.
            build: identity of the native library; another build asks anew.
        """
        self._memory, self._build = memory, build
        self._lock = threading.Lock()

    def verdict(self, trial: Trial) -> Verdict:
        """Tell how to load a model.

        Raises:
            LoadError: no way works; the child's last words are quoted.
        """
        key = f"{trial.name} {self._build}"
        with self._lock:
            known = self._read().get(key)
            if known is None:
                known = self._try(trial)
                self._write(key, known)
        if known == "refused":
            raise LoadError(self._refusal(trial.path))
        return Verdict(has_extra_buffers=known == "fast")

    def _refusal(self, path: Path) -> str:
        return (
            f"{path.name}: the model crashed llama.cpp when it was tried in a child process, so it "
            f"is not loaded here. The file is damaged or of a kind that this build cannot run; "
            f"pull or convert it again (to try once more, delete {self._memory})"
        )

    def _try(self, trial: Trial) -> str:
        is_cut_short = False
        for name, has_extra_buffers in (("fast", True), ("safe", False)):
            status, said = run_child(trial.arguments(has_extra_buffers=has_extra_buffers))
            if status == 0:
                return name
            if status == 3:  # refused in order, with a reason: not a crash
                raise LoadError(said)
            _log.warning(
                "model probe failed file=%s way=%s status=%s", trial.path.name, name, status
            )
            is_cut_short = is_cut_short or status in _CUT_SHORT
        if is_cut_short:  # says something about this moment, not about the file: not remembered
            raise LoadError(
                f"{trial.path.name}: the model's trial in a child process was cut short; the "
                "machine has too little memory or time for it now"
            )
        return "refused"

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, key: str, verdict: str) -> None:
        known = {**self._read(), key: verdict}
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(json.dumps(known, indent=1), encoding="utf-8")
        except OSError as error:
            _log.warning("probe verdict not kept file=%s error=%s", self._memory, error)


def run_child(arguments: str) -> tuple[int, str]:
    """Run the probe in a child; return its exit status (negative: the signal) and last words."""
    command = [sys.executable, "-m", "engine.runtime.probe_child", arguments]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=root, check=False
        )
    except subprocess.TimeoutExpired:
        return -int(signal.SIGALRM), f"no answer within {TIMEOUT_S:.0f} s"
    return done.returncode, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
