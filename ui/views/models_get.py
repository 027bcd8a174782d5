"""Getting a model: what suits this machine, by name, from a Modelfile; pulls on their way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from ui.errors import UiError
from ui.format import error_text, plain_html, plain_markdown
from ui.models_client import ModelsClient
from ui.models_format import (
    fit_text,
    has_disk,
    known_text,
    machine_text,
    pull_text,
    short_name,
    shown_first,
)
from ui.models_shapes import Installed, Known, Machine, Mistake, Pull
from ui.state import api_url, token
from ui.words import Words

_POLL_S = 1.0
_MAX_SHOWN = 5  # pulls
_MAX_TEXT = 100_000
_KINDS = ("chat", "embedding", "reranker")


def get_models(installed: Sequence[Installed], words: Words) -> None:
    """Draw the part of the page that brings models here."""
    st.subheader(words("get_title"), anchor=False)
    try:
        with ModelsClient(api_url(), token()) as client:
            pulls, machine, known = client.pulls(), client.machine(), client.advice()
    except UiError as error:
        st.error(error_text(error, words))
        return
    with st.container():  # else a pull that begins or ends would make the tabs below start anew
        _pulls(pulls, words)
    names = (words("get_advised"), words("get_by_name"), words("get_create"))
    advised, by_name, create = st.tabs(names)
    with advised:
        _advised(known, machine, words)
    with by_name:
        _by_name(words)
    with create:
        _create(installed, words)


def _pulls(pulls: Sequence[Pull], words: Words) -> None:
    if not pulls:
        return
    known = frozenset(one.id for one in pulls if one.state == "running")
    if known:
        st.fragment(run_every=_POLL_S)(_running_pulls)(known, words)
    for one in [one for one in pulls if one.state != "running"][:_MAX_SHOWN]:
        _ended(one, words)


def _running_pulls(known: frozenset[str], words: Words) -> None:
    """Draw the pulls that run; when one has ended, the whole page is drawn anew.

    Args:
        known: ids of those that ran when the page was drawn.
    """
    try:
        with ModelsClient(api_url(), token()) as client:
            running = [one for one in client.pulls() if one.state == "running"]
    except UiError as error:
        st.error(error_text(error, words))
        return
    if known - {one.id for one in running}:
        st.rerun(scope="app")
    for one in running:
        with st.container(horizontal=True, vertical_alignment="center", key=f"pull_{one.id}"):
            text = f"**{plain_markdown(short_name(one.model))}** · {pull_text(one, words)}"
            st.progress(one.share, text=text)
            if st.button(
                words("cancel"),
                key=f"end_{one.id}",
                icon=":material/cancel:",
                type="tertiary",
            ):
                _end(one.id, words)
    if running:
        st.caption(words("pull_leave"))


def _ended(pull: Pull, words: Words) -> None:
    name = plain_markdown(short_name(pull.model))
    with st.container(horizontal=True, vertical_alignment="center"):
        if pull.state == "done":
            st.success(words("pull_done", model=name), icon=":material/check_circle:")
        elif pull.state == "cancelled":
            st.info(words("pull_cancelled", model=name), icon=":material/cancel:")
        elif pull.why == "unreachable":
            st.warning(words("pull_unreachable", model=name), icon=":material/cloud_off:")
        else:
            message = plain_markdown(pull.error, 400)
            st.error(words("pull_refused", model=name, message=message), icon=":material/error:")
        st.button(
            words("dismiss"),
            key=f"dismiss_{pull.id}",
            icon=":material/close:",
            type="tertiary",
            on_click=partial(_forget, pull.id),
        )


def _advised(known: Sequence[Known], machine: Machine, words: Words) -> None:
    told = machine_text(machine, words)
    if told:
        st.caption(plain_markdown(told, 400))
    is_all = st.toggle(words("get_all"), key="get_all")
    for kind in _KINDS:
        rows = shown_first([one for one in known if one.role == kind], is_all=is_all)
        if not rows:
            continue
        st.markdown(f"**{words(f'kind_{kind}')}**")
        for one in rows:
            _known(one, machine, words)


def _known(known: Known, machine: Machine, words: Words) -> None:
    fits = known.fit != "none" and has_disk(known, machine)
    look = "q-good" if fits and not known.is_slow else "q-bad"
    with st.container(
        horizontal=True, vertical_alignment="center", border=True, key=f"known_{known.name}"
    ):
        best = f' <span class="q-badge">{plain_html(words("advised"))}</span>'
        st.html(
            f"<strong style='overflow-wrap:anywhere'>{plain_html(known.name, 90)}</strong>"
            f"{best if known.is_advised else ''}"
            f'<div class="q-muted">{plain_html(known_text(known, words))}</div>'
            f'<div class="{look}" title="{plain_html(known.reason, 300)}">'
            f"{plain_html(fit_text(known, machine, words))}</div>" + _STYLE
        )
        label = words("pull_again") if known.is_installed else words("pull")
        icon = ":material/check:" if known.is_installed else ":material/download:"
        if st.button(
            label,
            key=f"get_{known.name}",
            icon=icon,
            disabled=known.is_installed or not has_disk(known, machine),
        ):
            _pull(known.name, words)


def _by_name(words: Words) -> None:
    with st.form("pull_form", border=False):
        name = st.text_input(words("pull_name"), max_chars=300, key="pull_name").strip()
        if st.form_submit_button(words("pull"), icon=":material/download:", type="primary"):
            if not name:
                st.warning(words("pull_empty"))
            else:
                _pull(name, words)


def _create(installed: Sequence[Installed], words: Words) -> None:
    base = next((one.name for one in installed if one.can_chat), "smollm2:135m")
    example = f'FROM {base}\nSYSTEM """You answer in one sentence."""\nPARAMETER temperature 0.2'
    st.caption(words("create_hint"))
    st.code(example, language=None, wrap_lines=True)
    with st.form("create_form", border=False, enter_to_submit=False):
        name = st.text_input(words("create_name"), max_chars=200, key="create_name").strip()
        text = st.text_area(
            words("create_text"),
            height=220,
            max_chars=_MAX_TEXT,
            key="create_text",
            placeholder="FROM",
        )
        with st.container(horizontal=True):
            is_checking = st.form_submit_button(
                words("create_check"), key="create_check", icon=":material/rule:"
            )
            is_creating = st.form_submit_button(
                words("create_do"), key="create_do", icon=":material/add:", type="primary"
            )
    if is_checking or is_creating:
        _checked(name, text, words, is_creating=is_creating)


def _checked(name: str, text: str, words: Words, *, is_creating: bool) -> None:
    try:
        with ModelsClient(api_url(), token()) as client:
            mistakes, request = client.check_modelfile(text)
            if mistakes:
                _mistakes(mistakes, text, words)
                return
            if not is_creating:
                st.success(words("create_fine"), icon=":material/check_circle:")
                return
            if not name:
                st.warning(words("create_no_name"))
                return
            shown = plain_markdown(name, 80)
            with st.status(words("create_working", model=shown), expanded=True) as status:
                told = ""
                for step in client.create(name, request):
                    if step and step != told:
                        status.write(plain_markdown(step, 200))
                        told = step
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state["models_said"] = words("created", model=shown)
    st.rerun(scope="app")


def _mistakes(mistakes: Sequence[Mistake], text: str, words: Words) -> None:
    lines = text.splitlines()
    for one in mistakes:
        told = plain_markdown(one.text, 300)
        if not one.line:
            st.error(words("create_mistake_whole", text=told), icon=":material/error:")
            continue
        st.error(words("create_mistake", line=one.line, text=told), icon=":material/error:")
        rows = []
        for at in range(max(1, one.line - 1), min(len(lines), one.line + 1) + 1):
            mark = "q-wrong" if at == one.line else ""
            rows.append(
                f'<div class="{mark}"><span class="q-muted">{at}</span> '
                f"{plain_html(lines[at - 1], 200)}</div>"
            )
        st.html(f'<div class="q-lines">{"".join(rows)}</div>{_STYLE}')


def _pull(name: str, words: Words) -> None:
    try:
        with ModelsClient(api_url(), token()) as client:
            client.pull(name)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state["models_said"] = words("pull_begun", model=plain_markdown(name, 80))
    st.rerun(scope="app")


def _end(pull_id: str, words: Words) -> None:
    try:
        with ModelsClient(api_url(), token()) as client:
            client.end_pull(pull_id)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.rerun(scope="app")


def _forget(pull_id: str) -> None:
    try:
        with ModelsClient(api_url(), token()) as client:
            client.end_pull(pull_id)
    except UiError:
        pass  # it is gone already, or the page that is drawn next says what is wrong


_STYLE = """<style>
.q-badge { display: inline-block; padding: .05rem .5rem; margin-left: .3rem; font-size: .75rem;
  border-radius: .8rem; background: color-mix(in srgb, #2b8a6e 25%, transparent); }
.q-good { font-size: .85rem; color: light-dark(#17664f, #6fd0b0); }
.q-bad { font-size: .85rem; color: light-dark(#a33a1d, #f0a58f); }
.q-lines { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
.q-wrong { background: color-mix(in srgb, #d64545 22%, transparent); border-radius: .2rem; }
</style>"""
