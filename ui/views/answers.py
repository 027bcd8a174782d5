"""One answer with all that belongs to it: marks, sources, the passage beside it, how it came."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from ui.ask_client import AskClient
from ui.ask_marks import answer_html, opened_style
from ui.ask_passage import passage_opened, show_passage
from ui.ask_state import Chat, Opened, Turn, chat
from ui.errors import UiError
from ui.format import (
    clip,
    error_text,
    file_name,
    place_text,
    plain_html,
    plain_markdown,
    seconds_text,
)
from ui.marks import legend_html, passage_of, reasons_html, sources_of, warning_text
from ui.shapes import Collection, Json, Passage, Reply, mapping
from ui.state import api_url, session, token
from ui.trace import refused_text, trace_html
from ui.views.opinions import show_opinion
from ui.words import Words

_MAX_OTHERS = 8  # other collections that are looked in


def show_answer(
    turn: Turn, reply: Reply, at: int, state: Chat, collections: list[Collection], words: Words
) -> None:
    """Draw an answer; the source that is open beside it, or below where there is no room."""
    opened = state.opened if state.opened and state.opened.turn is turn else None
    passage = passage_opened(opened, reply)
    # The same columns in both cases: an answer that moved in the page would be drawn anew.
    sides = st.columns([6, 5], gap="medium") if passage else st.columns(1)
    with sides[0]:
        _show_reply(turn, reply, at, state, collections, words)
    if passage is None:
        return
    if passage.n:
        st.html(opened_style(f"source_{at}_{passage.n}"))
    with sides[1], st.container(key="ask_aside", border=True):
        title = words("source_title", n=passage.n) if passage.n else words("passage_title")
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown(f"**{plain_markdown(title)}**")
            st.button(
                words("close_source"),
                key="close_source",
                icon=":material/close:",
                type="tertiary",
                shortcut="Escape",
                on_click=_close,
                args=(state,),
            )
        show_passage(passage, reply.citations, words)


def _show_reply(
    turn: Turn, reply: Reply, at: int, state: Chat, collections: list[Collection], words: Words
) -> None:
    if reply.refused:
        _show_refusal(turn, reply, at, collections, words)
    else:
        st.html(answer_html(reply, f"source_{at}_", words))
        if reply.mode == "extractive":
            st.caption(words("extractive"))
        if reply.sentences:
            st.html(legend_html(reply.sentences, words))
        _show_reasons(reply, words)
    for notice in reply.notices:
        st.caption(words("noticed", notice=plain_markdown(notice, 600)))
    _show_sources(turn, reply, at, state, words)
    if reply.trace:
        with st.expander(words("trace_title"), icon=":material/travel_explore:"):
            st.html(trace_html(reply.trace, words))
    made_by = _made_by(reply, words)
    if made_by:
        st.html(f'<div class="q-muted">{plain_html(made_by)}</div>')
    if turn.outcome == "done" and turn.place >= 0:
        show_opinion(turn, reply, state, words)


def _show_reasons(reply: Reply, words: Words) -> None:
    told = reasons_html(reply.sentences, words)
    if told:
        n = sum(one.support != "supported" for one in reply.sentences)
        with st.expander(words("why_marked", n=n)):
            st.html(told)


def _show_sources(turn: Turn, reply: Reply, at: int, state: Chat, words: Words) -> None:
    shown = [] if reply.refused else sources_of(reply)
    held = {_place(passage_of(one, reply.passages)) for one in reply.citations} if shown else set()
    others = [one for one in reply.passages if _place(one) not in held]
    if shown:
        st.markdown(f"**{words('sources')}**")
        with st.container(gap="xxsmall", key=f"sources_{at}"):
            for passage in shown:
                _show_source(turn, passage, Opened(turn, "cited", passage.n), at, state, words)
    if others:
        title = "nearest_sources" if reply.refused else "other_sources"
        with st.expander(words(title, n=len(others))):
            for passage in others:
                # No mark leads here, so it bears no number.
                one = replace(passage, n=0)
                _show_source(turn, one, Opened(turn, "other", passage.n), at, state, words)


def _show_source(
    turn: Turn, passage: Passage, opened: Opened, at: int, state: Chat, words: Words
) -> None:
    mark = f"**\\[{passage.n}\\]** " if passage.n else ""
    st.button(
        f"{mark}{plain_markdown(place_text(passage, words), 160)}",
        key=f"{'source' if passage.n else 'other'}_{at}_{opened.n}",
        type="tertiary",
        icon=":material/description:",
        on_click=_toggle,
        args=(state, opened),
    )
    for warning in passage.warnings:
        told = plain_markdown(warning_text(warning, words), 300)
        st.caption(f":material/warning: {words('warned', warning=told)}")


def _place(passage: Passage) -> tuple[str, int, int]:
    return passage.document_id, passage.start, passage.end


def _toggle(state: Chat, opened: Opened) -> None:
    state.opened = None if state.opened == opened else opened


def _close(state: Chat) -> None:
    state.opened = None


def _show_refusal(
    turn: Turn, reply: Reply, at: int, collections: list[Collection], words: Words
) -> None:
    """Say that there is no answer, what was looked at, and what to do next."""
    trace = reply.trace or {}
    told = [refused_text(trace, words), *looked_at(reply, session().collection, words)]
    st.info("\n\n".join(told), icon=":material/search_off:")
    others = [one for one in collections if one.name != session().collection and one.n_documents]
    with st.container(horizontal=True, vertical_alignment="center"):
        if others:
            is_looking = st.button(
                words("look_elsewhere"), key=f"elsewhere_{at}", icon=":material/manage_search:"
            )
        documents = st.session_state.get("documents_page")
        if documents is not None:
            st.page_link(documents, label=words("go_to_documents"), icon=":material/upload_file:")
    held: dict[str, list[tuple[str, Passage]]] = st.session_state.setdefault("ask_elsewhere", {})
    key = f"{turn.question}\0{at}"
    if others and is_looking:
        try:
            held[key] = _nearest(turn.question, others)
        except UiError as error:
            st.error(error_text(error, words))
    if key in held:
        _show_elsewhere(held[key], turn, at, words)


def looked_at(reply: Reply, collection: str, words: Words) -> list[str]:
    """Say in Markdown what was searched for, and in how much."""
    trace: Json = reply.trace or {}
    rewritten = mapping(trace, "rewritten")
    searched = str(rewritten.get("keywords") or rewritten.get("standalone") or "")
    n_files = len({one.document_id for one in reply.passages})
    told = []
    if searched:
        told.append(words("refused_words", words=plain_markdown(searched, 200)))
    if n_files:
        files = words("refused_file" if n_files == 1 else "refused_files", n=n_files)
        name = plain_markdown(collection, 60)
        n = len(reply.passages)
        told.append(words("refused_looked", n=n, files=files, collection=name))
    return told


def _nearest(question: str, others: list[Collection]) -> list[tuple[str, Passage]]:
    with AskClient(api_url(), token()) as client:
        found = [(one.name, client.nearest(question, one.name)) for one in others[:_MAX_OTHERS]]
    return [(name, passage) for name, passage in found if passage is not None]


def _show_elsewhere(found: list[tuple[str, Passage]], turn: Turn, at: int, words: Words) -> None:
    if not found:
        st.caption(words("elsewhere_nothing"))
    for n, (name, passage) in enumerate(found):
        with st.container(border=True):
            quote = clip(" ".join(passage.text.split()), 240)
            st.html(
                f'<div class="q-muted">{plain_html(file_name(passage.path), 120)}</div>'
                f'<div class="q-text">{plain_html(quote)}</div>'
            )
            st.button(
                words("ask_there", collection=plain_markdown(name, 60)),
                key=f"there_{at}_{n}",
                icon=":material/arrow_forward:",
                on_click=_ask_there,
                args=(turn.question, name),
            )


def _ask_there(question: str, collection: str) -> None:
    session().collection = collection
    chat().turns.append(Turn(question))


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
