"""The page of exams: make one, take it, see whether a change helped and what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import streamlit as st

from ui.errors import UiError
from ui.exam_charts import changes, chart_rows, interval_chart
from ui.exam_client import ExamClient
from ui.exam_shapes import Comparison, Exam, Figure, Miss, Run, WholeRun
from ui.format import clip, error_text, file_name, plain_html, plain_markdown, when_text
from ui.login import may, show_rights
from ui.shapes import Collection
from ui.state import api_url, session, token
from ui.widgets import choose_collection, nothing, pick_collection, show_error
from ui.words import Words

_POLL_S = 1.0
_MAX_MISSES = 50
_SIZES = (50, 100, 200, 500)
_ANSWERS = (0, 10, 20, 50, 100)
_FIGURES: Mapping[str, str] = {
    "hit@1": "figure_hit1",
    "hit@5": "figure_hit5",
    "mrr@10": "figure_mrr",
    "span@5": "figure_span",
    "citation precision": "figure_citation",
    "citations resolve": "figure_resolve",
    "refused, answerable": "figure_refused",
    "refused, unanswerable": "figure_unanswerable",
    "latency p50 ms": "figure_p50",
    "latency p95 ms": "figure_p95",
}
_FINDINGS: Mapping[str, str] = {"better": "finding_better", "worse": "finding_worse"}
_WHATS: Mapping[str, str] = {
    "not found": "miss_not_found",
    "found late": "miss_late",
    "wrongly refused": "miss_refused",
    "wrongly answered": "miss_answered",
    "error": "miss_error",
}
T = TypeVar("T")


def show() -> None:
    """Draw the page."""
    state = session()
    words = state.words
    st.title(words("evaluate_title"), anchor=False)
    show_rights(words)
    if not may("read"):
        return
    try:
        with ExamClient(api_url(), token()) as client:
            collections = client.collections()
            exams = client.exams(choose_collection(state, collections))
            runs = client.runs(exams[0].id) if exams else []
            has_reranker = client.has_reranker()
    except UiError as error:
        show_error(error, words, key="retry_exams", retry=nothing)
        return
    st.caption(words("evaluate_hint"))
    pick_collection(collections, words, key="exam_collection")
    if not exams:
        _invite(collections, state.collection, words)
        return
    exam = exams[0]
    # Boxes of their own: what comes or goes in one would make those below start anew.
    with st.container():
        _exam(exam, words)
    with st.container():
        _take(exam, runs, words, has_reranker=has_reranker)
    with st.container():
        _results(runs, words)


def _invite(collections: Sequence[Collection], collection: str, words: Words) -> None:
    if not any(one.n_documents for one in collections if one.name == collection):
        st.info(words("no_documents_exam"), icon=":material/folder_open:")
        documents = st.session_state.get("documents_page")
        if documents is not None:
            st.page_link(documents, label=words("go_to_documents"), icon=":material/upload_file:")
        return
    if not may("admin"):
        st.info(words("no_exam_yet"), icon=":material/quiz:")
        return
    st.info(words("no_exam"), icon=":material/quiz:")
    _make(collection, words, is_first=True)


def _make(collection: str, words: Words, *, is_first: bool) -> None:
    n = st.selectbox(words("exam_size"), _SIZES, index=2, key="exam_size") if is_first else 200
    label = words("make_exam") if is_first else words("make_again")
    kind = "primary" if is_first else "tertiary"
    if st.button(label, key="make_exam", icon=":material/quiz:", type=kind):
        made = _asked(lambda client: client.make_exam(collection, n), words)
        if made is not None:
            st.toast(words("exam_made", n=made.n_cases))
            st.rerun()


def _exam(exam: Exam, words: Words) -> None:
    with st.container(border=True, gap="small", key="exam"):
        st.markdown(
            words(
                "exam_line",
                n=exam.n_cases,
                documents=exam.n_documents,
                u=exam.n_unanswerable,
                own=exam.n_own,
                when=when_text(exam.created_at),
            )
        )
        if exam.n_stale:
            st.warning(words("exam_stale", n=exam.n_stale), icon=":material/warning:")
        if not may("admin"):
            return
        _own(exam, words)
        with st.container(horizontal=True, horizontal_alignment="right"):
            _make(exam.collection, words, is_first=False)
            if st.button(
                words("delete_exam"), key="delete_exam", icon=":material/delete:", type="tertiary"
            ):
                _do(lambda client: client.delete_exam(exam.id), words("exam_deleted"), words)


def _own(exam: Exam, words: Words) -> None:
    with (
        st.expander(words("own_question"), icon=":material/add:"),
        st.form("own_question", clear_on_submit=True, border=False),
    ):
        question = st.text_input(words("own_ask"), key="own_ask")
        file = st.text_input(words("own_file"), key="own_file")
        answer = st.text_input(words("own_answer"), key="own_answer")
        is_sent = st.form_submit_button(words("own_add"))
        if is_sent and question.strip():
            _do(
                lambda client: client.add_question(exam.id, question, file, answer),
                words("own_added"),
                words,
            )


def _take(exam: Exam, runs: Sequence[Run], words: Words, *, has_reranker: bool) -> None:
    under_way = [run for run in runs if run.is_under_way]
    if under_way:
        st.fragment(run_every=_POLL_S)(_progress)(exam.id, words)
        return
    if runs and runs[0].state == "failed":
        message = plain_markdown(runs[0].message, 300)
        st.warning(words("run_failed", message=message), icon=":material/warning:")
    if not may("admin"):
        return
    n = st.select_slider(words("n_answers"), _ANSWERS, value=20, key="n_answers")
    with st.container(horizontal=True):
        if st.button(words("take_exam"), key="take", icon=":material/play_arrow:", type="primary"):
            _do(lambda client: client.take(exam.id, n), words("run_begun"), words)
        if has_reranker and st.button(
            words("judge"), key="judge", icon=":material/gavel:", help=words("judge_explained")
        ):
            _do(
                lambda client: client.take(exam.id, 0, is_judging=True),
                words("run_begun"),
                words,
            )


def _progress(exam_id: str, words: Words) -> None:
    """Draw the runs that are under way; when none is left, the whole page is drawn anew."""
    try:
        with ExamClient(api_url(), token()) as client:
            runs = [run for run in client.runs(exam_id) if run.is_under_way]
    except UiError as error:
        st.error(error_text(error, words))
        return
    if not runs:
        st.rerun(scope="app")
    for run in reversed(runs):
        share = min(run.n_done / run.n_cases, 1.0) if run.n_cases else 0.0
        is_queued = run.state == "queued"
        text = (
            words("run_queued")
            if is_queued
            else words("run_running", done=run.n_done, n=run.n_cases)
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(share, text=text)
            if may("admin") and st.button(
                words("cancel"),
                key=f"cancel_{run.id}",
                icon=":material/cancel:",
                type="tertiary",
            ):
                _do(partial(ExamClient.cancel_run, run_id=run.id), words("run_cancelled"), words)


def _results(runs: Sequence[Run], words: Words) -> None:
    for run in runs:
        if run.is_judging and run.state == "done":
            st.info(plain_markdown(run.message, 300), icon=":material/gavel:")
            break
    done = {run.id: run for run in runs if run.state == "done" and not run.is_judging}
    if not done:
        st.caption(words("no_runs"))
        return
    ids = list(done)

    def label(run_id: str) -> str:
        if not run_id:
            return words("run_none")
        return f"{when_text(done[run_id].created_at)} · {run_id}"

    left, right = st.columns(2)
    after = left.selectbox(words("run_after"), ids, key="run_after", format_func=label)
    others = [*(run_id for run_id in ids if run_id != after), ""]
    before = right.selectbox(words("run_before"), others, key="run_before", format_func=label)
    if before:
        both = _asked(lambda client: client.compare(before, after), words)
        if both is not None:
            _compared(both, words)
        return
    whole = _asked(lambda client: client.run(after), words)
    if whole is not None:
        _alone(whole, words)


def _alone(whole: WholeRun, words: Words) -> None:
    _chart({words("after"): whole.figures}, words)
    rows = [
        (_name(name, words), _value(name, one.value), _interval(name, one), str(one.n))
        for name, one in whole.figures.items()
    ]
    header = ("figure", "after", "interval", "cases")
    _table([words(one) for one in header], rows)
    _rest(whole, words)


def _compared(both: Comparison, words: Words) -> None:
    changed = [
        f"{plain_markdown(name, 40)}: {plain_markdown(old, 60)} → {plain_markdown(new, 60)}"
        for name, (old, new) in both.settings.items()
    ]
    told = words("settings_changed", what="; ".join(changed)) if changed else ""
    st.caption(told or words("settings_same"))
    before, after = both.before.figures, both.after.figures
    _chart({words("before"): before, words("after"): after}, words)
    rows = []
    for name, moved in both.moved.items():
        finding = words(_FINDINGS.get(moved.finding, "finding_none"))
        old, new = before.get(name), after.get(name)
        rows.append(
            (
                _name(name, words),
                _value(name, old.value) if old else "",
                _value(name, new.value) if new else "",
                _value(name, moved.value, is_signed=True),
                _interval(name, moved, is_signed=True),
                finding,
            )
        )
    header = ("figure", "before", "after", "change", "interval", "finding")
    _table([words(one) for one in header], rows)
    _changes(both, words)
    _rest(both.after, words)


def _changes(both: Comparison, words: Words) -> None:
    """List the questions that go better or worse than before."""
    found = changes(both.before.misses, both.after.misses)
    lists = (
        ("changes_mended", ":green[:material/trending_up:]", found.mended),
        ("changes_broken", ":red[:material/trending_down:]", found.broken),
        ("changes_other", ":orange[:material/trending_flat:]", tuple(b for _, b in found.other)),
    )
    if not any(misses for _, _, misses in lists):
        st.caption(words("changes_none"))
        return
    for key, icon, misses in lists:
        if not misses:
            continue
        with st.expander(f"{icon} {words(key, n=len(misses))}", key=key):
            for miss in misses[:_MAX_MISSES]:
                what = words(_WHATS.get(miss.what, "miss_error"))
                before = words("changes_was", what=what) if key == "changes_mended" else what
                st.markdown(f"{plain_markdown(miss.question, 160)} · *{before}*")


def _rest(whole: WholeRun, words: Words) -> None:
    if whole.n_errors:
        st.warning(words("run_errors", n=whole.n_errors), icon=":material/warning:")
    if whole.bar is not None:
        st.caption(words("run_bar", bar=f"{whole.bar:.2f}"))
    if not whole.misses:
        st.markdown(f":green[:material/check_circle:] {words('no_misses')}")
        return
    st.markdown(f"**{words('misses', n=len(whole.misses))}**")
    for at, miss in enumerate(whole.misses[:_MAX_MISSES]):
        what = words(_WHATS.get(miss.what, "miss_error"))
        with st.expander(f"{plain_markdown(miss.question, 120)} · {what}", key=f"miss_{at}"):
            _miss(miss, words)


def _miss(miss: Miss, words: Words) -> None:
    if miss.text:
        st.html(
            f'<div class="q-muted">{words("miss_wanted")}: {plain_html(miss.path, 200)}</div>'
            f"<div>{plain_html(miss.text, 600)}</div>"
        )
    if miss.error:
        st.caption(plain_markdown(miss.error, 400))
    found = [f"{clip(file_name(one.path), 60)}, {one.start}–{one.end}" for one in miss.found]
    told = "; ".join(found) or words("miss_nothing")
    st.html(f'<div class="q-muted">{words("miss_found")}: {plain_html(told, 400)}</div>')


def _chart(sets: Mapping[str, Mapping[str, Figure]], words: Words) -> None:
    """Draw the shares; times have another scale and stand in the table only."""
    names = {name: words(key) for name, key in _FIGURES.items() if "latency" not in name}
    rows = chart_rows(sets, names)
    if not rows:
        return
    chart = interval_chart(rows, value=words("figure_value"), interval=words("interval"))
    st.altair_chart(chart, key="exam_chart")
    st.caption(words("figures_explained"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    head = "".join(f"<th>{plain_html(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{plain_html(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    st.html(
        '<div style="overflow-x:auto"><table style="width:100%;font-size:.9rem;text-align:left">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _name(name: str, words: Words) -> str:
    return words(_FIGURES[name]) if name in _FIGURES else name


def _value(name: str, value: float, *, is_signed: bool = False) -> str:
    sign = "+" if is_signed else ""
    if "latency" in name:
        return f"{round(value):{sign},d}"
    return f"{round(100 * value, 1) + 0.0:{sign}.1f} %"  # + 0.0: no minus before a zero


def _interval(name: str, one: Figure, *, is_signed: bool = False) -> str:
    return " – ".join(_value(name, end, is_signed=is_signed) for end in (one.low, one.high))


def _asked(what: Callable[[ExamClient], T], words: Words) -> T | None:
    """Ask the server; an error is shown."""
    try:
        with ExamClient(api_url(), token()) as client:
            return what(client)
    except UiError as error:
        st.error(error_text(error, words))
        return None


def _do(what: Callable[[ExamClient], object], said: str, words: Words) -> None:
    """Tell the server to do something, then draw the page anew."""
    try:
        with ExamClient(api_url(), token()) as client:
            what(client)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.toast(said)
    st.rerun(scope="app")
