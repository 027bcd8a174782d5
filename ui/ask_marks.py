"""An answer as HTML, each citation mark a button that opens its source; pure.

Everything foreign is escaped here. What Streamlit draws as HTML cannot call back: a click on a mark
is passed on by assets/quire.js to the source's own button, which the mark names.
"""

from __future__ import annotations

from collections.abc import Mapping

from ui.format import place_text, plain_html
from ui.marks import (
    MAX_ANSWER,
    SYMBOLS,
    gaps,
    marked_html,
    plain_answer_html,
    reason_text,
    sources_of,
    state_of,
    without_marks,
)
from ui.shapes import Reply, Sentence
from ui.words import Words

_MAX_TITLE = 300


def answer_html(reply: Reply, opens: str, words: Words) -> str:
    """Show an answer sentence by sentence, with citation marks and states of support.

    Args:
        opens: how the keys of the buttons begin that open its sources; the number follows.
    """
    if not reply.sentences:
        return plain_answer_html(reply.answer)
    places = {one.n: place_text(one, words) for one in sources_of(reply)}
    parts, n_shown = [], 0
    for gap, sentence in zip(gaps(reply), reply.sentences, strict=True):
        n_shown += len(sentence.text)
        if n_shown > MAX_ANSWER:
            parts.append(f' <span class="q-muted">{plain_html(words("cut"))}</span>')
            break
        text = without_marks(sentence.text).strip()
        shown = marked_html(text, state_of(sentence), sentence)
        parts.append(f"{plain_html(gap)}{shown}{_marks(sentence, places, opens, words)}")
    return f'<div class="q-text q-answer">{"".join(parts)}</div>'


def opened_style(key: str) -> str:
    """Return the style that shows whose source is open: the answer itself stays as it is drawn.

    Args:
        key: of the button that opened it.
    """
    mark = f'.q-cite[data-open="{plain_html(key)}"]'
    return f"<style>{mark} {{ background: #2b8a6e; color: #fff; }}</style>"


def _marks(sentence: Sentence, places: Mapping[int, str], opens: str, words: Words) -> str:
    state, says = state_of(sentence), reason_text(sentence, words)
    kind = f"q-cite q-c-{state}"
    marks = []
    for n in sentence.citations:
        title = plain_html(f"{places.get(n, str(n))}: {says}", _MAX_TITLE)
        if n in places:
            label = plain_html(words("open_source", n=n))
            marks.append(
                f'<button type="button" class="{kind}" data-open="{plain_html(opens)}{n}" '
                f'title="{title}" aria-label="{label}">{n}</button>'
            )
        else:  # nothing to open
            marks.append(f'<span class="{kind}" title="{title}">{n}</span>')
    if state == "not_found" or not marks:
        title = plain_html(says, _MAX_TITLE)
        marks.append(f'<span class="{kind}" title="{title}">{SYMBOLS[state]}</span>')
    return "".join(marks)
