"""What the server reads now with pace and time left, and how it went; drawn again while it runs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import Client
from ui.errors import UiError
from ui.format import clip, error_text, file_name, pace_text, plain_markdown, when_text
from ui.login import may
from ui.shapes import FileError, Job
from ui.state import api_url, session, token
from ui.words import Words

_POLL_S = 0.5  # while something is read
_IDLE_POLL_S = 4.0  # a watched folder may change at any time
_SHOWN_ERRORS = 50
_SHOWN_ACTIVE = 5
_SHOWN_EARLIER = 10


def show_jobs(words: Words) -> None:
    """Draw the jobs that run, then those that ended while this page was looking."""
    jobs = _fetched(words)
    if jobs is None:
        return
    if _settle(jobs):
        st.rerun()  # what was fetched for this run is from before
    state = session()
    state.active = tuple(job.id for job in jobs if not job.is_finished)
    is_waiting = bool(state.active or state.job_ids)
    st.fragment(run_every=_POLL_S if is_waiting else _IDLE_POLL_S)(_follow)(words)
    for job in list(state.finished):
        _outcome(job, words)


def show_earlier(words: Words) -> None:
    """Draw the jobs that ended before, with what failed."""
    jobs = _fetched(words)
    shown = {job.id for job in session().finished}
    ended = [job for job in jobs or () if job.is_finished and job.id not in shown]
    if not ended:
        return
    n_failed = sum(bool(job.errors) for job in ended[:_SHOWN_EARLIER])
    title = words("jobs_before_failed", n=n_failed) if n_failed else words("jobs_before")
    with st.expander(title, icon=":material/history:", key="jobs_before"):
        for job in ended[:_SHOWN_EARLIER]:
            _earlier(job, words)


def _fetched(words: Words) -> list[Job] | None:
    try:
        with Client(api_url(), token()) as client:
            return client.jobs()
    except UiError as error:
        st.error(error_text(error, words))
        return None


def _settle(jobs: Sequence[Job]) -> bool:
    """Move the uploads that have ended from those followed to those told; tell if any has."""
    state = session()
    by_id = {job.id: job for job in jobs}
    ended = [
        by_id[job_id] for job_id in state.job_ids if job_id in by_id and by_id[job_id].is_finished
    ]
    # One that the server does not know any more will never end.
    state.job_ids = [one for one in state.job_ids if one in by_id and by_id[one] not in ended]
    state.finished += ended
    return bool(ended)


def _follow(words: Words) -> None:
    """Draw what is being read; drawn again by itself."""
    state = session()
    jobs = _fetched(words)
    if jobs is None:
        return
    if _settle(jobs):
        st.rerun(scope="app")
    active = [job for job in jobs if not job.is_finished]
    for job in active[:_SHOWN_ACTIVE]:
        _progress(job, words)
    if len(active) > _SHOWN_ACTIVE:
        st.caption(words("jobs_more", n=len(active) - _SHOWN_ACTIVE))
    now = tuple(job.id for job in active)
    if set(now) - set(state.active) and not state.active:
        state.active = now
        st.rerun(scope="app")  # so that it is looked at more often
    if set(state.active) - set(now):
        # Not by itself: somebody may be reading a preview, which would close.
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(words("jobs_news"))
            if st.button(words("reload"), key="reload", icon=":material/refresh:", type="tertiary"):
                st.rerun(scope="app")


def _progress(job: Job, words: Words) -> None:
    with st.container(border=True, key=f"job_{job.id}", gap="xsmall"):
        share = min(max(job.progress, 0.0), 1.0)
        st.progress(share, text=f"**{_progress_text(job, words)}**")
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
        ):
            st.caption(_details(job, words))
            if may("ingest"):
                st.button(
                    words("cancel"),
                    key=f"cancel_{job.id}",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=_cancel,
                    args=(job.id, words),
                )
        if job.errors:
            # Without a key it would close at each error that is added to its title.
            with st.expander(
                words("job_errors", n=len(job.errors)),
                icon=":material/warning:",
                key=f"errors_{job.id}",
            ):
                _errors(job, words)


def _progress_text(job: Job, words: Words) -> str:
    into = plain_markdown(job.collection, 40)
    if job.state == "queued":
        return words("job_queued", collection=into)
    done = min(job.n_done + 1, job.n_files)
    return words("job_running", done=f"{done:,}", files=f"{job.n_files:,}", collection=into)


def _details(job: Job, words: Words) -> str:
    name = clip(file_name(" ".join(job.message.split())), 60) if job.message else ""
    return " · ".join(part for part in (pace_text(job, words), plain_markdown(name)) if part)


def _outcome(job: Job, words: Words) -> None:
    told = words("job_done", stored=f"{job.n_stored:,}", skipped=f"{job.n_skipped:,}")
    message = plain_markdown(job.message)
    if job.state == "failed" and not job.n_stored:  # a cancelled one may have stored some
        st.error(f"{words('job_failed')} {message}".strip(), icon=":material/error:")
    else:
        st.success(
            " · ".join(one for one in (told, message) if one), icon=":material/check_circle:"
        )
    if job.errors:
        st.warning(words("job_errors", n=len(job.errors)), icon=":material/warning:")
        _errors(job, words)
    with st.container(horizontal=True):
        if len(job.errors) > 1 and may("ingest"):
            _retry_button(job, words)
        st.button(words("dismiss"), key=f"dismiss_{job.id}", on_click=_dismiss, args=(job.id,))


def _earlier(job: Job, words: Words) -> None:
    icon = ":material/warning:" if job.errors else ":material/check:"
    parts = [
        when_text(job.created_at),
        plain_markdown(job.collection, 40),
        words("job_done", stored=f"{job.n_stored:,}", skipped=f"{job.n_skipped:,}"),
    ]
    st.markdown(f"{icon} {' · '.join(part for part in parts if part)}")
    if job.message:
        st.caption(plain_markdown(job.message))
    if job.errors:
        _errors(job, words)
        if len(job.errors) > 1 and may("ingest"):
            _retry_button(job, words)


def _errors(job: Job, words: Words) -> None:
    """List the files that could not be read, each to be tried again."""
    with st.container(gap="xxsmall"):
        for at, one in enumerate(job.errors[:_SHOWN_ERRORS]):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(_error(one), width="stretch")
                if one.path and may("ingest"):
                    st.button(
                        words("retry"),
                        key=f"again_{job.id}_{at}",
                        icon=":material/refresh:",
                        type="tertiary",
                        on_click=_retry,
                        args=(job.id, words, one.path),
                    )
        if len(job.errors) > _SHOWN_ERRORS:
            st.caption(words("and_more", n=f"{len(job.errors) - _SHOWN_ERRORS:,}"))


def _error(one: FileError) -> str:
    reason = plain_markdown(one.reason, 400)
    name = plain_markdown(file_name(one.path), 120) if one.path else ""
    return f"**{name}**: {reason}" if name else reason


def _retry_button(job: Job, words: Words) -> None:
    st.button(
        words("retry_all"),
        key=f"again_{job.id}",
        icon=":material/refresh:",
        on_click=_retry,
        args=(job.id, words),
    )


def _retry(job_id: str, words: Words, path: str = "") -> None:
    state = session()
    try:
        with Client(api_url(), token()) as client:
            job = client.retry(job_id, path)
    except UiError as error:
        st.toast(error_text(error, words), icon=":material/error:")
        return
    if job.is_finished and job.errors:
        # Of a file that was sent and refused nothing was kept.
        st.toast(words("retry_none"), icon=":material/upload:")
        return
    _dismiss(job_id)
    if job_id not in state.job_ids:
        state.job_ids.append(job_id)


def _cancel(job_id: str, words: Words) -> None:
    try:
        with Client(api_url(), token()) as client:
            client.cancel(job_id)
    except UiError as error:
        st.toast(error_text(error, words), icon=":material/error:")
        return
    st.toast(words("cancelled"))


def _dismiss(job_id: str) -> None:
    state = session()
    state.finished = [job for job in state.finished if job.id != job_id]
