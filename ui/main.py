"""The script that Streamlit runs for each browser session: frame and choice of page.

The pages lie in `views`, not `pages`: a folder of that name beside the script makes
Streamlit offer every file in it as a page of its own.
"""

from __future__ import annotations

import streamlit as st

from ui.marks import STYLE
from ui.state import session
from ui.views import ask, documents, evaluate
from ui.words import LANGUAGES

# Drawn here: Streamlit fetches the picture of a named icon from a font service.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="64" height="64">'
    '<rect width="24" height="24" rx="5" fill="#2b8a6e"/>'
    '<path d="M6 6.5c2.2-.8 4.2-.6 6 .8 1.8-1.4 3.8-1.6 6-.8v10.6c-2.2-.8-4.2-.6-6 .8'
    '-1.8-1.4-3.8-1.6-6-.8z" fill="#fff"/><path d="M12 7.3v10.6" stroke="#2b8a6e"/></svg>'
)


def main() -> None:
    """Draw the frame, then the chosen page."""
    state = session()
    words = state.words
    st.set_page_config(page_title="Quire", page_icon=_ICON, layout="centered")
    st.html(STYLE)
    pages = [
        st.Page(
            ask.show, title=words("ask"), icon=":material/forum:", url_path="ask", default=True
        ),
        st.Page(
            documents.show,
            title=words("documents"),
            icon=":material/folder_open:",
            url_path="documents",
        ),
        st.Page(
            evaluate.show, title=words("evaluate"), icon=":material/quiz:", url_path="evaluate"
        ),
    ]
    st.session_state["documents_page"] = pages[1]
    page = st.navigation(pages)
    with st.sidebar:
        _switch_language()
        st.caption(words("private"))
    page.run()


def _switch_language() -> None:
    state = session()

    def change() -> None:
        state.language = st.session_state["language"]

    st.segmented_control(
        state.words("language"),
        list(LANGUAGES),
        format_func=lambda language: LANGUAGES[language],
        default=state.language,
        required=True,
        key="language",
        on_change=change,
    )


main()
