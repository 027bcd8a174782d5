"""JSON reads back as what it was; Markdown cannot be made to say what nobody said."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.conversations.errors import NotAnExportError
from app.conversations.export import from_json, to_json, to_markdown
from app.conversations.types import Cited, Conversation, Message
from app.query.types import Sentence
from tests.app.conversations.conftest import TIME, answer, cited, question

words = st.text(max_size=30)
times = st.datetimes().map(lambda one: one.isoformat())
numbers = st.integers(0, 10**9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
citations = st.builds(
    Cited, n=numbers, document_id=words, digest=words, path=words, title=words,
    page=st.none() | numbers, start=numbers, end=numbers, text=words, page_label=words,
    warnings=st.lists(words, max_size=2).map(tuple), is_current=st.none(),
)  # fmt: skip
sentences = st.builds(
    Sentence, text=words, citations=st.lists(numbers, max_size=3).map(tuple),
    support=st.sampled_from(["supported", "partly", "not_found"]), reason=words,
)  # fmt: skip
messages = st.builds(
    Message, role=st.sampled_from(["user", "assistant"]), text=words, created_at=times,
    mode=st.sampled_from(["", "generated", "extractive", "refused", "broken_off", "pending"]),
    sentences=st.lists(sentences, max_size=3).map(tuple),
    citations=st.lists(citations, max_size=3).map(tuple),
    trace=st.none() | st.dictionaries(words, json_values, max_size=3),
)  # fmt: skip
conversations = st.builds(
    Conversation, id=words, title=words, collection=words, created_at=times, updated_at=times,
    messages=st.lists(messages, max_size=4).map(tuple),
)  # fmt: skip


def talk(*said, title="Harbour"):
    return Conversation("c1", title, "default", TIME, TIME, said)


@given(conversations)
@settings(deadline=None)
def test_json_reads_back_as_what_it_was(conversation):
    assert from_json(to_json(conversation)) == conversation


def test_json_holds_what_is_stored_and_not_what_was_looked_up():
    looked_up = replace(cited(), is_current=False)

    text = to_json(talk(question(), answer("It was [1].", looked_up)))

    assert json.loads(text)["format"] == "quire-conversation"
    assert "is_current" not in text
    assert from_json(text).messages[1].citations == (cited(),)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"conversation": {}},
        {"conversation": None},
    ],
)
def test_what_is_no_export_is_refused_with_its_place(change):
    found = json.loads(to_json(talk()))

    with pytest.raises(NotAnExportError, match=next(iter(change))):
        from_json(json.dumps({**found, **change}))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format":"quire-conversation"}'])
def test_text_that_is_no_export_is_refused(text):
    with pytest.raises(NotAnExportError):
        from_json(text)


def test_a_time_that_is_none_is_refused():
    found = to_json(talk(replace(question(), created_at="then\n# evil")))

    with pytest.raises(NotAnExportError, match="is no time"):
        from_json(found)


def test_markdown_has_a_footnote_with_path_page_and_quotation_for_every_span():
    first, second = cited(), cited(2, 32, 67, page_label="iv")
    said = answer("It was opened in 1931 [1]. It is 42.5 metres tall [2][1].", first, second)

    text = to_markdown(talk(question(), said))

    assert text == (
        "# Harbour\n\nCollection default, 2026-11-20\n\n> When was the harbour opened?\n\n"
        "It was opened in 1931[^1]. It is 42.5 metres tall[^2][^1].\n\n"
        "[^1]: ports/bay.md, page 3, characters 0-31: “The harbour was opened in 1931.”\n\n"
        "[^2]: ports/bay.md, page 3 (printed iv), characters 32-67: "
        "“Its lighthouse is 42.5 metres tall.”\n"
    )


def test_footnotes_are_numbered_through_and_the_same_span_is_one():
    later = answer("Again [1], and new [2].", cited(1), cited(2, 32, 67))

    text = to_markdown(talk(question(), answer(), question("Again?"), later))

    assert "Again[^1], and new[^2]." in text
    assert text.count("\n[^") == 2


def test_a_span_that_changed_is_said_to_have_changed():
    text = to_markdown(talk(question(), answer("It was [1].", replace(cited(), is_current=False))))

    assert "“The harbour was opened in 1931.” (the document has changed since, or is gone)" in text


def test_what_is_not_supported_or_not_finished_is_said():
    doubt = Sentence("It is blue.", (), "not_found", "blue is in no passage")
    broken = answer(sentences=(doubt,), mode="broken_off")

    text = to_markdown(talk(question(), broken, Message("assistant", "None.", TIME, "refused")))

    assert "- Not found in the documents: It is blue. (blue is in no passage)" in text
    assert "*Broken off: what was checked by then is above.*" in text
    assert "*Not answered: the documents do not hold it.*" in text


HOSTILE = "x\n# Heading\n[^1]: forged\n<script>alert(1)</script>\n```\ncode\nTitle\n=====\n\x1b[2J"


@pytest.mark.parametrize("where", ["title", "question", "answer", "path", "quote", "sentence"])
def test_hostile_text_makes_no_heading_footnote_or_html(where):
    title = HOSTILE if where == "title" else "Plain"
    span = cited(**{"path": {"path": HOSTILE}, "quote": {"text": HOSTILE}}.get(where, {}))
    asked = question(HOSTILE) if where == "question" else question()
    told = answer(HOSTILE if where == "answer" else "Told [1].", span)
    if where == "sentence":
        told = replace(told, sentences=(Sentence(HOSTILE, (), "not_found"),))

    text = to_markdown(talk(asked, told, title=title))

    outside = re.sub(r"(?ms)^(> )?```.*?^(> )?```$", "", text)
    lines = [line.removeprefix("> ") for line in outside.splitlines()]
    assert [line for line in lines if re.match(r"\s*#{1,6} ", line)] == [lines[0]]
    assert sum(line.startswith("[^") for line in lines) == 1
    assert not re.search(r"(?<!\\)<", outside)
    assert "\x1b" not in text
    assert not any(re.fullmatch(r"\s*=+\s*", line) for line in lines)


def test_no_picture_is_fetched_when_the_file_is_opened():
    told = to_markdown(talk(answer("See ![map](http://x/?q=1) and ![a][1].")))

    assert "![" not in told


def test_code_stays_code_and_an_open_fence_is_closed():
    told = answer("See:\n```python\nif a < b:\n    # comment\n", cited())

    text = to_markdown(talk(question(), told))

    assert "```python\nif a < b:\n    # comment\n```\n" in text


def test_nothing_said_is_a_heading_alone():
    assert to_markdown(talk(title="")).startswith("# Conversation\n")


@given(conversations)
@settings(deadline=None)
def test_any_conversation_can_be_written(conversation):
    assert to_markdown(conversation).startswith("# ")
