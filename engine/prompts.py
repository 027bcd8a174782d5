"""A conversation in, a prompt that fits the context out: drops the oldest turns, whole; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import TypeVar

from engine.errors import ChatTemplateError, PromptTooLongError
from engine.types import Message

P = TypeVar("P", bound=Sized)  # an encoded prompt; its length is in tokens

# A model needs room for at least a few tokens of answer.
MIN_ANSWER_TOKENS = 1
_MAX_TOGETHER = 16  # turns before the last message that a template may want along with it


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
    encode: Callable[[Sequence[Message]], P],
    n_ctx: int,
    *,
    is_truncating: bool,
) -> P:
    """Encode a conversation, dropping its oldest turns until it fits.

    System messages and the last message always stay. Whole turns are dropped, never parts. A
    template that refuses what is left (an answer without its question) only loses another turn,
    or gets the last ones back (a tool's result without its call). How many must go is found by
    halving, since every try renders and encodes everything anew.

    Raises:
        ChatTemplateError: the template refuses the conversation.
        PromptTooLongError: even the last message does not fit; says by how much.
    """
    room = n_ctx - MIN_ANSWER_TOKENS
    whole = encode(messages)
    if len(whole) <= room:
        return whole
    turns = [at for at, one in enumerate(messages[:-1]) if one.role != "system"]
    if not is_truncating or not turns:
        raise PromptTooLongError(len(whole), room)
    n_most, least = _least(messages, turns, encode)
    if len(least) > room:
        raise PromptTooLongError(len(least), room)
    too_few, enough, best = 0, n_most, least
    while enough - too_few > 1:
        n_dropped = (too_few + enough) // 2
        found = _try_without(messages, turns[:n_dropped], encode)
        if found is not None and len(found) <= room:
            enough, best = n_dropped, found
        else:
            too_few = n_dropped
    return best


def _least(
    messages: Sequence[Message], turns: Sequence[int], encode: Callable[[Sequence[Message]], P]
) -> tuple[int, P]:
    """Encode as little as the template takes; return also how many turns that leaves out."""
    for n_dropped in range(len(turns), max(0, len(turns) - _MAX_TOGETHER), -1):
        found = _try_without(messages, turns[:n_dropped], encode)
        if found is not None:
            return n_dropped, found
    return len(turns), _encode_without(messages, turns, encode)  # says why not


def _encode_without(
    messages: Sequence[Message], dropped: Sequence[int], encode: Callable[[Sequence[Message]], P]
) -> P:
    gone = set(dropped)
    return encode([one for at, one in enumerate(messages) if at not in gone])


def _try_without(
    messages: Sequence[Message], dropped: Sequence[int], encode: Callable[[Sequence[Message]], P]
) -> P | None:
    try:
        return _encode_without(messages, dropped, encode)
    except ChatTemplateError:
        return None
