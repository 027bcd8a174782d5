"""Thumbs and suggestions over HTTP, on a real server."""

from __future__ import annotations

import httpx
import pytest

TEXT = (
    "# The harbour of Quarrel Bay\n\nThe harbour of Quarrel Bay was opened in 1931. "
    "Its lighthouse is 42.5 metres tall.\n\n# How to moor a boat\n\nTie it to a ring.\n"
)
ASKED = "When was the harbour of Quarrel Bay opened?"


@pytest.fixture(scope="module")
def http(server, tmp_path_factory):
    from app.cli.waiting import wait_for_jobs

    client, _ = server
    file = tmp_path_factory.mktemp("thumbs") / "harbour.md"
    file.write_text(TEXT, encoding="utf-8")
    job = client.upload([("harbour.md", file)], "thumbs")
    assert [one.state for one in wait_for_jobs(client, iter([(job, 1)]), 1)] == ["done"]
    with httpx.Client(base_url=client.url, timeout=120, trust_env=False) as one:
        yield one


@pytest.fixture(scope="module")
def chat(http):
    """The id of a conversation with one answer."""
    made = http.post("/kb/conversations", json={"collection": "thumbs"}).json()["id"]
    asked = {"question": ASKED, "conversation_id": made, "collection": "thumbs"}
    assert http.post("/kb/query", json=asked).json()["citations"]
    return made


def give(http, chat, verdict, **more):
    return http.post(
        "/kb/feedback", json={"conversation_id": chat, "message": 1, "verdict": verdict, **more}
    )


def test_a_thumb_becomes_a_question_of_an_exam_and_can_be_taken_back(http, chat):
    up = give(http, chat, "up", comment="so it is")
    assert up.status_code == 200, up.text
    exam = http.get(f"/kb/exams/{up.json()['exam_id']}").json()
    assert (exam["collection"], exam["n_cases"]) == ("thumbs", up.json()["n_cases"])
    assert exam["cases"][0]["question"] == ASKED
    held = http.get("/kb/feedback", params={"conversation_id": chat}).json()["feedback"]
    assert [(one["message"], one["verdict"], one["comment"]) for one in held] == [
        (1, "up", "so it is")
    ]

    assert give(http, chat, "none").json()["n_cases"] == 0

    assert http.get(f"/kb/exams/{exam['id']}").status_code == 404
    found = http.get("/kb/feedback", params={"conversation_id": chat}).json()
    assert found == {"feedback": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"conversation_id": "none such"}, 404),
        ({"message": 0}, 400),
        ({"message": -1}, 400),
        ({"verdict": "sideways"}, 400),
        ({"comment": "x" * 2_001}, 400),
        ({"right": {"document_id": "gone", "start": 0, "end": 5}}, 400),
        ({"right": {"document_id": "gone", "start": 0, "end": 10**400}}, 400),
        ({"unknown": 1}, 400),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(http, chat, body, status):
    given = {"conversation_id": chat, "message": 1, "verdict": "up", **body}

    answer = http.post("/kb/feedback", json=given)

    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


def test_feedback_goes_with_its_conversation(http):
    made = http.post("/kb/conversations", json={"collection": "thumbs"}).json()["id"]
    asked = {"question": ASKED, "conversation_id": made, "collection": "thumbs"}
    http.post("/kb/query", json=asked)
    assert give(http, made, "down", comment="no").status_code == 200

    http.delete(f"/kb/conversations/{made}")

    answer = http.get("/kb/feedback", params={"conversation_id": made})
    assert answer.status_code == 404


def test_a_collection_suggests_questions_that_its_documents_answer(http):
    found = http.get("/kb/suggestions", params={"collection": "thumbs"}).json()["questions"]

    assert "When was the harbour of Quarrel Bay opened?" in found
    assert "How do I moor a boat?" in found
    again = http.get("/kb/suggestions", params={"collection": "thumbs"}).json()["questions"]
    assert again == found


def test_an_unknown_collection_suggests_nothing(http):
    assert http.get("/kb/suggestions", params={"collection": "none such"}).status_code == 404
