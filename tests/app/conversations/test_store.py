"""What is written is found, bounded, and gone when it is deleted."""

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.conversations import limits, schema
from app.conversations import store as stores
from app.conversations.errors import (
    ConversationFullError,
    ConversationNotFoundError,
    TitleError,
    TooLongError,
)
from app.conversations.export import from_json, to_json
from app.conversations.store import Conversations
from app.conversations.types import Message
from app.query.types import Turn
from ingest.errors import IngestError
from tests.app.conversations.conftest import TIME, answer, cited, question


def titles(page):
    return [one.title for one in page.summaries]


def bytes_of(path):
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


def test_what_was_said_is_read_back_after_the_file_was_closed(store, path, texts):
    one = store.create()
    said = (question(), answer(trace={"timings": {"pack": 0.5}, "ranks": [1, 2]}))
    store.append(one.id, said)
    store.close()

    again = Conversations(path, texts.shelf())

    found = again.get(one.id)
    again.close()
    assert found.messages == said
    assert (found.title, found.collection) == ("When was the harbour opened?", "default")


def test_the_first_question_names_a_conversation_and_a_given_title_stays(store):
    plain, named = store.create(), store.create("My title")
    for one in (plain, named):
        store.append(one.id, [question("What is tea?\nReally"), answer()])
        store.append(one.id, [question("And coffee?"), answer()])

    assert store.summary(plain.id).title == "What is tea?"
    assert store.summary(named.id).title == "My title"
    assert store.rename(plain.id, " A\n new  title ").title == "A new title"
    assert store.get(plain.id).title == "A new title"


def test_the_last_used_conversation_comes_first_and_pages_meet(store):
    ids = [store.create(f"talk {n}").id for n in range(7)]
    store.append(ids[2], [question(), answer()])

    seen, before = [], ""
    while True:
        page = store.page(limit=3, before=before)
        seen += titles(page)
        if not (before := page.next):
            break

    assert seen == [f"talk {n}" for n in (2, 6, 5, 4, 3, 1, 0)]


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "0", "१"])
def test_a_place_that_no_page_gave_is_no_error(store, before):
    store.create("talk")

    assert len(store.page(before=before).summaries) <= 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lighthouse", ["Harbour"]),
        ("Lighthouses", ["Harbour"]),  # stemmed
        ("harbour", ["Harbour"]),  # the title
        ("lighthouse harbour", ["Harbour"]),  # a word of a message, one of the title
        ("the", ["地铁", "Tea", "Harbour"]),  # too common to be left out: any that holds it
        ("轨道交通", ["地铁"]),
        ("开通", ["地铁"]),
        ("地", ["地铁"]),  # one character
        ("tea 轨道", ["地铁", "Tea"]),  # none holds both
        ("ＴＥＡ", ["Tea"]),  # full width
        ("xyzzy", []),
        ("?!", []),
        ('" OR "* NEAR(', []),
        ("  ", ["地铁", "Tea", "Harbour"]),
    ],
)
def test_search_finds_words_of_titles_and_messages_in_both_languages(store, query, expected):
    said = {
        "Harbour": ("How tall is the lighthouse?", "It is 42.5 metres tall."),
        "Tea": ("Where does the green leaf grow?", "On the hills."),
        "地铁": ("上海轨道交通16号线什么时候开通？the", "于2013年12月29日开通。"),
    }
    for title, (asked, told) in said.items():
        one = store.create(title)
        store.append(one.id, [question(asked), answer(told)])

    assert titles(store.page(query)) == expected


def test_search_is_paged_too(store):
    for n in range(5):
        store.create(f"tea {n}")
        store.create(f"coffee {n}")

    first = store.page("tea", limit=3)
    second = store.page("tea", limit=3, before=first.next)

    assert titles(first) + titles(second) == [f"tea {n}" for n in (4, 3, 2, 1, 0)]
    assert second.next == ""


def test_a_renamed_conversation_is_found_by_its_new_title_only(store):
    one = store.create("gooseberry")
    store.rename(one.id, "blackcurrant")

    assert titles(store.page("blackcurrant")) == ["blackcurrant"]
    assert titles(store.page("gooseberry")) == []


@pytest.mark.parametrize("title", ["", " \n", "\u200b\u202e", "\u200d", "\x00"])
def test_a_title_must_show_something(store, title):
    one = store.create()

    with pytest.raises(TitleError):
        store.rename(one.id, title)


@pytest.mark.parametrize(
    "title",
    [
        "'; DROP TABLE messages; --",
        "../../etc/passwd",
        "<b>x</b>",
        "💥" * 200,
        "\ud800half",
        "a\x00b",
    ],
)
def test_any_other_title_is_kept(store, title):
    one = store.create(title)

    assert store.get(one.id).title
    assert len(store.get(one.id).title) <= limits.MAX_GIVEN_TITLE


@pytest.mark.parametrize(
    "action",
    [
        lambda store, one: store.get(one),
        lambda store, one: store.summary(one),
        lambda store, one: store.history(one),
        lambda store, one: store.rename(one, "x"),
        lambda store, one: store.delete(one),
        lambda store, one: store.append(one, [question()]),
        lambda store, one: store.check_room(one),
    ],
)
def test_an_unknown_conversation_is_named(store, action):
    for one in ("", "nobody", "\ud800", "x" * 10_000):
        with pytest.raises(ConversationNotFoundError):
            action(store, one)


@pytest.mark.parametrize(
    "message",
    [
        question("x" * (limits.MAX_TEXT + 1)),
        answer("x", *[cited()] * (limits.MAX_PARTS + 1)),
        answer("x", cited(text="x" * (limits.MAX_QUOTE + 1))),
        answer("x", cited(path="x" * (limits.MAX_NAME + 1))),
        answer("x", cited(warnings=("x",) * (limits.MAX_PARTS + 1))),
        answer("x", trace={"x": "x" * limits.MAX_TRACE}),
    ],
)
def test_what_is_too_long_is_refused_and_nothing_of_it_is_kept(store, message):
    one = store.create()

    with pytest.raises(TooLongError, match="limit is"):
        store.append(one.id, [question(), message])

    assert store.get(one.id).messages == ()
    with pytest.raises(TooLongError):
        store.create("x" * (limits.MAX_GIVEN_TITLE + 1))


def test_a_conversation_of_500_turns_is_kept_searched_and_exported(store):
    one = store.create()
    for n in range(500):
        store.append(one.id, [question(f"Question {n}?"), answer(f"Answer zq{n}z [1].")])

    found = store.get(one.id)

    assert len(found.messages) == store.summary(one.id).n_messages == 1000
    assert found.messages[998].text == "Question 499?"
    assert titles(store.page("zq317z")) == ["Question 0?"]
    assert len(store.history(one.id)) == stores.MAX_HISTORY
    assert store.history(one.id)[-1] == Turn("assistant", "Answer zq499z [1].")
    assert from_json(to_json(found)) == found


def test_a_full_conversation_says_so(store, monkeypatch):
    monkeypatch.setattr(limits, "MAX_MESSAGES", 4)
    one = store.create()
    store.append(one.id, [question(), answer(), question()])

    for action in (
        lambda: store.check_room(one.id),
        lambda: store.append(one.id, [question(), answer()]),
        lambda: store.restore(replace(one, messages=(question(),) * 5)),
    ):
        with pytest.raises(ConversationFullError, match="at most 4 fit"):
            action()
    assert len(store.get(one.id).messages) == 3


def test_the_number_of_conversations_is_limited(store, monkeypatch):
    monkeypatch.setattr(stores, "MAX_CONVERSATIONS", 2)
    store.create()
    store.create()

    with pytest.raises(ConversationFullError, match="limit is 2"):
        store.create()


def test_an_export_is_restored_under_a_new_id(store):
    one = store.create("Tea", "work")
    store.append(one.id, [question(), answer()])
    before = store.get(one.id)

    new = store.restore(from_json(to_json(before)))

    found = store.get(new.id)
    assert found.id != before.id
    assert replace(found, id=before.id) == before
    assert len(store.page("harbour").summaries) == 2


def test_history_leaves_out_what_was_broken_off_before_it_said_anything(store):
    one = store.create()
    store.append(one.id, [question("A?"), answer("A.")])
    store.append(one.id, [question("B?"), Message("assistant", "", TIME, "broken_off")])
    store.append(one.id, [question("C?"), answer("Half.", mode="broken_off")])

    assert [turn.content for turn in store.history(one.id)] == ["A?", "A.", "C?", "Half."]


def test_a_question_asked_again_after_its_answer_broke_off_stands_once(store):
    one = store.create()
    store.append(one.id, [question("A?"), answer("Brokenhalf.", mode="broken_off")])
    store.append(one.id, [question("B?"), answer("Brokenhalf.", mode="broken_off")])
    store.append(one.id, [question("B?"), answer("Whole.")])
    store.append(one.id, [question("B?"), answer("Again whole.")])

    told = [message.text for message in store.get(one.id).messages]
    assert told == ["A?", "Brokenhalf.", "B?", "Whole.", "B?", "Again whole."]
    assert store.page("whole").summaries

    store.append(one.id, [question("C?"), answer("Onlyhere.", mode="broken_off")])
    store.append(one.id, [question("C?"), answer("Yes.")])
    assert not store.page("onlyhere").summaries  # nor is it found any more


def test_a_question_asked_again_and_again_stands_once_when_it_is_answered(store):
    one = store.create()
    store.append(one.id, [question("A?"), answer("A.")])
    for _ in range(3):
        store.finish(store.begin(one.id, question("B?")), answer("Half.", mode="broken_off"))
    again = store.begin(one.id, question("B?"))
    assert [one.mode for one in store.get(one.id).messages[1::2]] == [
        "generated", "broken_off", "pending",
    ]  # fmt: skip

    assert store.finish(again, answer("Whole."))

    assert [one.text for one in store.get(one.id).messages] == ["A?", "A.", "B?", "Whole."]
    assert not store.page("half").summaries


def test_an_answer_under_way_is_imported_as_broken_off(store):
    one = store.create()
    store.begin(one.id, question())

    new = store.restore(from_json(to_json(store.get(one.id))))

    assert [one.mode for one in store.get(new.id).messages] == ["", "broken_off"]


def test_an_answer_whose_conversation_was_deleted_meanwhile_is_kept_nowhere(store):
    one = store.create()
    begun = store.begin(one.id, question())
    store.delete(one.id)

    assert not store.finish(begun, answer())


def test_deletion_leaves_no_bytes_in_any_file(store, path):
    kept, gone = store.create("kept"), store.create("canarytitle")
    canaries = [b"canarytitle", b"canaryquestion", b"canaryquote", b"canarypath", "金丝雀".encode()]
    for n in range(40):
        store.append(kept.id, [question(f"Keep {n}?"), answer("x " * n)])
        span = cited(text="canaryquote " * 400, path="canarypath.md")
        store.append(gone.id, [question("canaryquestion 金丝雀"), answer(f"y{n} [1].", span)])
    assert all(canary in bytes_of(path) for canary in canaries)

    store.delete(gone.id)

    assert [canary for canary in canaries if canary in bytes_of(path)] == []
    assert len(store.get(kept.id).messages) == 80
    with pytest.raises(ConversationNotFoundError):
        store.get(gone.id)


def test_deletion_among_many_leaves_no_bytes(store, path):
    """Rows of different lengths make SQLite move others about within its pages."""
    dice = random.Random(7)
    ids = {n: store.create(f"canary{n}x").id for n in range(30)}
    for _ in range(300):
        n = dice.randrange(30)
        text = f"canary{n}x word{dice.randrange(99)} " * dice.randrange(1, 60)
        store.append(ids[n], [question(text), answer(text)])

    for n in dice.sample(range(30), 12):
        store.delete(ids.pop(n))
        assert f"canary{n}x".encode() not in bytes_of(path)

    assert all(f"canary{n}x".encode() in bytes_of(path) for n in ids)


def test_a_deletion_that_a_crash_cut_off_is_finished_at_the_next_start(
    store, path, texts, monkeypatch
):
    one = store.create("canarytitle")
    store.append(one.id, [question("canarytext"), answer()])
    monkeypatch.setattr(Conversations, "_sweep", lambda self: None)
    store.delete(one.id)
    store.close()
    assert b"canary" in bytes_of(path)
    monkeypatch.undo()

    Conversations(path, texts.shelf()).close()

    assert b"canary" not in bytes_of(path)


def test_the_index_is_made_anew_when_words_are_cut_in_another_way(store, path, texts, monkeypatch):
    one = store.create("Harbour 地铁")
    store.append(one.id, [question("lighthouse"), answer()])
    store.close()
    monkeypatch.setattr(schema, "LEXICAL_VERSION", 999)

    again = Conversations(path, texts.shelf())

    for query in ("lighthouse", "harbour", "地铁"):
        assert len(again.page(query).summaries) == 1
    again.close()


def test_threads_write_at_once_and_nothing_is_lost_or_mixed(store):
    shared = store.create("shared")

    def write(writer):
        own = store.create(f"own {writer}")
        for n in range(15):
            pair = [question(f"{writer}-{n}?"), answer(f"{writer}-{n}.")]
            store.append(shared.id, pair)
            store.append(own.id, pair)
            store.page("harbour")
        if writer % 2:
            store.delete(own.id)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))  # raises what a thread raised

    texts = [one.text for one in store.get(shared.id).messages]
    assert len(texts) == 180
    for asked, told in zip(texts[::2], texts[1::2], strict=True):
        assert asked.rstrip("?") == told.rstrip(".")  # a question and its answer stay together
    for writer in range(6):
        mine = [text for text in texts[::2] if text.startswith(f"{writer}-")]
        assert mine == [f"{writer}-{n}?" for n in range(15)]
    assert len(store.page().summaries) == 4


def test_a_file_that_is_none_of_conversations_is_refused_by_name(path, texts):
    path.write_bytes(b"this is no database" * 100)

    with pytest.raises(IngestError, match=path.name):
        Conversations(path, texts.shelf())


def test_a_file_of_a_newer_version_is_left_alone(store, path, texts):
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()

    with pytest.raises(IngestError, match="update the program"):
        Conversations(path, texts.shelf())
