"""The page where documents are asked: a conversation whose answers name their sources."""

from __future__ import annotations

import time

import streamlit as st

from ui.ask_client import AskClient
from ui.ask_shapes import clean_question
from ui.ask_state import Chat, Files, Turn, chat, question_under_way, under_way
from ui.errors import RefusedError, UiError
from ui.format import error_text, plain_markdown
from ui.login import may, show_rights
from ui.marks import plain_answer_html, streaming_html
from ui.shapes import (
    Collection,
    Sentence,
    Status,
    mapping,
    passages_from,
    reply_from,
    sentence_from,
)
from ui.state import api_url, session, token
from ui.stream import Event
from ui.views.answers import show_answer
from ui.views.conversations import open_conversation, show_conversations
from ui.views.files import read_files, show_files
from ui.widgets import choose_collection, nothing, pick_collection, show_error, show_notices
from ui.words import Words

_REDRAW_S = 0.05  # a browser gains nothing from more than twenty updates a second
_MAX_QUESTION = 4_000  # characters, as the server has it
_MAX_TYPED = 200_000  # characters; what is too long is given back, not cut off unseen
_MAX_FILES = 100  # dropped at once
_NOT_FOUND = 404
_MAX_PARTS = 2  # of a stopped answer: what was checked, and the offer to ask again
_LOOK_S = 1.0  # between two looks at whether another tab has its answer


def show() -> None:
    """Draw the page."""
    state = chat()
    words = session().words
    st.html(_STYLE)
    st.title(words("ask_title"), anchor=False)
    if not may("ask"):
        show_rights(words)
        return
    try:
        _open_named(state)
        with AskClient(api_url(), token()) as client:
            status, collections = client.status(), client.collections()
            models = client.chat_models()
    except UiError as error:
        show_error(error, words, key="retry_status", retry=nothing)
        return
    collection = choose_collection(session(), collections)
    _take_input(state, collection, words)
    _remember(state, collection)
    show_conversations(words)
    _choices(state, collections, models, status, words)
    with st.container():  # what comes and goes in it does not move the answers
        show_notices(status.notices, words)
        if state.notice:
            st.warning(words(state.notice), icon=":material/info:")
            state.notice = ""
        if state.failed is not None:
            st.error(error_text(state.failed, words), icon=":material/error:")
            state.failed = None
    if not state.turns:
        _invite(collections, collection, words)
    for at, turn in enumerate(list(state.turns)):
        _show_turn(turn, at, state, collections, words)
    _look_elsewhere(state, words)
    if state.too_long:
        _give_back(state.too_long, words)


def _give_back(typed: str, words: Words) -> None:
    """Show what is too long to be asked, so that it can be copied: the field is empty by now."""
    n, most = f"{len(typed):,}", f"{_MAX_QUESTION:,}"
    st.warning(words("question_long", n=n, most=most), icon=":material/info:")
    st.code(typed, language=None, wrap_lines=True, height=160)


def _open_named(state: Chat) -> None:
    """Open what the address names: it outlives a reload, and is what a bookmark holds."""
    named = st.query_params.get("c", "")
    if named and named != state.in_url:
        state.in_url = named
        if named != state.id:
            open_conversation(named)
    if "m" in st.query_params and not state.model and not state.turns:
        state.model = st.query_params["m"]
    asked = st.query_params.get("k", "")
    if asked and not named and not state.in_url and "ask_seen" not in st.session_state:
        session().collection = asked
    st.session_state["ask_seen"] = True


def _remember(state: Chat, collection: str) -> None:
    """Let the address name what is shown."""
    wanted = {"c": state.id, "k": collection, "m": state.model}
    for name, value in wanted.items():
        if value and st.query_params.get(name) != value:
            st.query_params[name] = value
        elif not value and name in st.query_params:
            del st.query_params[name]
    state.in_url = state.id


def _take_input(state: Chat, collection: str, words: Words) -> None:
    given = st.chat_input(
        words("ask_placeholder"), max_chars=_MAX_TYPED, key="question", accept_file="multiple"
    )
    state.too_long = ""
    if given is None:
        return
    question = clean_question(given.text or "")
    files = given.files[:_MAX_FILES]
    if len(question) > _MAX_QUESTION:
        state.too_long, question = question, ""
        if not files:
            return
    if files:
        names = tuple(one.name for one in files)
        dropped = Files(names, collection, content=tuple(files))
        state.turns.append(Turn(question, "reading", files=dropped))
    elif question:
        state.turns.append(Turn(question))
    else:
        st.toast(words("question_empty"))


def _choices(
    state: Chat, collections: list[Collection], models: list[str], status: Status, words: Words
) -> None:
    default = words(
        "model_default" if status.chat_model else "model_default_none", model=status.chat_model
    )
    if state.model not in models:
        state.model = ""  # it is gone, or the address named what never was there
    st.session_state["ask_model"] = state.model

    def change() -> None:
        state.model = st.session_state["ask_model"]

    left, right = st.columns(2)
    with left:
        pick_collection(collections, words, key="ask_collection")
    with right:
        st.selectbox(
            words("chat_model"),
            ["", *models],
            key="ask_model",
            format_func=lambda name: name or default,
            on_change=change,
            label_visibility="collapsed",
        )


def _invite(collections: list[Collection], collection: str, words: Words) -> None:
    held = sum(one.n_documents for one in collections if one.name == collection)
    if not held:
        st.info(words("no_documents_ask"), icon=":material/folder_open:")
        documents = st.session_state.get("documents_page")
        if documents is not None:
            st.page_link(documents, label=words("go_to_documents"), icon=":material/upload_file:")
        return
    st.caption(words("ask_hint"))
    try:
        with AskClient(api_url(), token()) as client:
            questions = client.suggestions(collection)
    except UiError:
        return  # suggestions are a courtesy: what is wrong shows when something is asked
    if not questions:
        return
    with st.container(key="suggestions", gap="xsmall"):
        st.caption(words("suggested"))
        for at, question in enumerate(questions):
            st.button(
                _label(question),
                key=f"suggestion_{at}",
                icon=":material/lightbulb:",
                on_click=lambda one=question: chat().turns.append(Turn(one)),
            )


def _label(question: str) -> str:
    return plain_markdown(question, 160)


def _show_turn(
    turn: Turn, at: int, state: Chat, collections: list[Collection], words: Words
) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        if turn.files is not None:
            show_files(turn.files, words)
        if turn.question:
            st.html(plain_answer_html(turn.question))
    if turn.outcome == "reading":
        read_files(turn, at, words)
    if not turn.question:
        return
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        slot = st.empty()
        if turn.outcome == "waiting":
            stop = st.empty()
            # A button, not Streamlit's own stop: that one draws nothing afterwards.
            stop.button(words("stop"), key=f"stop_{at}", icon=":material/stop_circle:")
            for _ in range(_MAX_PARTS):
                st.empty()  # else what was below an answer that is asked for again stays meanwhile
            _stream(turn, state, slot, words)
            stop.empty()
            st.rerun()  # the list names the conversation now, and the thumbs are there
        if turn.error is not None:
            slot.empty()
            show_error(turn.error, words, key=f"retry_{at}", retry=lambda: _again(turn))
        elif turn.reply is not None and (turn.outcome == "done" or turn.reply.sentences):
            show_answer(turn, turn.reply, at, state, collections, words)
            if turn.outcome == "stopped":
                st.caption(words("broken_off_kept"))
                _offer_again(turn, at, state, words)
        else:
            slot.html(plain_answer_html(turn.text))
            st.caption(words("stopped" if turn.text else "broken_off_nothing"))
            _offer_again(turn, at, state, words)


def _offer_again(turn: Turn, at: int, state: Chat, words: Words) -> None:
    """Offer to ask again what was stopped: in its own place, unless more was said since."""
    is_last = bool(state.turns) and state.turns[-1] is turn
    st.button(
        words("ask_again"),
        key=f"again_{at}",
        icon=":material/refresh:",
        on_click=lambda: _again(turn) if is_last else state.turns.append(Turn(turn.question)),
    )


def _again(turn: Turn) -> None:
    turn.outcome, turn.text, turn.error, turn.passages = "waiting", "", None, ()
    turn.reply = None


def _stream(turn: Turn, state: Chat, slot: st.delta_generator.DeltaGenerator, words: Words) -> None:
    """Ask, and draw the answer as it comes.

    Whoever presses a button or leaves the page ends this run at its next drawing; leaving
    the `with` then closes the connection, and with it the answer on the server.
    """
    turn.outcome = "stopped"  # what it is if this run ends in the middle
    drawing = _Drawing(slot, words)
    collection = session().collection
    try:
        with AskClient(api_url(), token()) as client:
            _begin(client, state, collection)
            with (
                under_way(state.id, turn.question),
                client.ask(
                    turn.question, collection, conversation_id=state.id, model=state.model
                ) as events,
            ):
                for event in events:
                    drawing.beat = _take(turn, event) or drawing.beat
                    if event.name == "sentence":
                        drawing.checked.append(sentence_from(mapping(event.data, "sentence")))
                    drawing.draw(turn.text)
            if turn.reply is None:
                raise RefusedError(502, "the answer broke off")
            turn.outcome = "done"
            state.take(client.record(state.id))
    except UiError as error:
        if turn.outcome != "done":  # else only the record is missing: it comes with the next one
            turn.outcome, turn.error = "failed", error


def _begin(client: AskClient, state: Chat, collection: str) -> None:
    """Make sure that the server has the conversation, and that all of it is shown here."""
    if state.id:
        try:
            state.take(client.record(state.id))
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
        else:
            return
        state.turns = [turn for turn in state.turns if turn.place < 0 and turn.outcome != "done"]
        state.opinions, state.opened, state.notice = {}, None, "chat_gone_new"
    state.id = client.begin_conversation(collection)
    _remember(state, collection)  # at once: a reload in the middle shall find it


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


def _look_elsewhere(state: Chat, words: Words) -> None:
    """Show what another tab is asking in this conversation; its answer appears by itself.

    That tab may be this one before it was reloaded: its answer ends within moments, and what was
    checked by then is on the server.
    """
    question = question_under_way(state.id) if state.id else ""
    if not question:
        return
    with st.chat_message("user", avatar=":material/person:"):
        st.html(plain_answer_html(question))
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        _wait(state, question, words)


@st.fragment(run_every=_LOOK_S)
def _wait(state: Chat, question: str, words: Words) -> None:
    if question_under_way(state.id) == question:
        st.caption(words("answered_elsewhere"))
        return
    try:
        with AskClient(api_url(), token()) as client:
            state.take(client.record(state.id))
    except UiError as error:
        show_error(error, words, key="retry_elsewhere", retry=nothing)
        return
    if not any(turn.question == question for turn in state.turns[-1:]):
        state.turns.append(Turn(question, "stopped"))
    st.rerun()


_STYLE = """<style>
.stMainBlockContainer:not(:has(.st-key-ask_aside)) { max-width: 60rem; }
[data-testid="stColumn"]:has(.st-key-ask_aside) > div { height: 100%; }
[data-testid="stLayoutWrapper"]:has(> .st-key-ask_aside) { position: sticky; top: 4rem; }
.st-key-ask_aside .q-box { max-height: 50vh; }
@media (min-width: 641px) {
  .st-key-ask_aside { max-height: calc(100vh - 11rem); overflow-y: auto; }
}
:is([class*="st-key-source_"], [class*="st-key-other_"]) button { justify-content: flex-start;
  text-align: left; }
:is([class*="st-key-source_"], [class*="st-key-other_"]) button p { text-align: left; }
.st-key-conversations button { min-height: 2rem; padding: .15rem .5rem; }
.st-key-conversations [class*="st-key-open_"] button { justify-content: flex-start; }
.st-key-conversations [class*="st-key-open_"] { min-width: 0; flex: 1 1 0; overflow: hidden; }
.st-key-conversations [class*="st-key-open_"] button :is(div, span) {
  justify-content: flex-start; min-width: 0; flex: 0 1 auto; }
.st-key-conversations [class*="st-key-open_"] button p { overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; text-align: left; }
.st-key-conversations [class*="st-key-menu_"] button svg,
.st-key-conversations [class*="st-key-menu_"] [data-testid="stIconMaterial"] { display: none; }
.st-key-suggestions button { text-align: left; justify-content: flex-start; }
.q-answer button.q-cite { border: 0; font-family: inherit; cursor: pointer; }
@media (max-width: 640px), (pointer: coarse) {
  .q-answer button.q-cite { min-width: 1.9rem !important; min-height: 1.6rem !important; }
}
.q-answer button.q-cite:hover { outline: 2px solid #2b8a6e; outline-offset: 1px; }
.q-files { display: flex; flex-wrap: wrap; gap: .4rem; }
.q-file { padding: .1rem .6rem; border-radius: .8rem; font-size: .85rem; overflow-wrap: anywhere;
  background: color-mix(in srgb, currentColor 9%, transparent); }
@media (max-width: 640px) {
  [data-testid="stChatMessage"] { padding: .6rem .2rem; gap: 0; }
  [data-testid^="stChatMessageAvatar"] { display: none; }
}
</style>"""
