"""Stored conversations and what is thought of their answers, read from the server's JSON; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from ui.shapes import Json, Passage, Reply, mapping, objects, reply_from

_WEEK = 7
# What steers a terminal or hides what is typed; line ends and tabs stay.
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ufff9-\ufffb]")
_HALF = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Said:
    """A stored conversation as the list shows it."""

    id: str
    title: str = ""
    collection: str = ""
    updated_at: str = ""  # ISO 8601
    n_messages: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """One question with its answer, as the server has stored them."""

    question: str
    reply: Reply
    place: int  # of the answer among the messages
    is_broken_off: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A conversation as the server has stored it."""

    said: Said
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody thinks of an answer."""

    place: int  # of the answer among the messages
    verdict: str = ""  # up, down; empty: none
    comment: str = ""
    is_missing: bool = False  # the documents do not hold what was asked
    n_cases: int = 0  # questions of the exam that it made


@dataclass(frozen=True, slots=True)
class GivenOpinion:
    """What somebody has just said of an answer."""

    verdict: str  # up or down; empty takes back what was said
    comment: str = ""
    right: Passage | None = None  # the passage that should have answered
    is_missing: bool = False  # the documents do not hold what was asked


def clean_question(text: str) -> str:
    """Take out of what was typed what nobody can see; empty if nothing is left."""
    return _HALF.sub("\ufffd", _UNSEEN.sub("", text.replace("\r\n", "\n"))).strip()


def said_from(data: Json) -> Said:
    """Read a conversation of the list."""
    n = data.get("n_messages")
    texts = {key: str(data.get(key) or "") for key in ("id", "title", "collection", "updated_at")}
    return Said(**texts, n_messages=n if isinstance(n, int) else 0)


def record_from(data: Json) -> Record:
    """Read a whole conversation: each answer with the question before it."""
    kept: list[Kept] = []
    question = ""
    for place, message in enumerate(objects(data, "messages")):
        if message.get("role") == "user":
            question = str(message.get("text") or "")
            continue
        if message.get("mode") == "pending":
            continue  # whoever asks it shows it; here it comes when it is answered
        is_broken_off = message.get("mode") == "broken_off"
        kept.append(Kept(question, _reply(message), place, is_broken_off))
        question = ""
    return Record(said_from(data), tuple(kept))


def opinions_from(data: Json) -> dict[int, Opinion]:
    """Read what is thought of the answers of a conversation, by their places."""
    found = [opinion_from(one) for one in objects(data, "feedback")]
    return {one.place: one for one in found}


def opinion_from(data: Json) -> Opinion:
    """Read what somebody thinks of an answer."""
    place, n_cases = data.get("message"), data.get("n_cases")
    return Opinion(
        place if isinstance(place, int) else -1,
        str(data.get("verdict") or ""),
        str(data.get("comment") or ""),
        data.get("is_missing") is True,
        n_cases if isinstance(n_cases, int) else 0,
    )


def chat_models(data: Json) -> list[str]:
    """Read the names of the models that can chat from what `/api/tags` tells.

    Those called kb/ are collections that other programs may chat with: no models.
    """
    found = []
    for one in objects(data, "models"):
        able = one.get("capabilities")
        if not isinstance(able, list) or "completion" in able:
            found.append(str(one.get("name") or ""))
    return [name for name in found if name and not name.startswith("kb/")]


def by_day(
    said: Sequence[Said], today: date, zone: tzinfo | None = None
) -> list[tuple[str, list[Said]]]:
    """Group conversations, in their order: today, yesterday, week, month; then by month.

    Args:
        zone: in which a day begins and ends; None: that of the times themselves.
    Returns:
        Pairs of `today`, `yesterday`, `week` or a month such as `2026-10`, and its conversations.
    """
    groups: dict[str, list[Said]] = {}
    for one in said:
        groups.setdefault(_day_of(one.updated_at, today, zone), []).append(one)
    return list(groups.items())


def _day_of(updated_at: str, today: date, zone: tzinfo | None) -> str:
    try:
        day = datetime.fromisoformat(updated_at).astimezone(zone).date()
    except (ValueError, OverflowError):
        return "earlier"
    if day >= today:
        return "today"  # also tomorrow: a clock that jumped
    if day == today - timedelta(days=1):
        return "yesterday"
    return "week" if today - day < timedelta(days=_WEEK) else day.strftime("%Y-%m")


def _reply(message: Json) -> Reply:
    """Read a stored answer; how it came about is kept in one place, its passages in numbers."""
    told = mapping(message, "trace")
    trace = dict(mapping(told, "trace"))
    if isinstance(trace.get("filters"), Mapping):
        held = mapping(trace, "filters").values()
        trace["filters"] = "; ".join(", ".join(_words(one)) for one in held if one)
    mode = str(message.get("mode") or "")
    data = {**message, "answer": message.get("text"), "mode": mode or "generated"}
    for name in ("timings", "models", "notices"):
        data[name] = told.get(name)
    if trace:
        data["trace"] = trace
    else:
        data.pop("trace", None)
    reply = reply_from(data)
    gone = {
        one.get("document_id")
        for one in objects(message, "citations")
        if one.get("is_current") is False
    }
    passages = [one for one in passages_of_trace(trace) if one.document_id not in gone]
    titles = {str(one.get("document_id")): one for one in objects(message, "citations")}
    titled = tuple(
        replace(one, title=one.title or str(titles.get(one.document_id, {}).get("title") or ""))
        for one in passages
    )
    return replace(reply, passages=titled)


def _words(found: object) -> list[str]:
    return [str(one) for one in found] if isinstance(found, list) else [str(found)]


def passages_of_trace(trace: Json) -> list[Passage]:
    """Tell from a trace where the passages stood that were looked at; they have no text."""
    found: dict[int, Passage] = {}
    for one in objects(trace, "candidates"):
        n, start, end = one.get("passage"), one.get("start"), one.get("end")
        if not isinstance(n, int) or not isinstance(start, int) or not isinstance(end, int):
            continue
        page = one.get("page")
        given = found.get(n) or Passage(
            n,
            str(one.get("document_id") or ""),
            str(one.get("path") or ""),
            str(one.get("title") or ""),
            page if isinstance(page, int) else None,
            start=start,
            end=end,
        )
        found[n] = replace(given, start=min(given.start, start), end=max(given.end, end))
    return [found[n] for n in sorted(found)]
