"""A loaded model and a prompt in, events out: sampling, constraints, thoughts and tool calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import PromptTooLongError
from engine.replies.reader import ReplyReader
from engine.replies.rules import ReplyRules
from engine.types import Event, Final, Options, Piece

if TYPE_CHECKING:
    from engine.runtime.media import Prompt
    from engine.runtime.runners import ChatRunner

_TIMES_CTX = 10  # an answer is at most so many contexts long (Ollama's limit)


@dataclass(frozen=True, slots=True)
class Task:
    """What one generation wants beyond its prompt."""

    options: Options
    rules: ReplyRules
    grammar: str | None = None
    is_shifting: bool = True
    n_top_logprobs: int | None = None
    load_ns: int = 0
    began_ns: int = 0  # of time.monotonic_ns(), when the request came; 0 = when it was submitted


def answer(runner: ChatRunner, prompt: Prompt, task: Task) -> Iterator[Event]:
    """Generate; closing the iterator cancels the request.

    Raises:
        PromptTooLongError: there is no room for the prompt and one token.
        FormatError, OptionError: the grammar or an option cannot be used.
        RuntimeFailedError: the computation failed; may come late.
        DeadlineError: the request's own time was up; may come late.
    """
    from engine.runtime.sampler_native import Sampler
    from engine.runtime.stream import TextStream
    from engine.runtime.worker import Generation

    if len(prompt) >= runner.n_ctx:
        raise PromptTooLongError(len(prompt), runner.n_ctx - 1)
    sampler = Sampler(
        runner.model,
        task.options,
        n_ctx=runner.n_ctx,
        grammar=task.grammar,
        grammar_after=task.rules.grammar_after if task.grammar else None,
    )
    sampler.accept_prompt(prompt.text_tokens)
    work = Generation(
        prompt=prompt,
        options=task.options,
        sampler=sampler,
        text=TextStream(task.options.stop),
        n_limit=_limit(task.options.num_predict, runner.n_ctx),
        n_top_logprobs=task.n_top_logprobs,
        is_shifting=task.is_shifting,
        # Control tokens make no text; one that is a stop string must be seen, and ends the answer.
        shown_special=task.rules.shown_special | frozenset(task.options.stop),
        deadline_s=_deadline_s(task),
    )
    yield from _read(runner.worker.stream(work), task)


def _deadline_s(task: Task) -> float | None:
    """Tell when the request must be over, by time.monotonic(); loading the model counts too."""
    if not task.options.timeout:
        return None
    began_s = task.began_ns / 1e9 if task.began_ns else time.monotonic()
    return began_s + task.options.timeout


def _limit(num_predict: int, n_ctx: int) -> int:
    cap = _TIMES_CTX * n_ctx
    return num_predict if 0 <= num_predict <= cap else cap


def _read(events: Iterator[Event], task: Task) -> Iterator[Event]:
    """Sort the model's text into thoughts, words and calls."""
    reader = ReplyReader(task.rules)
    for event in events:
        if isinstance(event, Final):
            rest = reader.finish()
            if not rest.is_empty:
                yield rest
            # Also what came before the model's own work: writing the prompt and its tokens.
            came_ns = time.monotonic_ns() - task.began_ns if task.began_ns else 0
            spent_ns = max(came_ns, event.total_ns + task.load_ns)
            yield replace(event, load_ns=task.load_ns, total_ns=spent_ns)
        else:
            # Also an empty piece goes on: it is a sign of life.
            read = reader.push(event.text) if event.text else Piece()
            yield replace(read, logprobs=event.logprobs)
