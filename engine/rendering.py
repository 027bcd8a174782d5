"""A model and a request in, the prompt's text out: whose words come first, which template; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import CapabilityError, ChatTemplateError, RequestTemplateError
from engine.library.names import parse
from engine.library.template.choose import Choice, choose_template
from engine.library.template.go.chat import render_go_suffix
from engine.library.template.go.facts import go_facts
from engine.library.template.go.parser import parse_go
from engine.library.template.render import render_prompt, strip_thinking
from engine.prompts import merge_system
from engine.types import (
    ChatRequest,
    Conversation,
    GenerateRequest,
    Message,
    ModelEntry,
    Think,
)


@dataclass(frozen=True, slots=True)
class Script:
    """How one model is written to: its template, and the tokens that frame a text."""

    choice: Choice
    bos: str
    eos: str

    def write(self, conversation: Conversation) -> str:
        """Write a conversation as the model's prompt.

        Raises:
            ChatTemplateError: the template refuses it.
        """
        return render_prompt(self.choice, conversation, bos=self.bos, eos=self.eos)

    def begins_itself(self, text: str) -> bool:
        """Whether the template wrote BOS; the tokenizer must not add a second one then."""
        return bool(self.bos) and text.startswith(self.bos)


def script_of(
    entry: ModelEntry, *, bos: str, eos: str, template: str | None, go_setting: bool | None
) -> Script:
    """Choose the template of a request.

    Args:
        template: the request's own Go template, which goes before the model's.
        go_setting: what OLLAMA_GO_TEMPLATE says.
    Raises:
        RequestTemplateError: the request's template cannot be read.
    """
    if template:
        try:
            parse_go(template)
        except ChatTemplateError as error:
            raise RequestTemplateError(str(error)) from error
        return Script(Choice("go", template), bos, eos)
    choice = choose_template(
        entry.template,
        entry.chat_template,
        family=entry.details.family,
        config=entry.config,
        go_setting=go_setting,
    )
    return Script(choice, bos, eos)


def thinking_of(entry: ModelEntry, asked: Think) -> Think:
    """Decide whether the model thinks: one that can does, unless the request says otherwise."""
    if "thinking" in entry.capabilities:
        return True if asked is None else asked
    return False if asked is False else None


def chat_conversation(entry: ModelEntry, request: ChatRequest) -> Conversation:
    """Lay out what a chat shows the model."""
    tools = () if request.tool_choice.mode == "none" else request.tools
    conversation = Conversation(
        merge_system(request.messages, entry.system, entry.messages),
        tools,
        thinking_of(entry, request.think),
    )
    return strip_thinking(conversation, family=entry.details.family, name=parse(entry.name).model)


def generate_text(entry: ModelEntry, request: GenerateRequest, script: Script) -> str:
    """Write the prompt of a generate request.

    Raises:
        CapabilityError: a suffix, and the template has no place for it.
        ChatTemplateError: the template refuses.
    """
    if request.is_raw:
        return request.prompt
    if request.suffix:
        template = _suffix_template(entry, script)
        if template is None:
            raise CapabilityError(parse(entry.name).full, "insert")
        think = thinking_of(entry, request.think)
        return render_go_suffix(template, request.prompt, request.suffix, think=think)
    system = request.system or entry.system  # an empty text says nothing, as in Ollama
    user = Message("user", request.prompt, images=request.images)
    examples: Sequence[Message] = () if request.context else entry.messages
    messages = merge_system((user,), system, examples)
    return script.write(Conversation(messages, (), thinking_of(entry, request.think)))


def _suffix_template(entry: ModelEntry, script: Script) -> str | None:
    """Find a Go template with a place for the suffix, also where chats go by the Jinja one."""
    candidates = (script.choice.text if script.choice.kind == "go" else "", entry.template or "")
    return next((one for one in candidates if one and go_facts(one).uses_suffix), None)


def images_of(messages: Sequence[Message]) -> tuple[bytes, ...]:
    """List the images of a conversation in the order in which `[img-N]` counts them."""
    return tuple(image for message in messages for image in message.images)


def with_messages(conversation: Conversation, messages: Sequence[Message]) -> Conversation:
    """Keep only these messages."""
    return replace(conversation, messages=tuple(messages))
