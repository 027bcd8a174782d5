"""Who is logged in, and the form that asks for a key; the key stays in the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from ui.client import Client
from ui.errors import RefusedError, UiError
from ui.format import error_text, plain_markdown
from ui.state import COOKIE, api_url, session, token
from ui.words import Words

_TOKEN, _WHO = "token", "who"  # in the session: what was typed, and whom the server then knew
_LEAVING = "leaving"
MAX_KEY = 500  # characters
RIGHTS = ("read", "ask", "ingest", "admin")
_MAX_NAMED = 5  # collections
State = Literal["in", "out", "unknown"]


@dataclass(frozen=True, slots=True)
class Who:
    """Whom the server takes the session for; without a name where no keys are asked for."""

    state: State
    name: str = ""
    token: str = ""  # that was asked with
    is_locked: bool = False  # the server looks at keys; else there is nothing to log out of
    scopes: frozenset[str] | None = None  # None: the server did not say; it decides each time
    collections: tuple[str, ...] | None = None  # that it is bound to; None: all

    def lacks(self, scope: str, *, is_whole: bool) -> bool:
        """Tell whether the server is sure to refuse something.

        Args:
            is_whole: it is about more than single collections.
        """
        if not self.is_locked or self.scopes is None:
            return False
        is_bound = self.collections is not None
        return (is_whole and is_bound) or not self.scopes & {scope, "admin"}


def who_from(answer: Mapping[str, object], shown: str) -> Who:
    """Read the server's answer to the question who asks."""
    scopes, bound = answer.get("scopes"), answer.get("collections")
    return Who(
        "in",
        str(answer.get("name") or ""),
        shown,
        is_locked=answer.get("is_asked") is True,
        scopes=frozenset(map(str, scopes)) if isinstance(scopes, list) else None,
        collections=tuple(map(str, bound)) if isinstance(bound, list) else None,
    )


def may(scope: str, *, is_whole: bool = False) -> bool:
    """Tell whether to offer what takes a scope: the key at hand has it, or is not known to lack it.

    Args:
        is_whole: it is about more than single collections; a bound key may not do that.
    """
    known = st.session_state.get(_WHO)
    return not isinstance(known, Who) or not known.lacks(scope, is_whole=is_whole)


def show_rights(words: Words) -> None:
    """Say what the key at hand may do and what not; nothing where it may do everything."""
    known = st.session_state.get(_WHO)
    told = rights_text(known, words) if isinstance(known, Who) else ""
    if told:
        st.info(told, icon=":material/key:")


def rights_text(who: Who, words: Words) -> str:
    """Word what a key may do and what not, in markdown; empty where it may do everything."""
    held = [one for one in RIGHTS if not who.lacks(one, is_whole=one == "admin")]
    if len(held) == len(RIGHTS):
        return ""
    between = "、" if words.language == "zh" else ", "
    can = between.join(words(f"right_{one}") for one in held)
    cannot = between.join(words(f"right_{one}") for one in RIGHTS if one not in held)
    told = words("rights", can=can, cannot=cannot) if held else words("rights_none")
    if who.collections is None:
        return told
    names = ", ".join(plain_markdown(one, 40) for one in who.collections[:_MAX_NAMED])
    more = len(who.collections) - _MAX_NAMED
    names += f", … +{more:,}" if more > 0 else ""
    return f"{told} {words('rights_bound', names=names or '–')}"


def admitted(words: Words) -> bool:
    """Tell whether the pages may be drawn; if not, the form is drawn in their place."""
    known = st.session_state.get(_WHO)
    if not isinstance(known, Who) or known.token != token() or known.state == "unknown":
        known = st.session_state[_WHO] = _ask_who(token())
    if known.state != "out":
        return True
    st.title(words("login_title"), anchor=False)
    show_form(words, key="login")
    return False


def show_form(words: Words, *, key: str, is_expired: bool = False) -> None:
    """Ask for a key; a right one draws the page anew."""
    if is_expired:
        st.warning(words("login_expired"), icon=":material/lock_clock:")
    else:
        st.markdown(words("login_explained"))
    with st.form(key, border=False, width=480):
        typed = st.text_input(
            words("login_key"), type="password", max_chars=MAX_KEY, key=f"{key}_key"
        )
        is_sent = st.form_submit_button(
            words("login_enter"), type="primary", icon=":material/login:"
        )
        st.caption(words("login_kept"))
    if is_sent:
        _enter((typed or "").strip(), words)


def forget() -> None:
    """Forget who is logged in; the server is asked anew."""
    st.session_state.pop(_WHO, None)


def show_logout(words: Words) -> None:
    """Offer to end the login; nothing where no keys are asked for."""
    known = st.session_state.get(_WHO)
    if not isinstance(known, Who) or known.state != "in" or not known.is_locked:
        return
    if known.name:
        st.caption(words("logged_in_as", name=plain_markdown(known.name, 60)))
    st.button(words("logout"), key="logout", icon=":material/logout:", on_click=_leave)


def leaving() -> bool:
    """Tell, once, that the browser is to end the login whose cookie it holds."""
    return bool(st.session_state.pop(_LEAVING, False))


def _enter(typed: str, words: Words) -> None:
    if not typed:
        st.warning(words("login_empty"))
        return
    if not typed.isascii() or not typed.isprintable():  # no header could carry it
        st.error(words("login_wrong"), icon=":material/key_off:")
        return
    try:
        with Client(api_url(), typed) as client:
            found = who_from(client.who(), typed)
            client.status()  # says no where the server does not know who we are
    except RefusedError as error:
        if error.status == 403:  # a known key that may do little; the pages say what
            found = Who("in", "", typed, is_locked=True)
        elif error.status == 401:
            st.error(words("login_wrong"), icon=":material/key_off:")
            return
        else:
            st.error(error_text(error, words))
            return
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state[_TOKEN], st.session_state[_WHO] = typed, found
    st.rerun()


def _ask_who(shown: str) -> Who:
    try:
        with Client(api_url(), shown) as client:
            return who_from(client.who(), shown)
    except RefusedError as error:
        is_out = error.status == 401
        return Who("out" if is_out else "in", "", shown, is_locked=error.status == 403)
    except UiError:
        return Who("unknown", "", shown)  # the page says that nobody answers


def _leave() -> None:
    typed = st.session_state.pop(_TOKEN, None)
    is_leaving, state = not typed and COOKIE in st.context.cookies, session()
    state.job_ids.clear()
    state.finished.clear()
    # Whoever logs in next on this page shall find nothing of what was asked or chosen here.
    for name in [one for one in st.session_state if one != "quire"]:
        del st.session_state[name]
    st.query_params.clear()
    # The cookie is the browser's: only the server's own answer takes it away.
    st.session_state[_LEAVING] = is_leaving
