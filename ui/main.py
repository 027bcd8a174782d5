"""The script that Streamlit runs for each browser session: frame and choice of page.

The pages lie in `views`, not `pages`: a folder of that name beside the script makes
Streamlit offer every file in it as a page of its own.
"""

from __future__ import annotations

import streamlit as st

from ui.format import plain_html
from ui.login import admitted, leaving, show_logout
from ui.marks import STYLE
from ui.pages import PAGES
from ui.shell import ICON
from ui.state import THEMES, session
from ui.style import FRAME_STYLE
from ui.words import LANGUAGES


def main() -> None:
    """Draw the frame, then the chosen page."""
    state = session()
    words = state.words
    st.set_page_config(page_title="Quire", page_icon=ICON, layout="wide")
    st.html(STYLE + FRAME_STYLE)
    # Read by assets/quire.js, which remembers both in the browser.
    more = ' data-chosen="1"' * state.is_chosen + ' data-leave="1"' * leaving()
    st.html(
        f'<div class="q-frame" data-language="{state.language}" data-look="{state.theme}"{more} '
        f'data-gone="{plain_html(words("pages_gone"))}"></div>'
    )
    pages = []
    for at, one in enumerate(PAGES):
        title, is_first = words(one.name), at == 0
        page = st.Page(one.show, title=title, icon=one.icon, url_path=one.name, default=is_first)
        pages.append(page)
        st.session_state[f"{one.name}_page"] = page  # for links between pages
    chosen_page = st.navigation(pages)
    with st.sidebar:
        # Drawn before the page, which may stream for long; the style puts it at the bottom.
        bottom = st.container(key="frame_bottom", gap="small")
    if admitted(words):
        with bottom:
            show_logout(words)
            _look()
        chosen_page.run()
    else:
        with bottom:
            _look()


def _look() -> None:
    """Let the user choose language and theme."""
    state = session()
    words = state.words

    # No callbacks: a click in the first moment after the server came back finds a session that
    # does not know these fields yet, so none would be called and the click be lost.
    language = st.segmented_control(
        words("language"),
        list(LANGUAGES),
        format_func=lambda language: LANGUAGES[language],
        default=state.language,
        required=True,
        key="language",
    )
    theme = st.segmented_control(
        words("theme"),
        list(THEMES),
        format_func=lambda theme: words(f"theme_{theme}"),
        default=state.theme,
        required=True,
        key="theme",
    )
    st.caption(words("private"))
    if language != state.language or theme != state.theme:
        state.is_chosen = state.is_chosen or language != state.language
        state.language, state.theme = language, theme
        st.rerun()


main()
