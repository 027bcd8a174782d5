"""The page of models: which does what, what is in memory, what is installed, how to get more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from ui.errors import UiError
from ui.format import error_text, plain_html, plain_markdown, size_text, when_text
from ui.login import may, show_rights
from ui.models_client import ModelsClient
from ui.models_format import (
    abilities_text,
    bar_html,
    devices_of,
    short_name,
    summary_text,
    tokens_text,
    until_text,
    uses_of,
)
from ui.models_metrics import Figures, memory_by_device
from ui.models_shapes import Installed, Machine, Roles, Running, same
from ui.state import api_url, session, token
from ui.views.models_dialogs import change_role, copy_model, delete_model, where_it_goes
from ui.views.models_get import get_models
from ui.widgets import nothing, show_error
from ui.words import Words

_POLL_S = 5.0
_ICONS = {
    "chat": ":material/forum:",
    "embedding": ":material/search:",
    "reranker": ":material/sort:",
}


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is in memory now."""

    running: Sequence[Running]
    machine: Machine
    figures: Figures


def show() -> None:
    """Draw the page."""
    words = session().words
    st.title(words("models_title"), anchor=False)
    try:
        with ModelsClient(api_url(), token()) as client:
            installed, roles = client.installed(), client.roles()
            running = client.running()
    except UiError as error:
        show_error(error, words, key="retry_models", retry=nothing)
        return
    show_rights(words)
    st.caption(words("models_hint"))
    _say_last()
    _roles(roles, installed, words)
    st.subheader(words("memory_title"), anchor=False)
    st.fragment(run_every=_POLL_S)(_memory)(words)
    # Boxes of their own: what comes or goes in one would make those below start anew.
    with st.container():
        _installed(installed, running, roles, words)
    if may("admin", is_whole=True):
        get_models(installed, words)


def _say_last() -> None:
    """Say what the last dialog did; a dialog that closes takes its own words along."""
    said = st.session_state.pop("models_said", "")
    if said:
        st.toast(said)


def _roles(roles: Roles, installed: Sequence[Installed], words: Words) -> None:
    st.subheader(words("roles_title"), anchor=False)
    held = (("chat", roles.chat), ("embedding", roles.embedding), ("reranker", roles.reranker))
    for column, (role, name) in zip(st.columns(3), held, strict=True):
        with column.container(border=True, gap="small", key=f"role_{role}"):
            st.markdown(f"{_ICONS[role]} **{words(f'role_{role}')}**")
            found = next((one for one in installed if same(one.name, name)), None)
            if name:
                st.html(f'<div style="overflow-wrap:anywhere">{plain_html(short_name(name))}</div>')
            if found is not None:
                st.caption(plain_markdown(summary_text(found, words), 160))
            elif name and role != "reranker":  # a reranker may be a folder
                st.caption(f":orange[{words('role_missing')}]")
            elif not name:
                st.caption(words(f"role_none_{'chat' if role == 'chat' else 'reranker'}"))
            if may("admin", is_whole=True) and st.button(
                words("change_role"), key=f"change_{role}", icon=":material/swap_horiz:"
            ):
                change_role(role, roles, installed, words)


def _memory(words: Words) -> None:
    """Draw what is in memory; drawn anew every few seconds."""
    try:
        with ModelsClient(api_url(), token()) as client:
            held = _Memory(client.running(), client.machine(), client.figures())
    except UiError as error:
        st.error(error_text(error, words))
        return
    machine = held.machine
    if machine.memory_bytes:
        used = machine.memory_bytes - machine.memory_free_bytes
        rows = [(words("memory_main"), used, machine.memory_bytes)]
        rows += [
            (one.description or one.name, one.total_bytes - one.free_bytes, one.total_bytes)
            for one in machine.gpus
        ]
        for name, taken, total in rows:
            told = words("memory_of", used=size_text(taken), total=size_text(total))
            st.progress(min(1.0, max(0.0, taken / total)), text=f"{plain_markdown(name)} · {told}")
    if not held.running:
        st.caption(words("memory_none"))
    for at, one in enumerate(held.running):
        with st.container(border=True, gap="small", key=f"running_{at}"):
            _running(one, held, words, key=str(at))


def _running(model: Running, held: _Memory, words: Words, *, key: str) -> None:
    figures = held.figures
    slots = figures.total("quire_slots", model=model.name)
    busy = figures.total("quire_slots_busy", model=model.name)
    parts = (
        size_text(model.size),
        words("memory_context", n=f"{model.context_length:,}") if model.context_length else "",
        words("memory_slots", n=round(slots)) if slots else "",
        words("memory_busy", n=round(busy)) if busy else "",
        until_text(model.left_s(datetime.now(UTC)), words),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f"<strong style='overflow-wrap:anywhere'>{plain_html(short_name(model.name))}</strong>"
            f'<div class="q-muted">{plain_html(" · ".join(one for one in parts if one))}</div>'
        )
        if may("ask") and st.button(
            words("unload"), key=f"unload_{key}", icon=":material/eject:", type="tertiary"
        ):
            _do(
                lambda client: client.unload(model.name),
                words("unloaded", model=plain_markdown(model.name, 80)),
                words,
            )
    shares = devices_of(model, memory_by_device(figures, model.name), words)
    for share in shares:
        label = words("memory_by_device", device=share.device, size=size_text(share.size_bytes))
        st.html(bar_html([share], 0, words, label=label))


def _installed(
    installed: Sequence[Installed], running: Sequence[Running], roles: Roles, words: Words
) -> None:
    size = sum({one.digest: one.size for one in installed}.values())
    st.subheader(words("installed_title", n=len(installed), size=size_text(size)), anchor=False)
    if not installed:
        st.info(words("installed_none"), icon=":material/download:")
    loaded = {one.name for one in running}
    for at, one in enumerate(installed):
        uses = uses_of(one.name, roles, words)
        used = f" :green-badge[{plain_markdown(uses[0], 80)}]" if uses else ""
        label = f"**{plain_markdown(short_name(one.name))}** · "
        label += plain_markdown(summary_text(one, words), 160) + used
        with st.expander(label, key=f"model_{at}"):
            _model(one, roles, words, key=str(at), is_loaded=one.name in loaded)


def _model(model: Installed, roles: Roles, words: Words, *, key: str, is_loaded: bool) -> None:
    rows = (
        ("detail_family", model.family),
        ("detail_parameters", model.parameter_size),
        ("detail_quantization", model.quantization_level),
        ("detail_size", size_text(model.size)),
        ("detail_context", tokens_text(model.context_length, words)),
        ("detail_abilities", abilities_text(model, words)),
        ("detail_changed", when_text(model.modified_at)),
    )
    body = "".join(
        f"<tr><th>{plain_html(words(name))}</th><td>{plain_html(value, 200)}</td></tr>"
        for name, value in rows
        if value
    )
    st.html(f'<table class="q-table"><tbody>{body}</tbody></table>')
    for use in uses_of(model.name, roles, words)[1:]:
        st.caption(plain_markdown(use, 200))
    with st.container(horizontal=True):
        if may("ask"):
            _load_buttons(model, words, key, is_loaded=is_loaded)
        if may("read", is_whole=True) and st.button(
            words("details_of"), key=f"where_{key}", icon=":material/device_hub:"
        ):
            where_it_goes(model.name, words)
        if not may("admin", is_whole=True):
            return
        if st.button(words("copy_model"), key=f"copy_{key}", icon=":material/content_copy:"):
            copy_model(model, words)
        if st.button(words("delete_model"), key=f"delete_{key}", icon=":material/delete:"):
            delete_model(model, roles, words)


def _load_buttons(model: Installed, words: Words, key: str, *, is_loaded: bool) -> None:
    name = plain_markdown(model.name, 80)
    if is_loaded:
        if st.button(words("unload"), key=f"eject_{key}", icon=":material/eject:"):
            _do(lambda client: client.unload(model.name), words("unloaded", model=name), words)
    elif st.button(words("load"), key=f"load_{key}", icon=":material/memory:"):
        with st.spinner(words("loading", model=name)):
            _do(lambda client: client.load(model), words("loaded", model=name), words)


def _do(what: Callable[[ModelsClient], object], said: str, words: Words) -> None:
    """Tell the server to do something, then draw the page anew."""
    try:
        with ModelsClient(api_url(), token()) as client:
            what(client)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state["models_said"] = said
    st.rerun(scope="app")
