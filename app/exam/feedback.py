"""What somebody thinks of an answer in, questions of the exam out; pure.

The questions lie in an exam of their own for each collection: the documents decide about the other
exams, people about this one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from app.conversations.types import Cited, Message
from app.exam.errors import BadCaseError
from app.exam.make import own_case
from app.exam.types import Case, Opinion, Right, Source
from app.query.words import cjk_share
from ingest.language import language_of

EXAM = "feedback"  # how the ids of these exams begin
MAX_COMMENT = 2_000  # characters
_MAX_TEXT = 20_000  # characters of a passage that should have answered
_CHINESE = 0.3  # share of CJK letters from which on a question is a Chinese one


def exam_of(collection: str) -> str:
    """Name the exam of a collection that feedback goes into."""
    return f"{EXAM}-{_digest(collection)}"


def question_of(messages: Sequence[Message], at: int) -> str:
    """Find what an answer answers, worded so that it can be asked alone.

    Raises:
        BadCaseError: there is no answer at that place.
    """
    if not 0 < at < len(messages) or messages[at].role != "assistant":
        raise BadCaseError(f"message {at} of the conversation is no answer")
    before = messages[at - 1]
    trace = messages[at].trace or {}
    rewritten = trace.get("rewritten")
    alone = rewritten.get("standalone") if isinstance(rewritten, dict) else ""
    return str(alone or before.text)


def cases_of(
    question: str,
    answer: Message,
    opinion: Opinion,
    read: Callable[[str], Source | None],
) -> list[Case]:
    """Make the questions of the exam that an opinion is worth; none if it names nothing.

    A passage that somebody names comes first; else an answer that was right stands for the words
    that it rests on most, and a right refusal for a question that nothing answers. One question is
    one case: several would count it several times.

    Args:
        read: document id → the document; None if it is gone.
    Raises:
        BadCaseError: the passage named is in no document.
    """
    if opinion.verdict == "":
        return []
    if opinion.right is not None:
        source = read(opinion.right.document_id)
        if source is None:
            raise BadCaseError("the document that should have answered is gone")
        return [_case(question, source, opinion.right)]
    if opinion.is_missing or (opinion.verdict == "up" and answer.mode == "refused"):
        case = own_case(question, "", None)
        return [case] if case is not None else []
    if opinion.verdict == "down" or answer.mode not in ("generated", "extractive"):
        return []
    for cited in _borne_out(answer):
        source = read(cited.document_id)
        if source is None or source.text[cited.start : cited.end] != cited.text:
            continue  # the document has changed: it may not say so any more
        return [_case(question, source, Right(cited.document_id, cited.start, cited.end))]
    return []


def _borne_out(answer: Message) -> Iterable[Cited]:
    """List the spans that bear sentences out wholly, those of most sentences first."""
    n_borne = Counter(
        n for one in answer.sentences if one.support == "supported" for n in one.citations
    )
    found = [one for one in answer.citations if n_borne[one.n] and one.end > one.start]
    return sorted(found, key=lambda one: -n_borne[one.n])


def _case(question: str, source: Source, right: Right) -> Case:
    start, end = right.start, min(right.end, right.start + _MAX_TEXT)
    text = source.text[start:end]
    if not 0 <= start < right.end <= len(source.text) or not text.strip():
        raise BadCaseError("the passage that should have answered is not in its document")
    asked = " ".join(question.split())
    is_chinese = cjk_share(asked) > _CHINESE
    # No answer of its own: a text of the document would outlive it there.
    return Case(
        id=_digest(asked, source.path, text),
        kind="own",
        language="zh" if is_chinese else language_of(asked, default="en"),
        question=asked,
        digest=source.digest,
        path=source.path,
        start=start,
        end=end,
        text=text,
    )


def _digest(*texts: str) -> str:
    return sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:12]
