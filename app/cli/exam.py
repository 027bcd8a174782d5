"""`quire eval`: an exam of one's own documents, and whether a change of settings helps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.documents import JsonOption
from app.cli.format import table
from app.cli.session import client_of, counted, note

if TYPE_CHECKING:
    from app.api.exam_wire import ComparisonOut, ExamOut, MissOut, RunOut, WholeRunOut
    from app.client import Client

CollectionOption = Annotated[
    str, typer.Option("--collection", "-c", help="The collection to examine.")
]
_POLL_S = 0.3
_TELL_S = 10.0
_ENDED = frozenset({"done", "failed", "cancelled"})


def make(
    collection: CollectionOption = "default",
    n: Annotated[
        int, typer.Option("--number", "-n", min=1, max=2000, help="How many questions at most.")
    ] = 200,
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases", help='Questions of your own: lines of {"question", "file", "answer"}.'
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an exam of a collection's own documents; the same documents give the same exam."""
    from app.api.exam_wire import ExamOut

    own = _own(cases) if cases is not None else []
    body: dict[str, object] = {"collection": collection, "n": n, "cases": own}
    with client_of() as client:
        exam = client.post("/kb/exams", body, ExamOut)
    if as_json:
        print(exam.model_dump_json())
        return
    told = ", ".join(f"{count} {language}" for language, count in sorted(exam.languages.items()))
    print(
        f"exam {exam.id} of {exam.collection!r}: {counted(exam.n_cases, 'question')} ({told}) from "
        f"{counted(exam.n_documents, 'document')}; {exam.n_unanswerable} ask for what is not there,"
        f" {exam.n_own} are your own"
    )
    print("to take it: quire eval run")


def run(
    exam: Annotated[
        str, typer.Option("--exam", help="Its id; by default the newest of the collection.")
    ] = "",
    collection: CollectionOption = "default",
    compare: Annotated[
        str, typer.Option("--compare", metavar="RUN", help="A run to compare with; `last` works.")
    ] = "",
    n_answers: Annotated[
        int,
        typer.Option("--answers", min=0, max=2000, help="How many are answered, not only found."),
    ] = 20,
    is_judging: Annotated[
        bool, typer.Option("--reranker", help="Decide whether the configured reranker pays.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take an exam: what is found, cited, refused, and how fast, before and after a change."""
    from app.api.exam_wire import ComparisonOut, RunOut, WholeRunOut

    with client_of("knowledge" if n_answers == 0 or is_judging else "answers") as client:
        exam_id = exam or _newest(client, collection)
        before = _before(client, compare, exam_id)
        body: dict[str, object] = {"answers": n_answers, "reranker": is_judging}
        started = client.post(f"/kb/exams/{exam_id}/runs", body, RunOut)
        with _cancelling(client, started.id):
            ended = _followed(client, started)
        path = f"/kb/exams/runs/{ended.id}"
        if ended.state != "done":
            note(f"error: run {ended.id} {ended.state}: {ended.message}")
            raise typer.Exit(1)
        if before and not is_judging:
            ids: dict[str, str | int] = {"before": before, "after": ended.id}
            both = client.get("/kb/exams/compare", ComparisonOut, ids)
            print(both.model_dump_json() if as_json else compared(both))
            return
        whole = client.get(path, WholeRunOut)
    print(whole.model_dump_json() if as_json else described(whole))


def list_(as_json: JsonOption = False) -> None:
    """List the exams and their latest runs."""
    from app.api.exam_wire import ExamsOut, RunsOut

    with client_of() as client:
        exams = client.get("/kb/exams", ExamsOut)
        runs = client.get("/kb/exams/runs", RunsOut)
    if as_json:
        print(f'{{"exams": {exams.model_dump_json()}, "runs": {runs.model_dump_json()}}}')
        return
    if not exams.exams:
        print("no exams yet; `quire eval make` makes one of your documents")
        return
    print(table(("EXAM", "COLLECTION", "QUESTIONS", "STALE", "CREATED"), _exam_rows(exams.exams)))
    if runs.runs:
        header = ("RUN", "EXAM", "STATE", "DONE", "CREATED", "WHAT")
        print(f"\n{table(header, [_run_row(one) for one in runs.runs])}")


def show(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="Its id; `quire eval list` lists them.")
    ],
    has_misses: Annotated[
        bool, typer.Option("--misses", help="Also what went wrong, question by question.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what came out of a run."""
    from app.api.exam_wire import WholeRunOut

    with client_of() as client:
        whole = client.get(f"/kb/exams/runs/{run_id}", WholeRunOut)
    if as_json:
        print(whole.model_dump_json())
        return
    print(described(whole))
    if has_misses:
        print("\n" + ("\n\n".join(map(miss_text, whole.misses)) or "nothing went wrong"))


def build_eval() -> typer.Typer:
    """Put the commands together."""
    commands = typer.Typer(
        no_args_is_help=True, help="Examine your own library, before and after a change."
    )
    for name, function in (("make", make), ("run", run), ("list", list_), ("show", show)):
        commands.command(name)(function)
    return commands


def described(run: WholeRunOut) -> str:
    """Word all that a run has found."""
    lines = [_headline(run)]
    if run.settings:
        lines.append("  " + ", ".join(f"{name} {value}" for name, value in run.settings.items()))
    if run.figures:
        rows = [
            (name, value_of(name, one.value), interval_of(name, one.low, one.high), str(one.n))
            for name, one in run.figures.items()
        ]
        lines.append(table(("MEASURE", "VALUE", "95 % INTERVAL", "CASES"), rows))
    if run.groups:
        told = [f"{name} {one.value:.3f} ({one.n})" for name, one in run.groups.items()]
        lines.append(f"hit@5 by group: {', '.join(told)}")
    if run.n_errors:
        lines.append(f"{counted(run.n_errors, 'question')} failed and are in no figure")
    if run.n_stale:
        lines.append(f"{counted(run.n_stale, 'question')} lost their document and are in no figure")
    if run.is_judging and run.message:
        lines.append(run.message)
    if run.verdict is not None and run.verdict.bar is not None and not run.is_judging:
        lines.append(f"this library refuses below a confidence of {run.verdict.bar:.3f}")
    if run.misses:
        what = counted(len(run.misses), "question")
        lines.append(f"{what} went wrong: quire eval show {run.id} --misses")
    return "\n".join(lines)


def compared(both: ComparisonOut) -> str:
    """Word two runs side by side."""
    lines = [f"before: {_headline(both.before)}", f"after:  {_headline(both.after)}"]
    lines += [f"  {name}: {old} -> {new}" for name, (old, new) in both.settings.items()]
    if not both.settings:
        lines.append("  the settings are the same")
    rows = []
    for name, moved in both.moved.items():
        old, new = both.before.figures.get(name), both.after.figures.get(name)
        rows.append(
            (
                name,
                value_of(name, old.value) if old else "",
                value_of(name, new.value) if new else "",
                value_of(name, moved.value, is_signed=True),
                interval_of(name, moved.low, moved.high, is_signed=True),
                str(moved.n),
                moved.finding,
            )
        )
    header = ("MEASURE", "BEFORE", "AFTER", "CHANGE", "95 % INTERVAL", "CASES", "")
    lines.append(table(header, rows) if rows else "the two runs have no question in common")
    return "\n".join(lines)


def value_of(name: str, value: float, *, is_signed: bool = False) -> str:
    """Word one figure: shares with three decimals, times without."""
    sign = "+" if is_signed else ""
    if name.startswith("latency"):
        return f"{round(value):{sign},d}"
    return f"{round(value, 3) + 0.0:{sign}.3f}"  # + 0.0: no minus before a zero


def interval_of(name: str, low: float, high: float, *, is_signed: bool = False) -> str:
    """Word an interval."""
    return " to ".join(value_of(name, one, is_signed=is_signed) for one in (low, high))


def miss_text(miss: MissOut) -> str:
    """Word what went wrong with one question."""
    from app.conversations.titles import one_line

    case = miss.case
    lines = [f"{miss.what}: {case.question}"]
    if case.text:
        lines.append(f"wanted: {case.path}, characters {case.start}-{case.end}: {case.answer}")
    if miss.rank:
        lines.append(f"it came at place {miss.rank}")
    if miss.error:
        lines.append(miss.error)
    lines += [
        f"found {at}: {one.path}, characters {one.start}-{one.end}"
        for at, one in enumerate(miss.found, 1)
    ]
    return "\n  ".join(map(one_line, lines))  # documents must not steer the terminal


def _own(path: Path) -> list[dict[str, str]]:
    from dataclasses import asdict

    from app.exam.errors import BadCaseError
    from app.exam.json_of import parse_own

    try:
        return [asdict(one) for one in parse_own(path.read_text(encoding="utf-8"))]
    except (OSError, UnicodeDecodeError, BadCaseError) as error:
        note(f"error: {path}: {getattr(error, 'strerror', None) or error}")
        raise typer.Exit(1) from error


def _newest(client: Client, collection: str) -> str:
    from app.api.exam_wire import ExamsOut

    held = client.get("/kb/exams", ExamsOut).exams
    found = next((one.id for one in held if one.collection == collection), "")
    if not found:
        note(f"error: no exam of {collection!r} yet: quire eval make --collection {collection}")
        raise typer.Exit(1)
    return found


def _before(client: Client, asked: str, exam_id: str) -> str:
    """Tell which run to compare with."""
    from app.api.exam_wire import RunsOut, WholeRunOut

    if not asked:
        return ""
    if asked != "last":
        return client.get(f"/kb/exams/runs/{asked}", WholeRunOut).id
    held = client.get("/kb/exams/runs", RunsOut, {"exam": exam_id}).runs
    found = next((one.id for one in held if one.state == "done" and not one.is_judging), "")
    if not found:
        note("there is no earlier run to compare with; this one will be the first")
    return found


def _followed(client: Client, run: RunOut) -> RunOut:
    """Wait until a run has ended; tells now and then how far it is."""
    from app.api.exam_wire import RunsOut

    told_s = time.monotonic()
    while run.state not in _ENDED:
        time.sleep(_POLL_S)
        if time.monotonic() - told_s >= _TELL_S:
            told_s = time.monotonic()
            note(f"{run.n_done:,} of {counted(run.n_cases, 'question')}")
        listed = client.get("/kb/exams/runs", RunsOut, {"exam": run.exam_id, "limit": 500}).runs
        run = next((one for one in listed if one.id == run.id), run)
    return run


@contextmanager
def _cancelling(client: Client, run_id: str) -> Iterator[None]:
    """End the run on the server too if the user stops waiting."""
    try:
        yield
    except KeyboardInterrupt:
        client.tell("POST", f"/kb/exams/runs/{run_id}/cancel", {})
        note(f"run {run_id} is cancelled")
        raise


def _headline(run: RunOut) -> str:
    what = "judging the reranker" if run.is_judging else f"{run.n_answers} to be answered"
    return f"run {run.id} of exam {run.exam_id}, {run.created_at[:16]}: {run.state}, {what}"


def _exam_rows(exams: Sequence[ExamOut]) -> list[tuple[str, ...]]:
    return [
        (one.id, one.collection, f"{one.n_cases}", f"{one.n_stale or ''}", _when(one.created_at))
        for one in exams
    ]


def _run_row(run: RunOut) -> tuple[str, ...]:
    what = "reranker" if run.is_judging else f"{run.n_answers} answers"
    done = f"{run.n_done}/{run.n_cases}"
    return run.id, run.exam_id, run.state, done, _when(run.created_at), what


def _when(text: str) -> str:
    return text[:16].replace("T", " ")
