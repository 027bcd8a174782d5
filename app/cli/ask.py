"""`quire search`, `ask`, `demo`: questions on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.conversations import last_used
from app.cli.documents import CollectionOption, JsonOption
from app.cli.format import place
from app.cli.session import client_of, note, summary_of, warn_of

if TYPE_CHECKING:
    from app.api.query_wire import AnswerOut
    from app.client import Client

DEMO_COLLECTION = "samples"
_QUOTED_CHARACTERS = 300
_WARNINGS = {
    "instructions": "the passage holds instructions to a machine; they were not followed",
    "hidden": "the passage holds text that is not shown on the page",
    "link_exfiltration": "the passage holds a link that could carry data away",
}

TopOption = Annotated[int, typer.Option("--top-k", "-k", min=1, max=100, help="How many passages.")]


def search(
    query: Annotated[list[str], typer.Argument(help="What to look for.")],
    collection: CollectionOption = "default",
    top_k: TopOption = 5,
    as_json: JsonOption = False,
) -> None:
    """Find passages."""
    from app.api.query_wire import SearchOut

    body = {"query": " ".join(query), "collection": collection, "top_k": top_k}
    with client_of() as client:
        found = client.post("/kb/search", body, SearchOut)
    if as_json:
        print(found.model_dump_json())
        return
    for rank, hit in enumerate(found.hits, start=1):
        where = place(hit.path, hit.page, hit.start, hit.end, hit.page_label)
        print(f"{rank}. {where}  (score {hit.score:.3f})")
        if hit.heading:
            print(f"   {hit.heading}")
        print(f"   {shorten(hit.text)}\n")
    for notice in found.notices:
        note(f"note: {notice}")
    if not found.hits:
        note("nothing found")


def ask(  # noqa: PLR0913 - the flags of a question
    question: Annotated[list[str], typer.Argument(help="The question.")],
    collection: CollectionOption = "default",
    top_k: TopOption = 5,
    model: Annotated[str, typer.Option("--model", help="Another chat model.")] = "",
    is_traced: Annotated[
        bool, typer.Option("--trace", help="Print how the answer came about.")
    ] = False,
    chat: Annotated[
        str, typer.Option("--chat", metavar="ID", help="In this conversation; see `quire chats`.")
    ] = "",
    is_continued: Annotated[
        bool, typer.Option("--continue", help="In the conversation used last.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask your documents; every sentence of the answer names its source."""
    from app.api.query_wire import AnswerOut

    body: dict[str, object] = {
        "question": " ".join(question),
        "collection": collection,
        "top_k": top_k,
        "model": model,
    }
    with client_of("answers") as client:
        if chat or is_continued:
            body["conversation_id"] = chat or last_used(client, collection)
            if collection == "default":
                del body["collection"]  # then the conversation's own
        if as_json:
            print(client.post("/kb/query", body, AnswerOut).model_dump_json())
            return
        tell_answer(client, body, is_traced=is_traced)


def demo() -> None:
    """Index the sample documents, ask one question, show the cited answer."""
    from app.cli.documents import files_below
    from app.samples import find_samples

    samples = find_samples()
    if samples is None:
        note(
            "error: the sample documents are not here; they come with the source checkout "
            "(data/samples)"
        )
        raise typer.Exit(1)
    with client_of("answers") as client:
        files = [
            (path.relative_to(samples.folder).as_posix(), path)
            for path in files_below([samples.folder])
        ]
        index(client, files, DEMO_COLLECTION)
        print(f">>> {samples.question}")
        tell_answer(client, {"question": samples.question, "collection": DEMO_COLLECTION})


def index(client: Client, files: list[tuple[str, Path]], collection: str) -> None:
    """Send files in one upload, wait until they can be found."""
    from app.cli.waiting import wait_for_jobs

    job_id = client.upload(files, collection)
    for job in wait_for_jobs(client, iter([(job_id, len(files))]), len(files)):
        warn_of(job)
        note(summary_of(job))


def shorten(text: str, limit: int = _QUOTED_CHARACTERS) -> str:
    """Put a passage on one line, cut at a limit."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def tell_answer(client: Client, body: dict[str, object], *, is_traced: bool = False) -> None:
    """Print tokens as they come; if checking changed the answer, print the checked one."""
    from app.api.query_wire import AnswerOut

    streamed = ""
    for name, data in client.events("/kb/query", {**body, "stream": True}):
        if name == "token":
            text = _token(data)
            streamed += text
            sys.stdout.write(text)
            sys.stdout.flush()
        elif name == "done":
            answer = AnswerOut.model_validate_json(data)
            _finish(answer, streamed)
            if is_traced and answer.trace is not None:
                from app.cli.explain import trace_text

                print(f"\n{trace_text(answer.trace)}")


def _token(data: str) -> str:
    import json

    text = json.loads(data)["text"]
    return text if isinstance(text, str) else ""


def _finish(answer: AnswerOut, streamed: str) -> None:
    if streamed.strip():
        print()
    if answer.answer.strip() != streamed.strip():
        if streamed.strip():
            print("\nChecked against the sources:")
        print(answer.answer)
    if answer.mode == "extractive":
        print("\nQuoted from your documents word for word; no model wrote this.")
    print()
    for one in answer.citations:
        print(f"[{one.n}] {place(one.path, one.page, one.start, one.end, one.page_label)}")
        print(f"    {shorten(one.text)}")
        for warning in one.warnings:
            print(f"    warning: {_WARNINGS.get(warning, warning)}")
    for notice in answer.notices:
        note(f"note: {notice}")
    starters = _starters_of(answer)
    if starters:
        note(f"note: with {starters}; `quire status` tells what that means and how to do better")


def _starters_of(answer: AnswerOut) -> str:
    """Name the starter models that an answer rests on."""
    from app.models import STARTER_CHAT, STARTER_EMBEDDING

    starters = {"chat": STARTER_CHAT, "embedding": STARTER_EMBEDDING}
    names = [name for kind, name in starters.items() if answer.models.get(kind) == name]
    if not names:
        return ""
    return f"the starter model{'s' if len(names) > 1 else ''} {' and '.join(names)}"
