"""The dialogs of the page of models: change a role, placement, copy, delete."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.errors import UiError
from ui.format import duration_text, error_text, plain_markdown, size_text
from ui.models_client import ModelsClient
from ui.models_format import (
    bar_html,
    device_name,
    names_text,
    setting_line,
    settings_file,
    short_name,
)
from ui.models_shapes import Cost, Installed, Placement, Roles, Share, same
from ui.state import api_url, token
from ui.words import Words

_SETTINGS = {"chat": "QUIRE_CHAT_MODEL", "reranker": "QUIRE_RERANKER"}


def change_role(role: str, roles: Roles, installed: Sequence[Installed], words: Words) -> None:
    """Open a dialog that says what another model in a role costs, and how to get it."""

    @st.dialog(words(f"change_{role}"), width="medium")
    def dialog() -> None:
        current = {"chat": roles.chat, "embedding": roles.embedding}.get(role, roles.reranker)
        fitting = [one.name for one in installed if _fits(one, role)]
        others = [name for name in fitting if not same(name, current)]
        if role == "embedding":
            n = f"{roles.n_passages:,}"
            st.markdown(words("change_embedding_cost", n=n))
        else:
            st.markdown(words(f"change_{role}_cost"))
        if not others:
            st.info(words("change_none"), icon=":material/download:")
            return
        name = st.selectbox(
            words("change_pick"), others, key=f"pick_{role}", format_func=short_name
        )
        if role == "embedding":
            _change_embedding(name, words)
            return
        st.markdown(words("change_by_setting", file=f"`{_plain(settings_file(roles.home))}`"))
        st.code(setting_line(_SETTINGS[role], name), language="toml", wrap_lines=True)

    dialog()


def where_it_goes(model: str, words: Words) -> None:
    """Open a dialog that explains where a model would go now."""

    @st.dialog(words("details_title"), width="medium")
    def dialog() -> None:
        st.markdown(f"**{plain_markdown(short_name(model))}**")
        try:
            with ModelsClient(api_url(), token()) as client:
                found = client.placement(model)
        except UiError as error:
            st.error(error_text(error, words))
            return
        _placement(found, words)

    dialog()


def copy_model(model: Installed, words: Words) -> None:
    """Open a dialog that gives a model a second name."""

    @st.dialog(words("copy_title", model=plain_markdown(model.name, 80)))
    def dialog() -> None:
        st.caption(words("copy_explained"))
        with st.form("copy_form", border=False):
            name = st.text_input(words("copy_name"), max_chars=200, key="copy_name").strip()
            if st.form_submit_button(words("copy_model"), type="primary"):
                if not name:
                    st.warning(words("create_no_name"))
                    return
                try:
                    with ModelsClient(api_url(), token()) as client:
                        client.copy(model.name, name)
                except UiError as error:
                    st.error(error_text(error, words))
                    return
                _close(words("copied", model=plain_markdown(name, 80)))

    dialog()


def delete_model(model: Installed, roles: Roles, words: Words) -> None:
    """Open a dialog that says what uses a model, and asks before it is deleted."""
    collections = roles.users_of(model.name)

    @st.dialog(words("delete_model_title", model=plain_markdown(model.name, 80)))
    def dialog() -> None:
        if collections or same(roles.embedding, model.name):
            told = names_text(collections) or names_text([one[0] for one in roles.by_collection])
            st.error(words("delete_model_embedding", collections=plain_markdown(told, 200)))
            return
        if same(roles.chat, model.name):
            st.warning(words("delete_model_chat"), icon=":material/warning:")
        if same(roles.reranker, model.name):
            st.warning(words("delete_model_reranker"), icon=":material/warning:")
        st.markdown(words("delete_model_explained", size=size_text(model.size)))
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(words("cancel"), key="delete_cancel"):
                st.rerun(scope="app")
            if not st.button(
                words("delete_model"),
                key="delete_confirm",
                type="primary",
                icon=":material/delete:",
            ):
                return
        try:
            with ModelsClient(api_url(), token()) as client:
                client.remove(model.name)
        except UiError as error:
            st.error(error_text(error, words))
            return
        _close(words("deleted_model", model=plain_markdown(model.name, 80)))

    dialog()


def _change_embedding(name: str, words: Words) -> None:
    measured = st.session_state.get("measured")
    if isinstance(measured, Cost) and same(measured.model, name):
        _cost(measured, words)
    elif st.button(words("change_measure"), key="measure", icon=":material/timer:"):
        try:
            with st.spinner(words("change_measuring")), ModelsClient(api_url(), token()) as client:
                measured = client.cost(name)
        except UiError as error:
            st.error(error_text(error, words))
        else:
            st.session_state["measured"] = measured
            _cost(measured, words)
    if st.button(words("change_begin"), key="migrate", type="primary"):
        try:
            with ModelsClient(api_url(), token()) as client:
                client.migrate(name)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.session_state.pop("measured", None)
        _close(words("change_begun"))


def _cost(cost: Cost, words: Words) -> None:
    if not cost.n_passages:
        st.info(words("change_nothing"))
        return
    told = words(
        "change_measured",
        time=duration_text(cost.eta_s or 0, words),
        rate=f"{cost.passages_per_s:,.1f}",
        n=cost.n_sampled,
    )
    st.info(told, icon=":material/timer:")


def _placement(found: Placement, words: Words) -> None:
    if found.fits:
        told = words("placement_fits", n=f"{found.n_ctx:,}", slots=found.n_slots)
        st.markdown(f":green[:material/check_circle:] {told}")
        on_gpu = words("placement_layers", n=found.n_gpu_layers, all=found.n_layers)
        st.caption(on_gpu if found.n_gpu_layers else words("placement_cpu"))
        for one in found.shares:
            device = device_name(one.device, words)
            label = words("memory_by_device", device=device, size=size_text(one.size_bytes))
            named = Share(device, one.weights_bytes, one.cache_bytes, one.compute_bytes)
            st.html(bar_html([named], 0, words, label=label))
    else:
        st.warning(words("placement_none"), icon=":material/warning:")
    if found.sentences:
        with st.expander(words("placement_why"), expanded=not found.fits):
            for sentence in found.sentences:
                st.caption(plain_markdown(sentence, 600))


def _fits(model: Installed, role: str) -> bool:
    kinds = {"chat": "completion", "embedding": "embedding", "reranker": "rerank"}
    return kinds[role] in model.capabilities


def _plain(text: str) -> str:
    return text.replace("`", "")


def _close(said: str) -> None:
    """Close the dialog by drawing the page anew; the page says what was done."""
    st.session_state["models_said"] = said
    st.rerun(scope="app")
