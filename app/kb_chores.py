"""A front end's request about a conversation → its answer, without any model; pure.

Open WebUI asks the model of a conversation for a title, for tags, for questions to ask next and for
search queries: long instructions as a user's message, with the conversation in it, and one JSON
object wanted back. Searched for in documents, such a text finds nonsense; a small model makes none
of it. So the title is the first question, and every list is empty.
"""

from __future__ import annotations

import json
import re

MAX_TITLE = 60  # characters

_BEGINNING = re.compile(r"\s*#{2,3} Task:", re.IGNORECASE)
_HISTORY = re.compile(r"<chat_history>(.*?)</chat_history>", re.DOTALL | re.IGNORECASE)
_WANTED = re.compile(r"\{\s*\\?\"(\w+)\\?\"\s*:\s*(\[|\\?\")")
_FIRST_QUESTION = re.compile(
    r"^\s*USER:\s*(.*?)(?=^\s*(?:ASSISTANT|USER):|\Z)", re.DOTALL | re.MULTILINE
)


def chore(message: str) -> str | None:
    """Answer a request about the conversation; None if the message is a question.

    Source: the prompt templates of Open WebUI (backend/open_webui/config.py).
    """
    history = _HISTORY.search(message)
    wanted = _WANTED.search(message)
    if history is None or wanted is None or not _BEGINNING.match(message):
        return None
    name, opening = wanted.groups()
    value: object = [] if opening == "[" else _title(history.group(1)) if name == "title" else ""
    return json.dumps({name: value}, ensure_ascii=False)


def _title(history: str) -> str:
    asked = _FIRST_QUESTION.search(history)
    text = " ".join((asked.group(1) if asked else history).split())
    return text if len(text) <= MAX_TITLE else f"{text[: MAX_TITLE - 1].rstrip()}…"
