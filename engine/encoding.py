"""A request and a loaded model in, the tokens of its prompt out; drops old turns where it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import RequestError
from engine.prompts import fit
from engine.rendering import Script, chat_conversation, generate_text, images_of, with_messages
from engine.types import ChatRequest, GenerateRequest, Message, ModelEntry

if TYPE_CHECKING:
    from engine.runtime.llama import Model
    from engine.runtime.media import Prompt
    from engine.runtime.runners import ChatRunner, EmbedRunner


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt as text and as tokens; its length is in tokens."""

    text: str
    prompt: Prompt

    def __len__(self) -> int:
        return len(self.prompt)


def chat_prompt(
    entry: ModelEntry, request: ChatRequest, script: Script, runner: ChatRunner
) -> Written:
    """Write and encode what is left of a conversation that fits.

    Raises:
        PromptTooLongError: not even the last message fits.
        ChatTemplateError: the template refuses the conversation.
    """
    conversation = chat_conversation(entry, request)

    def encode(messages: Sequence[Message]) -> Written:
        text = script.write(with_messages(conversation, messages))
        adds = not script.begins_itself(text)
        return Written(text, runner.prompt(text, images_of(messages), add_special=adds))

    return fit(conversation.messages, encode, runner.n_ctx, is_truncating=request.is_truncating)


def generate_prompt(
    entry: ModelEntry, request: GenerateRequest, script: Script, runner: ChatRunner
) -> Written:
    """Write and encode the prompt of a generate request, after an earlier exchange if it has one.

    Raises:
        RequestError: the context holds what is no token.
        CapabilityError, ChatTemplateError: as `generate_text`.
    """
    text = generate_text(entry, request, script)
    if not request.context:
        adds = not script.begins_itself(text)
        return Written(text, runner.prompt(text, request.images, add_special=adds))
    check_tokens(request.context, runner.model)
    whole = runner.model.detokenize(request.context) + text
    if request.images:
        return Written(whole, runner.prompt(whole, request.images, add_special=False))
    # As tokens, so that the cache still knows the earlier exchange.
    following = runner.prompt(text, (), add_special=False)
    return Written(whole, replace(following, tokens=(*request.context, *following.tokens)))


def check_tokens(tokens: Sequence[int], native: Model) -> None:
    """Refuse numbers that are no tokens.

    Raises:
        RequestError: names the first.
    """
    strange = [one for one in tokens if not 0 <= one < native.n_vocab]
    if strange:
        raise RequestError(
            f"{strange[0]} is no token of this model (0 to {native.n_vocab - 1}); "
            "send tokens that this model gave, such as the context of an earlier answer"
        )


def encode_text(runner: EmbedRunner, text: str, *, is_truncating: bool) -> list[int]:
    """Turn a text into the tokens of an embedding.

    Raises:
        RequestError: no token, or too many and they may not be cut.
    """
    tokens = runner.model.tokenize(text, add_special=True, parse_special=False)
    if not tokens:
        raise RequestError("the input is empty: this model makes no token of it")
    if len(tokens) <= runner.n_ctx:
        return tokens
    if not is_truncating:
        raise RequestError("the input length exceeds the context length")
    bare = runner.model.tokenize(text, add_special=False, parse_special=False)
    n_special = len(tokens) - len(bare)
    if runner.n_ctx <= n_special:
        raise RequestError("input after truncation exceeds maximum context length")
    n_head = next((at for at, token in enumerate(tokens) if token == bare[0]), 0)
    tail = tokens[n_head + len(bare) :]
    return [*tokens[:n_head], *bare[: runner.n_ctx - n_special], *tail]
