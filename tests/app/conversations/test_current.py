"""A citation stays readable whatever became of its document, and tells what became of it."""

import pytest

from app.conversations.current import looked_up
from app.conversations.types import Conversation
from tests.app.conversations.conftest import TEXT, TIME, answer, cited, question


def talk(*citations):
    return Conversation(
        "c1", "t", "default", TIME, TIME, (question(), answer("x [1].", *citations))
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, True),
        (TEXT + " More was added behind it.", True),
        ("New: " + TEXT, False),  # the span lies elsewhere now
        (TEXT.replace("1931", "1932"), False),
        ("", False),
        (None, False),  # deleted
    ],
)
def test_a_citation_is_current_while_its_document_holds_the_span(texts, text, expected):
    texts.pop("d1")
    if text is not None:
        texts["d1"] = text

    (found,) = looked_up(talk(cited()), texts.shelf().text).messages[1].citations

    assert found.is_current is expected
    assert (found.text, found.path, found.page, found.digest) == (
        TEXT[:31], "ports/bay.md", 3, "digest of d1",
    )  # fmt: skip


def test_a_document_is_read_once_for_all_its_citations(texts):
    asked = []

    def text(document_id):
        asked.append(document_id)
        return texts[document_id]

    found = looked_up(talk(cited(), cited(2, 32, 67), cited(3, 0, 3)), text)

    assert asked == ["d1"]
    assert [one.is_current for one in found.messages[1].citations] == [True] * 3


def test_an_error_that_is_no_missing_document_is_not_hidden():
    def text(_):
        raise OSError("the disk is failing")

    with pytest.raises(OSError, match="failing"):
        looked_up(talk(cited()), text)
