"""What front ends ask about a conversation, in Open WebUI's words."""

import json

import pytest

from app.kb_chores import MAX_TITLE, chore

HISTORY = (
    "### Chat History:\n<chat_history>\nUSER: How tall is the lighthouse\nof Quarrel Bay?\n"
    "ASSISTANT: It is 42.5 metres tall [1].\nUSER: And its colour?\n</chat_history>"
)


def asked(task, wanted, history=HISTORY):
    return f"### Task:\n{task}\n### Guidelines:\n- Be brief.\n### Output:\n{wanted}\n{history}"


@pytest.mark.parametrize(
    ("task", "wanted", "expected"),
    [
        (
            "Generate a concise, 3-5 word title with an emoji summarizing the chat history.",
            'JSON format: { "title": "your concise title here" }\n### Examples:\n'
            '- { "title": "📉 Stock Market Trends" }',
            {"title": "How tall is the lighthouse of Quarrel Bay?"},
        ),
        (
            "Generate 1-3 broad tags categorizing the main themes of the chat history.",
            'JSON format: { "tags": ["tag1", "tag2", "tag3"] }',
            {"tags": []},
        ),
        (
            "Suggest 3-5 relevant follow-up questions or prompts.",
            'JSON format: { "follow_ups": ["Question 1?", "Question 2?"] }',
            {"follow_ups": []},
        ),
        (
            "Analyze the chat history to determine the necessity of generating search queries.",
            '- Respond strictly with: { \\"queries\\": [\\"query1\\"] }',
            {"queries": []},
        ),
        ("You are an autocompletion system.", '{ "text": "<your_completion>" }', {"text": ""}),
    ],
    ids=["title", "tags", "follow-ups", "queries", "autocompletion"],
)
def test_a_chore_is_done_without_a_model(task, wanted, expected):
    assert json.loads(chore(asked(task, wanted))) == expected


def test_a_long_first_question_is_cut():
    text = chore(
        asked("Title.", '{ "title": "x" }', f"<chat_history>USER: {'ab ' * 99}</chat_history>")
    )

    title = json.loads(text)["title"]
    assert len(title) <= MAX_TITLE
    assert title.endswith("…")


@pytest.mark.parametrize(
    "message",
    [
        "How tall is the lighthouse?",
        "### Task:\nRespond to the user query using the provided context.",
        "What does the file say after ### Task: and <chat_history></chat_history>?",
        'What is {"title": "x"}?',
        "",
    ],
)
def test_a_question_is_none(message):
    assert chore(message) is None
