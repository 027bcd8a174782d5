"""The page where documents are asked: a conversation whose answers name their sources."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

from ui.client import Client
from ui.errors import RefusedError, UiError
from ui.format import plain_html, plain_markdown, seconds_text
from ui.marks import (
    answer_html,
    legend_html,
    passage_of,
    plain_answer_html,
    reasons_html,
    sources_of,
    streaming_html,
    warning_text,
)
from ui.shapes import (
    Collection,
    Passage,
    Reply,
    Sentence,
    mapping,
    passages_from,
    reply_from,
    sentence_from,
)
from ui.state import Session, Turn, api_url, history, session, token
from ui.stream import Event
from ui.trace import refused_text, trace_html
from ui.widgets import (
    choose_collection,
    nothing,
    pick_collection,
    show_error,
    show_notices,
    source_button,
)
from ui.words import Words

_REDRAW_S = 0.05  # a browser gains nothing from more than twenty updates a second
_MAX_QUESTION = 4_000  # characters


def show() -> None:
    """Draw the page."""
    state = session()
    words = state.words
    st.title(words("ask_title"), anchor=False)
    try:
        with Client(api_url(), token()) as client:
            status, collections = client.status(), client.collections()
    except UiError as error:
        show_error(error, words, key="retry_status", retry=nothing)
        return
    choose_collection(state, collections)
    question = st.chat_input(words("ask_placeholder"), max_chars=_MAX_QUESTION, key="question")
    if question and question.strip():
        state.ask(question.strip())
    _head(state, collections, words)
    show_notices(status.notices)
    if not state.turns:
        _invite(collections, state.collection, words)
    for at, turn in enumerate(state.turns):
        _show_turn(turn, at, words)


def _head(state: Session, collections: list[Collection], words: Words) -> None:
    picker, new = st.columns([3, 1], vertical_alignment="bottom")
    with picker:
        pick_collection(collections, words, key="ask_collection")
    new.button(
        words("new_chat"),
        icon=":material/edit_square:",
        width="stretch",
        disabled=not state.turns,
        on_click=state.turns.clear,
    )


def _invite(collections: list[Collection], collection: str, words: Words) -> None:
    held = sum(one.n_documents for one in collections if one.name == collection)
    if held:
        st.caption(words("ask_hint"))
        return
    st.info(words("no_documents_ask"), icon=":material/folder_open:")
    documents = st.session_state.get("documents_page")
    if documents is not None:
        st.page_link(documents, label=words("go_to_documents"), icon=":material/upload_file:")


def _show_turn(turn: Turn, at: int, words: Words) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        st.html(plain_answer_html(turn.question))
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        slot = st.empty()
        if turn.outcome == "waiting":
            stop = st.empty()
            # A button, not Streamlit's own stop: that one draws nothing afterwards.
            stop.button(words("stop"), key=f"stop_{at}", icon=":material/stop_circle:")
            _stream(turn, slot, words)
            stop.empty()
        if turn.reply is not None:
            _show_reply(turn.reply, slot, at, words)
        elif turn.error is not None:
            slot.empty()
            show_error(turn.error, words, key=f"retry_{at}", retry=lambda: _again(turn))
        else:
            slot.html(plain_answer_html(turn.text))
            st.caption(words("stopped"))
            st.button(
                words("ask_again"),
                key=f"again_{at}",
                icon=":material/refresh:",
                on_click=lambda: _again(turn),
            )


def _again(turn: Turn) -> None:
    turn.outcome, turn.text, turn.error, turn.passages = "waiting", "", None, ()


def _stream(turn: Turn, slot: st.delta_generator.DeltaGenerator, words: Words) -> None:
    """Ask, and draw the answer as it comes.

    Whoever presses a button or leaves the page ends this run at its next drawing; leaving
    the `with` then closes the connection, and with it the answer on the server.
    """
    turn.outcome = "stopped"  # what it is if this run ends in the middle
    state = session()
    earlier = state.turns[: state.turns.index(turn)]
    drawing = _Drawing(slot, words)
    try:
        with (
            Client(api_url(), token()) as client,
            client.ask(turn.question, turn.collection, history(earlier)) as events,
        ):
            for event in events:
                drawing.beat = _take(turn, event) or drawing.beat
                if event.name == "sentence":
                    drawing.checked.append(sentence_from(mapping(event.data, "sentence")))
                drawing.draw(turn.text)
        if turn.reply is None:
            raise RefusedError(502, "the answer broke off")
        turn.outcome = "done"
    except UiError as error:
        turn.outcome, turn.error = "failed", error


class _Drawing:
    """Draws what there is of an answer, not more often than anybody can see."""

    def __init__(self, slot: st.delta_generator.DeltaGenerator, words: Words) -> None:
        self.beat = "waiting"
        self.checked: list[Sentence] = []
        self._slot, self._words = slot, words
        self._began = time.monotonic()
        self._drawn = -_REDRAW_S

    def draw(self, text: str) -> None:
        now = time.monotonic()
        if now - self._drawn < _REDRAW_S:
            return
        self._drawn = now
        if text:
            self._slot.html(streaming_html(text, self.checked))
            return
        seconds = self._words("took", seconds=int(now - self._began))
        self._slot.caption(f"{self._words.beat(self.beat)} {seconds}")


def _take(turn: Turn, event: Event) -> str:
    """Take one event into the turn; returns the beat that begins, if one does."""
    if event.name == "token":
        turn.text += str(event.data.get("text", ""))
    elif event.name == "passages":
        turn.passages = passages_from(event.data)
    elif event.name in ("citations", "done"):
        turn.reply = reply_from(event.data, turn.passages)
    elif event.name == "error":
        raise RefusedError(500, str(event.data.get("error", "")))
    return str(event.data.get("beat", "")) if event.name == "status" else ""


def _show_reply(
    reply: Reply, slot: st.delta_generator.DeltaGenerator, at: int, words: Words
) -> None:
    if reply.refused:
        slot.info(refused_text(reply.trace or {}, words), icon=":material/search_off:")
    else:
        slot.html(answer_html(reply, words))
        if reply.mode == "extractive":
            st.caption(words("extractive"))
        if reply.sentences:
            st.html(legend_html(reply.sentences, words))
        _show_reasons(reply, words)
    for notice in reply.notices:
        st.caption(words("noticed", notice=plain_markdown(notice, 600)))
    _show_sources(reply, at, words)
    if reply.trace:
        with st.expander(words("trace_title"), icon=":material/travel_explore:"):
            st.html(trace_html(reply.trace, words))
    st.html(f'<div class="q-muted">{plain_html(_made_by(reply, words))}</div>')


def _show_reasons(reply: Reply, words: Words) -> None:
    told = reasons_html(reply.sentences, words)
    if told:
        n = sum(one.support != "supported" for one in reply.sentences)
        with st.expander(words("why_marked", n=n)):
            st.html(told)


def _show_sources(reply: Reply, at: int, words: Words) -> None:
    shown = [] if reply.refused else sources_of(reply)
    held = {passage_of(one, reply.passages) for one in reply.citations} if shown else set()
    others = [one for one in reply.passages if one not in held]
    if shown:
        st.markdown(f"**{words('sources')}**")
        with st.container(gap="xxsmall", key=f"sources_{at}"):
            for passage in shown:
                _show_source(passage, reply, words, key=f"source_{at}_{passage.n}")
    if others:
        title = "nearest_sources" if reply.refused else "other_sources"
        with st.expander(words(title, n=len(others))):
            for passage in others:
                # No mark leads here, so it bears no number.
                _show_source(replace(passage, n=0), reply, words, key=f"other_{at}_{passage.n}")


def _show_source(passage: Passage, reply: Reply, words: Words, key: str) -> None:
    source_button(passage, reply.citations, words, key=key)
    for warning in passage.warnings:
        told = plain_markdown(warning_text(warning, words), 300)
        st.caption(f":material/warning: {words('warned', warning=told)}")


def _made_by(reply: Reply, words: Words) -> str:
    models, seconds = reply.models or {}, seconds_text(reply.timings or {})
    # Quoted words are nobody's but the documents'; a refusal was not the model's either.
    told = [
        words(key, model=models[role])
        for role, key in (
            ("chat", "answered_by"),
            ("embedding", "searched_by"),
            ("reranker", "reranked_by"),
        )
        if models.get(role) and (role != "chat" or reply.mode == "generated")
    ]
    return " · ".join([*told, *([words("took", seconds=seconds)] if seconds else [])])
