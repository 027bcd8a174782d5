"""The keys of the server, a part of the page of its state: list, make, revoke."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.errors import UiError
from ui.format import clip, error_text, plain_html, plain_markdown, when_text
from ui.state import api_url, token
from ui.status_client import StatusClient
from ui.status_shapes import SCOPES, Key
from ui.words import Words

_MAX_DAYS = 3_650
_USUAL = ("read", "ask")
_MADE = "key_is_made"  # the field is emptied at the next run


def keys(words: Words) -> None:
    """Draw the keys, if the server has any and tells them to whoever looks.

    The form is not moved by what is drawn above it: it would begin anew, and lose a click.
    """
    try:
        with StatusClient(api_url(), token()) as client:
            found = client.keys()
            names = [one.name for one in client.collections()] if found is not None else []
    except UiError as error:
        st.error(error_text(error, words))
        return
    if found is None:
        return
    st.subheader(words("keys_title"), anchor=False)
    st.caption(words("keys_hint"))
    with st.container():
        _shown_once(words)
        if not found:
            st.caption(words("keys_none"))
        for one in found:
            _key(one, words)
    with st.expander(words("key_add"), icon=":material/add:", key="key_add"):
        _new(names, words)


def _shown_once(words: Words) -> None:
    secret = st.session_state.get("key_secret", "")
    if not secret:
        return
    with st.container(border=True, key="key_secret_box"):
        st.warning(words("key_made"), icon=":material/key:")
        st.code(secret, language=None, wrap_lines=True)
        if st.button(words("key_seen"), key="key_seen", icon=":material/check:"):
            del st.session_state["key_secret"]
            st.rerun()


def _key(key: Key, words: Words) -> None:
    scopes = ", ".join(words(f"scope_{one}") if one in SCOPES else one for one in key.scopes)
    parts = (
        scopes,
        ", ".join(clip(one, 40) for one in key.collections),
        words("key_used", when=when_text(key.last_used_at))
        if key.last_used_at
        else words("key_unused"),
        words("key_ends", when=when_text(key.expires_at)) if key.expires_at else "",
        words("key_revoked", when=when_text(key.revoked_at)) if key.revoked_at else "",
    )
    faded = ";opacity:.55" if key.revoked_at else ""
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.html(
            f'<div style="overflow-wrap:anywhere{faded}">'
            f"<bdi><strong>{plain_html(key.name, 80)}</strong></bdi> "
            f'<span class="q-muted">{plain_html(key.id, 40)}</span>'
            f'<div class="q-muted">{plain_html(" · ".join(one for one in parts if one), 300)}</div>'
            "</div>"
        )
        if not key.revoked_at and st.button(
            words("key_revoke"), key=f"revoke_{key.id}", icon=":material/block:", type="tertiary"
        ):
            revoke(key, words)


def revoke(key: Key, words: Words) -> None:
    """Open a dialog that asks before a key is ended."""
    name = plain_markdown(key.name, 60)

    @st.dialog(words("key_revoke_title", name=name))
    def dialog() -> None:
        st.markdown(words("key_revoke_explained"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(words("cancel"), key="revoke_cancel"):
                st.rerun(scope="app")
            if not st.button(words("key_revoke"), key="revoke_confirm", type="primary"):
                return
        try:
            with StatusClient(api_url(), token()) as client:
                client.revoke_key(key.id)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.toast(words("key_is_revoked", name=name))
        st.rerun(scope="app")

    dialog()


def _new(collections: Sequence[str], words: Words) -> None:
    if st.session_state.pop(_MADE, False):
        st.session_state["key_name"] = ""
    with st.form("key_form", border=False):
        name = st.text_input(words("key_name"), max_chars=100, key="key_name").strip()
        scopes = st.multiselect(
            words("key_scopes"),
            SCOPES,
            default=_USUAL,
            key="key_scopes",
            format_func=lambda one: words(f"scope_{one}"),
        )
        only = st.multiselect(
            words("key_collections"),
            collections,
            key="key_collections",
            format_func=lambda one: clip(one, 60),
        )
        days = st.number_input(words("key_days"), 0, _MAX_DAYS, value=0, key="key_days")
        if not st.form_submit_button(words("key_make"), type="primary", icon=":material/key:"):
            return
    if not name or not scopes:
        st.warning(words("key_no_scope" if name else "key_no_name"))
        return
    try:
        with StatusClient(api_url(), token()) as client:
            st.session_state["key_secret"] = client.add_key(name, scopes, only, int(days))
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state[_MADE] = True
    st.rerun()
