"""Exams, runs and comparisons, read from the server's JSON; pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

from ui.shapes import Json, mapping, objects

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions about one collection."""

    id: str
    collection: str = ""
    created_at: str = ""
    n_documents: int = 0
    n_cases: int = 0
    n_unanswerable: int = 0
    n_own: int = 0
    n_stale: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """How one taking of an exam stands."""

    id: str
    exam_id: str = ""
    created_at: str = ""
    state: str = ""  # queued, running, done, failed, cancelled
    n_answers: int = 0
    is_judging: bool = False
    n_done: int = 0
    n_cases: int = 0
    message: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, or how one moved, with its interval."""

    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    n: int = 0
    finding: str = ""  # of a change: better, worse, no difference shown


@dataclass(frozen=True, slots=True)
class Found:
    """Where a passage stands that was found."""

    path: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Miss:
    """A question that went wrong."""

    what: str = ""
    question: str = ""
    answer: str = ""
    path: str = ""
    text: str = ""
    error: str = ""
    found: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class WholeRun:
    """What came out of a run."""

    run: Run
    figures: dict[str, Figure]
    misses: tuple[Miss, ...] = ()
    n_errors: int = 0
    n_stale: int = 0
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side."""

    before: WholeRun
    after: WholeRun
    moved: dict[str, Figure]
    settings: dict[str, tuple[str, str]]  # what is not the same


def exam_from(data: Json) -> Exam:
    """Read an exam."""
    return _build(Exam, data)


def run_from(data: Json) -> Run:
    """Read how a run stands."""
    return _build(Run, data)


def whole_from(data: Json) -> WholeRun:
    """Read a run with its figures."""
    bar = mapping(data, "verdict").get("bar")
    return WholeRun(
        run=run_from(data),
        figures=_figures(data, "figures"),
        misses=tuple(_miss(one) for one in objects(data, "misses")),
        n_errors=_count(data, "n_errors"),
        n_stale=_count(data, "n_stale"),
        bar=float(bar) if isinstance(bar, int | float) else None,
    )


def comparison_from(data: Json) -> Comparison:
    """Read two runs side by side."""
    pairs = mapping(data, "settings")
    return Comparison(
        before=whole_from(mapping(data, "before")),
        after=whole_from(mapping(data, "after")),
        moved=_figures(data, "moved"),
        settings={
            name: (str(pair[0]), str(pair[1]))
            for name, pair in pairs.items()
            if isinstance(pair, list) and len(pair) == 2
        },
    )


def _figures(data: Json, key: str) -> dict[str, Figure]:
    held = mapping(data, key)
    return {name: _build(Figure, mapping(held, name)) for name in held}


def _miss(data: Json) -> Miss:
    case = mapping(data, "case")
    texts = {key: str(case.get(key) or "") for key in ("question", "answer", "path", "text")}
    found = tuple(_build(Found, one) for one in objects(data, "found"))
    return Miss(
        what=str(data.get("what") or ""), error=str(data.get("error") or ""), found=found, **texts
    )


def _count(data: Json, key: str) -> int:
    found = data.get(key)
    return found if isinstance(found, int) else 0


def _build(kind: type[T], data: Json) -> T:
    # Unknown fields are dropped and missing ones take their default, as in `shapes`.
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in data.items() if key in names and value is not None}
    return kind(**({"id": ""} if "id" in names else {}) | known)
