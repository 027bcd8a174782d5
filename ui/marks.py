"""Answers, passages and documents as HTML with their spans marked; pure.

Everything foreign is escaped here; offsets count characters, as everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ui.format import plain_html
from ui.shapes import Citation, Passage, Reply, Sentence
from ui.words import TABLE, Words

AROUND = 400  # characters shown before and after a passage
MAX_ANSWER = 20_000  # characters of an answer that are shown
# What indexes something, as code does, is kept: items[1] is no citation mark.
_MARK = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*(?:\[\d+\])+)|[ \t]*\[\d+(?:\s*[,，、]\s*\d+)*\]")
_CJK_END = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]$")
SYMBOLS: Mapping[str, str] = {"supported": "✓", "partly": "~", "not_found": "?"}

STYLE = """<style>
.stMainBlockContainer { padding-top: 3.5rem; }
[data-testid="stFileUploaderDropzoneInstructions"] { display: none; }
.st-key-add_files [data-testid="stFileUploaderDropzone"] button p { font-size: 0; }
.st-key-add_files [data-testid="stFileUploaderDropzone"] button p::after { font-size: 1rem; }
.q-text { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.65;
  unicode-bidi: plaintext; }
.q-muted { opacity: .65; font-size: .85rem; }
.q-partly { text-decoration: underline dotted #d08700 2px; text-underline-offset: 4px; }
.q-not_found { text-decoration: underline dashed #d64545 2px; text-underline-offset: 4px; }
.q-cite { display: inline-block; min-width: 1.25em; padding: 0 .3em; margin: 0 .1em 0 .25em;
  border-radius: .6em; font-size: .72em; line-height: 1.5; text-align: center; font-weight: 600;
  vertical-align: .2em; cursor: help; text-decoration: none;
  color: inherit; background: color-mix(in srgb, #2b8a6e 28%, transparent); }
.q-cite.q-c-partly { background: color-mix(in srgb, #d08700 34%, transparent); }
.q-cite.q-c-not_found { background: color-mix(in srgb, #d64545 34%, transparent); }
.q-cursor { display: inline-block; width: .5em; height: 1.05em; vertical-align: -.15em;
  background: currentColor; opacity: .45; animation: q-blink 1s steps(2) infinite; }
@keyframes q-blink { 50% { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .q-cursor { animation: none; } }
.q-box { max-height: 58vh; overflow-y: auto; padding: .9rem 1.1rem; border-radius: .6rem;
  border: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.q-table { border-collapse: collapse; font-size: .85rem; margin-bottom: .6rem; }
.q-table th, .q-table td { padding: .15rem .7rem .15rem 0; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; border: 0; }
.q-table th { font-weight: 600; opacity: .75; white-space: nowrap; }
.q-ranks td { opacity: .7; white-space: nowrap; }
.q-ranks td:last-child { white-space: normal; }
.q-ranks .q-used td { opacity: 1; }
.q-reasons { overflow-wrap: anywhere; line-height: 1.65; }
.q-around { opacity: .6; }
.q-passage { border-radius: .25rem; background: color-mix(in srgb, currentColor 6%, transparent); }
.q-box mark, .q-text mark { color: inherit; border-radius: .2rem; padding: .08em 0;
  background: color-mix(in srgb, #f5b800 48%, transparent); }
.q-chunk { background: color-mix(in srgb, #2b8a6e 13%, transparent); border-radius: .2rem; }
.q-chunk.q-odd { background: color-mix(in srgb, #4a7bd0 15%, transparent); }
.q-chunk.q-shared { background: color-mix(in srgb, #8a6bd0 26%, transparent); }
</style>"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that lies in the same spans from its start to its end."""

    start: int
    end: int
    inside: tuple[int, ...]  # indices of the spans that cover it


def cut(spans: Sequence[tuple[int, int]], start: int, end: int) -> list[Piece]:
    """Cut `start:end` wherever a span begins or ends; the pieces follow without a gap."""
    inner = {edge for span in spans for edge in span if start < edge < end}
    edges = sorted({start, end} | inner)
    return [
        Piece(a, b, tuple(i for i, (s, e) in enumerate(spans) if s <= a and b <= e))
        for a, b in zip(edges, edges[1:], strict=False)
    ]


def source_html(
    text: str, passage: tuple[int, int], cited: Sequence[tuple[int, int]], words: Words
) -> str:
    """Show a passage in its surroundings with the cited spans marked.

    What stands far before the first cited span is folded, so that the span is in view.

    Args:
        text: the document's whole text.
    """
    first, last = max(0, passage[0] - AROUND), min(len(text), passage[1] + AROUND)
    opening = max(first, min((start for start, _ in cited), default=first) - AROUND)
    opening = opening if opening - first > AROUND else first
    earlier: list[str] = []
    shown = ["…" if opening == first > 0 else ""]
    # The empty span at the opening only cuts there.
    for piece in cut([passage, *cited, (opening, opening)], first, last):
        part = plain_html(text[piece.start : piece.end])
        if any(i > 0 for i in piece.inside):
            part = f"<mark>{part}</mark>"
        kind = "q-passage" if 0 in piece.inside else "q-around"
        (earlier if piece.end <= opening else shown).append(f'<span class="{kind}">{part}</span>')
    shown.append("…" if last < len(text) else "")
    folded = ""
    if earlier:
        summary = f'<summary class="q-muted">{plain_html(words("earlier"))}</summary>'
        folded = f"<details>{summary}{''.join(earlier)}</details>"
    return f'<div class="q-box q-text">{folded}{"".join(shown)}</div>'


def streaming_html(text: str, checked: Iterable[Sentence] = ()) -> str:
    """Show an answer that is still being written; sentences that did not hold are marked."""
    shown, at = "", 0
    for sentence in checked:
        where = text.find(sentence.text, at) if sentence.text else -1
        if where >= 0 and where + len(sentence.text) <= MAX_ANSWER:
            state, end = state_of(sentence), where + len(sentence.text)
            shown += f"{plain_html(text[at:where])}{marked_html(text[where:end], state, sentence)}"
            at = end
    rest = plain_html(text[at:], max(0, MAX_ANSWER - at))
    return f'<div class="q-text">{shown}{rest}<span class="q-cursor"></span></div>'


def reasons_html(sentences: Iterable[Sentence], words: Words) -> str:
    """List the sentences that did not hold, each with the reason."""
    items = "".join(
        f"<li>{marked_html(without_marks(one.text).strip(), state_of(one), one)}"
        f'<div class="q-muted">{plain_html(reason_text(one, words), 500)}</div></li>'
        for one in sentences
        if state_of(one) != "supported"
    )
    return f'<ul class="q-reasons">{items}</ul>' if items else ""


def reason_text(sentence: Sentence, words: Words) -> str:
    """Say what was found for a sentence, and why no more."""
    says = words(f"support_{state_of(sentence)}")
    return f"{says} ({sentence.reason})" if sentence.reason else says


def plain_answer_html(text: str) -> str:
    """Show an answer that was not verified."""
    return f'<div class="q-text">{plain_html(text, MAX_ANSWER)}</div>'


def without_marks(answer: str) -> str:
    """Remove the [n] marks of an answer."""
    return _MARK.sub(lambda found: found[1] or "", answer)


def gaps(reply: Reply) -> list[str]:
    """Return what stands before each sentence in the answer: spaces, line breaks, list marks.

    Sentences that do not occur in the answer word for word are set apart by a space.
    """
    answer, at, found = without_marks(reply.answer), 0, []
    previous = ""
    for sentence in reply.sentences:
        text = without_marks(sentence.text).strip()
        where = answer.find(text, at)
        if where < 0:
            found.append("" if not previous or _CJK_END.search(previous) else " ")
        else:
            found.append(answer[at:where])
            at = where + len(text)
        previous = text
    return found


def legend_html(sentences: Iterable[Sentence], words: Words) -> str:
    """Count the sentences by support, in words; empty if all are supported or none is."""
    count = dict.fromkeys(SYMBOLS, 0)
    for sentence in sentences:
        count[state_of(sentence)] += 1
    told = [
        f'<span class="q-cite q-c-{state}">{symbol}</span> {count[state]} '
        f"{plain_html(words(f'legend_{state}'))}"
        for state, symbol in SYMBOLS.items()
        if count[state]
    ]
    return f'<div class="q-muted">{" &nbsp; ".join(told)}</div>' if told else ""


def warning_text(warning: str, words: Words) -> str:
    """Word what a reader should know of a passage; of a kind unknown here, the kind itself."""
    key = f"warning_{warning}"
    return words(key) if key in TABLE else warning


def sources_of(reply: Reply) -> list[Passage]:
    """Return the passage behind each mark of an answer, under the mark's number.

    A mark counts cited spans, a passage's own number counts passages: two marks may lead to one
    passage, and the first mark to the third passage.
    """
    used = {n for sentence in reply.sentences for n in sentence.citations}
    found: dict[int, Passage] = {}
    for one in reply.citations:
        if one.n in used and one.n not in found:
            found[one.n] = replace(passage_of(one, reply.passages), n=one.n)
    return [found[n] for n in sorted(found)]


def passage_of(citation: Citation, passages: Sequence[Passage]) -> Passage:
    """Return the passage that holds a cited span; the span itself if none does."""
    for one in passages:
        if one.document_id == citation.document_id and one.start <= citation.start < one.end:
            return one
    return Passage(
        citation.n,
        citation.document_id,
        citation.path,
        page=citation.page,
        start=citation.start,
        end=citation.end,
        text=citation.text,
        page_label=citation.page_label,
        warnings=citation.warnings,
    )


def cited_spans(passage: Passage, citations: Iterable[Citation]) -> list[tuple[int, int]]:
    """Return the spans that the answer cites of one passage, each once, in order."""
    found = {
        (one.start, one.end)
        for one in citations
        if one.n == passage.n and one.document_id == passage.document_id and one.end > one.start
    }
    return sorted(found)


def windows(n_characters: int, size: int) -> list[tuple[int, int]]:
    """Cut a long text into parts of at most `size` characters; at least one part."""
    return [(at, min(at + size, n_characters)) for at in range(0, max(1, n_characters), size)]


def state_of(sentence: Sentence) -> str:
    """Tell how far a sentence is borne out; of a state unknown here, that it is not."""
    return sentence.support if sentence.support in SYMBOLS else "not_found"


def marked_html(text: str, state: str, sentence: Sentence) -> str:
    """Show the text of a sentence as what became of it when it was checked."""
    title = f' title="{plain_html(sentence.reason, 300)}"' if sentence.reason else ""
    return f'<span class="q-{state}"{title}>{plain_html(text)}</span>'
