"""Is it safe to load this file here? A child process tries first; verdicts are remembered.

llama.cpp ends the whole process on some files (an assertion, an instruction that this machine
lacks, a build that crashes). Python cannot catch that, so a model that this machine has not proven
yet is loaded and computed once in a child.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import LibraryError, LoadError
from engine.library.lock import StoreLock
from engine.runtime.probe_process import Ended, TrialProcess, cpu_limit_s

_log = logging.getLogger(__name__)

_LOCK_WAIT_S = 5.0
_MAX_REMEMBERED = 4096
_REFUSED = ("refused", "hung")
_PASSING = frozenset({"is late", "is cut short"})  # ends that say something of this moment only
Run = Callable[[str, int], Ended]  # a trial's words, seconds of the processor
Setting = tuple[str, object]  # an argument's name and its value, which JSON can say


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tried.

    The context's size is no part of it: it changes how much memory is taken, which is reckoned
    elsewhere, and not which code runs.
    """

    path: Path
    digest: str  # of the model file
    kind: Literal["chat", "embedding", "rerank"]
    num_gpu: int
    adapters: tuple[Path, ...] = ()
    projectors: tuple[Path, ...] = ()
    drafts: tuple[Path, ...] = ()  # models that draft for this one
    model_settings: tuple[Setting, ...] = ()  # further arguments of Model
    context_settings: tuple[Setting, ...] = ()  # further arguments of Context, as flash attention

    @property
    def name(self) -> str:
        """Name what was tried; files beside the model are blobs, so their names say it all."""
        files = (*self.adapters, *self.projectors, *self.drafts)
        beside = "".join(f" {one.name}" for one in files)
        settings = sorted((*self.model_settings, *self.context_settings))
        said = "".join(f" {name}={value}" for name, value in settings)
        return f"{self.digest}{beside} {self.kind} gpu={self.num_gpu}{said}"

    @property
    def size_bytes(self) -> int:
        """Add up the files; one that is not there counts nothing."""
        files = (self.path, *self.adapters, *self.projectors, *self.drafts)
        return sum(one.stat().st_size for one in files if one.is_file())

    def arguments(self, *, has_extra_buffers: bool) -> str:
        """Say it to the child."""
        return json.dumps(
            {
                "path": str(self.path),
                "kind": self.kind,
                "num_gpu": self.num_gpu,
                "adapters": [str(one) for one in self.adapters],
                "projectors": [str(one) for one in self.projectors],
                "drafts": [str(one) for one in self.drafts],
                "model": {**dict(self.model_settings), "has_extra_buffers": has_extra_buffers},
                "context": dict(self.context_settings),
                "cpu_s": cpu_limit_s(self.size_bytes),
            }
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a model can be loaded."""

    has_extra_buffers: bool


class Prober:
    """Ask once per model, build and kind of use."""

    def __init__(self, memory: Path, build: str, run: Run | None = None) -> None:
        """Remember verdicts in a file.

        Args:
            memory: JSON file; it need not exist nor be writable.
            build: identity of the native library; another build asks anew.
            run: how a trial is run; None starts a process.
        """
        self._memory, self._build = memory, build
        self._lock = threading.Lock()
        self._process = TrialProcess()
        self._run = run or self._process.run
        # Not written down: the machine may have been too busy, or its memory too full.
        self._passing: dict[str, str] = {}

    def verdict(self, trial: Trial) -> Verdict:
        """Tell how to load a model.

        Raises:
            LoadError: no way works; the child's last words are quoted.
        """
        key = f"{trial.name} {self._build}"
        with self._lock:
            known = self._passing.get(key) or _read(self._memory).get(key)
            if known is None:
                known, is_lasting = self._try(trial)
                if is_lasting:
                    self._remember(key, known)
                else:
                    self._passing[key] = known
        if known in _REFUSED:
            raise LoadError(self._refusal(trial.path, known))
        return Verdict(has_extra_buffers=known == "fast")

    def close(self) -> None:
        """End the trial that runs; whoever waits for it gets an error."""
        self._process.close()

    def _refusal(self, path: Path, known: str) -> str:
        did = "crashed llama.cpp" if known == "refused" else "did not come to an end"
        return (
            f"{path.name}: the model {did} when it was tried in a child process, so it is not "
            "loaded here. The file is damaged or of a kind that this build cannot run; pull or "
            f"convert it again (to try once more, delete {self._memory} and start the server anew)"
        )

    def _try(self, trial: Trial) -> tuple[str, bool]:
        """Try the fast way, then the safe one; what is no verdict on the file is raised.

        Returns:
            the verdict, and whether it would be the same at another time.
        """
        outcomes: list[str] = []
        said = ""
        for name, has_extra_buffers in (("fast", True), ("safe", False)):
            arguments = trial.arguments(has_extra_buffers=has_extra_buffers)
            ended = self._run(arguments, cpu_limit_s(trial.size_bytes))
            if ended.outcome == "works":
                return name, _PASSING.isdisjoint(outcomes)
            if ended.outcome == "refuses":  # in order, with a reason: no crash
                raise LoadError(ended.said)
            _log.warning(
                "model probe failed file=%s way=%s status=%s outcome=%s said=%s",
                trial.path.name,
                name,
                ended.status,
                ended.outcome,
                ended.said,
            )
            outcomes.append(ended.outcome)
            said = ended.said[:200]
            if ended.is_stopped:
                break
        if "is cut short" in outcomes:
            raise LoadError(
                f"{trial.path.name}: the model's trial in a child process was cut short; the "
                f"machine has too little memory or time for it now{f' ({said})' if said else ''}"
            )
        verdict = "refused" if outcomes == ["crashes", "crashes"] else "hung"
        return verdict, _PASSING.isdisjoint(outcomes)

    def _remember(self, key: str, verdict: str) -> None:
        """Write a verdict down beside those that other processes wrote meanwhile."""
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with StoreLock(self._memory.with_suffix(".lock"), _LOCK_WAIT_S).held():
                known = _read(self._memory)
                known.pop(key, None)
                kept = list(known.items())[-(_MAX_REMEMBERED - 1) :]
                _write(self._memory, dict([*kept, (key, verdict)]))
        except (OSError, LibraryError) as error:
            _log.warning("probe verdict not kept file=%s error=%s", self._memory, error)


def build_name(features: Mapping[str, str]) -> str:
    """Name the native library, so that another one is asked anew."""
    return f"{features['llama-cpp-python']} {features['system_info']}"


def refused_digests(memory: Path, build: str) -> tuple[str, ...]:
    """List the model files that a trial of this build ended badly for, whatever the settings."""
    known = _read(memory).items()
    bad = (key for key, verdict in known if verdict in _REFUSED and key.endswith(f" {build}"))
    return tuple(dict.fromkeys(key.partition(" ")[0] for key in bad))


def _read(memory: Path) -> dict[str, str]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(memory: Path, known: dict[str, str]) -> None:
    """Replace the file at once: whoever reads it finds the old verdicts or the new ones."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=memory.parent, prefix=f".{memory.name}-", delete=False
    ) as new:
        json.dump(known, new, indent=1)
    try:
        Path(new.name).replace(memory)
    except OSError:
        Path(new.name).unlink(missing_ok=True)
        raise
