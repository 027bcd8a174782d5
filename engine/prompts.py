"""Messages in, tokens that fit the context out: rendering and dropping of the oldest turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.errors import ChatTemplateError, PromptTooLongError
from engine.types import Message

# A model needs room for at least a few tokens of answer.
MIN_ANSWER_TOKENS = 1


def merge_system(
    messages: Sequence[Message], system: str | None, examples: Sequence[Message]
) -> tuple[Message, ...]:
    """Put the model's own system text and example turns before a conversation.

    The system text is left out if the conversation begins with one of its own.
    """
    has_own = bool(messages) and messages[0].role == "system"
    head = (Message("system", system),) if system and not has_own else ()
    if has_own and examples:
        return (messages[0], *examples, *messages[1:])
    return (*head, *examples, *messages)


def fit(
    messages: Sequence[Message],
    encode: Callable[[Sequence[Message]], list[int]],
    n_ctx: int,
    *,
    is_truncating: bool,
) -> list[int]:
    """Encode a conversation, dropping its oldest turns until it fits.

    System messages and the last message always stay. Whole turns are dropped, never parts. A
    template that refuses what is left (an answer without its question) only loses another turn.

    Raises:
        ChatTemplateError: the template refuses the conversation.
        PromptTooLongError: even the last message does not fit; says by how much.
    """
    room = n_ctx - MIN_ANSWER_TOKENS
    kept = list(messages)
    tokens = encode(kept)
    while len(tokens) > room:
        oldest = next((at for at, one in enumerate(kept[:-1]) if one.role != "system"), None)
        if oldest is None or not is_truncating:
            raise PromptTooLongError(len(tokens), room)
        del kept[oldest]
        try:
            tokens = encode(kept)
        except ChatTemplateError:
            if not any(one.role != "system" for one in kept[:-1]):
                raise
    return tokens
