"""Documents on their way out: what goes with them, what stays, what would bring them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from ui.documents_client import DocumentsClient
from ui.documents_marks import visible
from ui.documents_shapes import Consequences, Quoting
from ui.errors import RefusedError, UiError
from ui.format import error_text, file_name, plain_html, plain_markdown
from ui.shapes import Document
from ui.state import api_url, token
from ui.words import Words

PICKED = "documents_picked"  # by id, those that are ticked
_ASKED = 30  # documents whose consequences are looked up one by one
_NAMED = 5
_GONE = 404


def ask_delete(documents: Sequence[Document], words: Words) -> None:
    """Open a dialog that says what a deletion means, and does it."""
    title = words("delete_title") if len(documents) == 1 else words("delete_many_title")

    @st.dialog(title)
    def dialog() -> None:
        st.html(_names_html(documents, words))
        try:
            with DocumentsClient(api_url(), token()) as client:
                _explain(client, documents, words)
        except UiError as error:
            st.error(error_text(error, words))
            return
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(words("cancel"), key="delete_no"):
                st.rerun()
            sure = st.button(words("delete"), key="delete_yes", type="primary")
        if sure:
            _delete(documents, words)

    dialog()


def summed(found: Sequence[Consequences]) -> Consequences:
    """Put together what several deletions mean; pure."""
    whole = Consequences()
    quoting: dict[str, Quoting] = {}
    for one in found:
        quoting |= {talk.id: talk for talk in one.conversations}
        whole = replace(
            whole,
            n_chunks=whole.n_chunks + one.n_chunks,
            watched=(*whole.watched, *one.watched),
            has_original=whole.has_original or one.has_original,
            n_conversations=max(whole.n_conversations, one.n_conversations),
        )
    n = max(whole.n_conversations, len(quoting))
    return replace(whole, conversations=tuple(quoting.values()), n_conversations=n)


def _explain(client: DocumentsClient, documents: Sequence[Document], words: Words) -> None:
    found = []
    for one in documents[:_ASKED]:
        try:
            found.append(client.consequences(one.id))
        except RefusedError as error:
            if error.status != _GONE:  # gone already, or a server that does not tell
                raise
    whole = summed(found)
    n_chunks = sum(one.n_chunks for one in documents)
    lines = [words("delete_means", n=f"{n_chunks:,}"), words("delete_original_stays")]
    if whole.has_original:
        lines.append(words("delete_copy_goes"))
    st.markdown("\n".join(f"- {line}" for line in lines))
    if whole.conversations:
        named = ", ".join(f"“{plain_markdown(one.title, 60)}”" for one in whole.conversations)
        n = f"{whole.n_conversations:,}"
        st.info(words("delete_quoted", n=n, titles=named), icon=":material/forum:")
    if whole.watched:
        names = [plain_markdown(visible(one), 200) for one in whole.watched[:_NAMED]]
        shown = "\n".join(f"- {one}" for one in names)
        more = len(whole.watched) - _NAMED
        shown += f"\n- {words('and_more', n=more)}" if more > 0 else ""
        st.warning(f"{words('delete_watched')}\n\n{shown}", icon=":material/folder_eye:")


def _delete(documents: Sequence[Document], words: Words) -> None:
    n_deleted = 0
    picked = st.session_state.get(PICKED, {})
    try:
        with DocumentsClient(api_url(), token()) as client:
            for one in documents:
                try:
                    client.delete(one.id)
                except RefusedError as error:
                    if error.status != _GONE:  # somebody else was faster
                        raise
                n_deleted += 1
                picked.pop(one.id, None)
                st.session_state.pop(f"pick_{one.id}", None)
    except UiError as error:
        if len(documents) > 1:
            st.warning(words("delete_broke_off", done=n_deleted, n=len(documents)))
        st.error(error_text(error, words))
        return
    title = documents[0].title or file_name(documents[0].path)
    one_told = words("deleted", title=plain_markdown(title, 80))
    st.toast(one_told if len(documents) == 1 else words("deleted_many", n=n_deleted))
    st.rerun()


def _names_html(documents: Sequence[Document], words: Words) -> str:
    names = [visible(one.title or file_name(one.path)) for one in documents]
    lines = [f"<strong><bdi>{plain_html(one, 200)}</bdi></strong>" for one in names[:_NAMED]]
    if len(names) > _NAMED:
        lines.append(plain_html(words("and_more", n=len(names) - _NAMED)))
    return f'<div class="q-row">{"<br>".join(lines)}</div>'
