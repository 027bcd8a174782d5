"""Thumbs under an answer, and what would have been right."""

from __future__ import annotations

import streamlit as st

from ui.ask_client import AskClient
from ui.ask_shapes import GivenOpinion, Opinion
from ui.ask_state import Chat, Turn
from ui.errors import UiError
from ui.format import clip, file_name, place_text, plain_markdown
from ui.marks import sources_of
from ui.shapes import Passage, Reply
from ui.state import api_url, token
from ui.words import Words

_MAX_COMMENT = 2_000  # characters, as the server has it
_THUMBS = ("down", "up")  # as Streamlit numbers them
_UNSAID, _MISSING = -1, -2


def show_opinion(turn: Turn, reply: Reply, state: Chat, words: Words) -> None:
    """Draw the thumbs, and where one is given a place to say more."""
    held = state.opinions.get(turn.place, Opinion(turn.place))
    key = f"thumb_{state.id}_{turn.place}"
    st.session_state[key] = _THUMBS.index(held.verdict) if held.verdict in _THUMBS else None

    def change() -> None:
        thumb = st.session_state[key]
        verdict = "" if thumb is None else _THUMBS[thumb]
        _give(turn, state, GivenOpinion(verdict), words)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.feedback("thumbs", key=key, on_change=change)
        if held.verdict:
            st.caption(words("thanks_cases" if held.n_cases else "thanks"))
            with st.popover(words("say_more"), type="tertiary", key=f"more_{key}"):
                _form(turn, reply, state, held, words)
    told = st.session_state.pop(f"failed_{key}", "")
    if told:
        st.error(told)


def _form(turn: Turn, reply: Reply, state: Chat, held: Opinion, words: Words) -> None:
    key = f"{state.id}_{turn.place}"
    choices = choices_of(reply)
    is_up = held.verdict == "up"
    unsaid = words("opinion_as_cited" if is_up else "opinion_unsaid")
    labels = {_UNSAID: unsaid, _MISSING: words("opinion_missing")}
    labels |= {n: _label(one, words) for n, one in enumerate(choices)}
    with st.form(f"opinion_{key}", border=False):
        right = st.radio(
            words("opinion_rests" if is_up else "opinion_right"),
            list(labels),
            format_func=lambda n: labels[n],
            index=1 if held.is_missing else 0,
            key=f"right_{key}",
        )
        comment = st.text_area(
            words("opinion_comment"), held.comment, max_chars=_MAX_COMMENT, key=f"comment_{key}"
        )
        is_sent = st.form_submit_button(words("opinion_send"), type="primary")
    st.caption(words("opinion_explained"))
    if is_sent:
        passage = choices[right] if right is not None and right >= 0 else None
        is_missing = right == _MISSING
        given = GivenOpinion(held.verdict, comment.strip(), passage, is_missing)
        _give(turn, state, given, words)
        st.rerun()


def choices_of(reply: Reply) -> list[Passage]:
    """List the passages that were looked at, the cited ones first, each once."""
    cited = [] if reply.refused else sources_of(reply)
    found: dict[tuple[str, int, int], Passage] = {}
    for one in [*cited, *reply.passages]:
        found.setdefault((one.document_id, one.start, one.end), one)
    return list(found.values())


def _label(passage: Passage, words: Words) -> str:
    quote = clip(" ".join(passage.text.split()), 80)
    place = place_text(passage, words) or file_name(passage.path)
    return plain_markdown(f"{place}: {quote}" if quote else place, 200)


def _give(turn: Turn, state: Chat, given: GivenOpinion, words: Words) -> None:
    try:
        with AskClient(api_url(), token()) as client:
            state.opinions[turn.place] = client.give_opinion(state.id, turn.place, given)
    except UiError as error:
        message = plain_markdown(str(error).rstrip(". "), 600)
        told = words("opinion_failed", message=message)
        st.session_state[f"failed_thumb_{state.id}_{turn.place}"] = told
