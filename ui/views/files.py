"""Files dropped into a conversation: sent, read, and what became of them."""

from __future__ import annotations

import time

import streamlit as st

from ui.ask_client import AskClient
from ui.ask_state import Files, Turn
from ui.errors import UiError
from ui.format import clip, error_text, plain_html, plain_markdown
from ui.shapes import Job
from ui.state import api_url, token
from ui.words import Words

_POLL_S = 0.3
_MAX_NAMES = 8  # shown
_MAX_ERRORS = 20


def show_files(files: Files, words: Words) -> None:
    """Name the files that were dropped."""
    shown = [plain_html(clip(name, 80)) for name in files.names[:_MAX_NAMES]]
    rest = len(files.names) - len(shown)
    more = [plain_html(words("trace_more", n=rest))] if rest > 0 else []
    chips = "".join(f'<span class="q-file">{name}</span>' for name in [*shown, *more])
    st.html(f'<div class="q-files">{chips}</div>')
    if files.error is not None:
        st.error(f"{words('files_broken')} {error_text(files.error, words)}")
    elif files.job is not None and files.job.is_finished:
        _show_end(files, files.job, words)
    elif files.is_left:
        st.caption(words("files_left"))


def read_files(turn: Turn, at: int, words: Words) -> None:
    """Send what was dropped and wait until it is read; then the question may be asked.

    Who presses the button, or leaves, ends this run: the server goes on reading.
    """
    files = turn.files
    if files is None:
        turn.outcome = "waiting"
        return
    # What it is if this run ends in the middle: the question is asked of what is there by then.
    turn.outcome = "waiting" if turn.question else "done"
    files.is_left = True
    with st.chat_message("assistant", avatar=":material/upload_file:"):
        slot = st.empty()
        st.button(words("files_skip"), key=f"skip_{at}", icon=":material/skip_next:")
        try:
            with AskClient(api_url(), token()) as client:
                if not files.job_id:
                    slot.progress(0.0, words("files_sending", n=len(files.names)))
                    files.job_id = client.upload(
                        files.collection, list(zip(files.names, files.content, strict=True))
                    )
                    files.content = ()
                while True:
                    files.job = job = client.job(files.job_id)
                    if job.is_finished:
                        break
                    told = words("files_reading", done=job.n_done, n=job.n_files)
                    slot.progress(min(1.0, max(0.0, job.progress)), told)
                    time.sleep(_POLL_S)
        except UiError as error:
            files.error, files.content = error, ()
    files.is_left = False
    st.rerun()


def _show_end(files: Files, job: Job, words: Words) -> None:
    st.caption(
        words(
            "files_done",
            collection=plain_markdown(files.collection, 60),
            stored=job.n_stored,
            skipped=job.n_skipped,
        )
    )
    if not job.errors:
        if job.state == "failed":
            st.error(plain_markdown(job.message or words("files_broken"), 600))
        return
    lines = [
        f"- {plain_markdown(one.path, 120)}: {plain_markdown(one.reason, 300)}"
        for one in job.errors[:_MAX_ERRORS]
    ]
    st.warning("\n".join([words("files_failed", n=len(job.errors)), "", *lines]))
