"""Shapes of the /v1 requests in, native requests out; pure.

Fields that OpenAI has no word for (`top_k`, `min_p`, `repeat_penalty`, `keep_alive`, `options`,
`grammar`) are our extension: what is set beside them goes before `options`, and that before
OpenAI's own defaults.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from engine.api.openai_messages import MessageWireV1, native_messages
from engine.api.wire import ChatWire, GenerateWire, KeepAlive, Wire
from engine.errors import RequestError
from engine.types import Json, Think

_EFFORTS: dict[str, Think] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}
# OpenAI's defaults, which go before the model's own parameters.
_DEFAULTS: Json = {"temperature": 1.0, "top_p": 1.0}


def _stops(value: object) -> object:
    return [value] if isinstance(value, str) else value


Stops = Annotated[
    list[str],
    BeforeValidator(_stops),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class StreamOptionsWire(Wire):
    """What a stream should hold beyond its text."""

    include_usage: bool = False


class SamplingWireV1(Wire):
    """What both completions have in common."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptionsWire = StreamOptionsWire()
    n: int = 1
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: Stops = []
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Json | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    keep_alive: KeepAlive = None
    options: Json = {}
    grammar: str = ""

    @property
    def sampling(self) -> Json:
        """The request's sampling options under their native names."""
        limit = self.max_completion_tokens
        explicit: Json = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "num_predict": self.max_tokens if limit is None else limit,
            "seed": self.seed,
            "stop": list(self.stop) or None,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
            "logit_bias": self.logit_bias or None,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repeat_penalty": self.repeat_penalty,
        }
        chosen = {
            name: value
            for given in (self.options, explicit)
            for name, value in given.items()
            if value is not None
        }
        return _DEFAULTS | chosen


class CompletionWire(SamplingWireV1):
    """Body of POST /v1/completions."""

    prompt: object = ""
    suffix: str = ""
    logprobs: int | None = None
    echo: bool = False

    @property
    def prompts(self) -> list[str | list[int]]:
        """Every prompt, as text or as tokens of the model itself; lists are our extension.

        Raises:
            RequestError: of another type.
        """
        given = self.prompt
        if isinstance(given, str):
            return [given]
        if not isinstance(given, list) or not given:
            raise RequestError(_WRONG_PROMPT)
        if all(isinstance(one, str) for one in given):
            return list(given)
        if _are_tokens(given):
            return [list(given)]
        if all(isinstance(one, list) and one and _are_tokens(one) for one in given):
            return [list(one) for one in given]
        raise RequestError(_WRONG_PROMPT)

    def native(self, prompt: str) -> GenerateWire:
        """Translate into a native request for one of the prompts."""
        return GenerateWire(
            model=self.model,
            prompt=prompt,
            suffix=self.suffix,
            options=self.sampling,
            keep_alive=self.keep_alive,
            grammar=self.grammar,
            logprobs=self.logprobs is not None,
            top_logprobs=self.logprobs or 0,
        )


_WRONG_PROMPT = (
    "invalid prompt: send a string, a list of strings, or one or several lists of the model's "
    "own tokens"
)


def _are_tokens(values: list[object]) -> bool:
    return all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in values)


class ReasoningWire(Wire):
    """How hard the model should think, in the newer form."""

    effort: str = ""


class ResponseFormatWire(Wire):
    """What the answer should look like; `gbnf` with a grammar is our extension."""

    type: str = "text"
    json_schema: Json | None = None
    grammar: str = ""

    @property
    def native(self) -> object:
        """The same as a native `format`."""
        if self.type == "json_object":
            return "json"
        if self.type == "json_schema" and self.json_schema is not None:
            return self.json_schema.get("schema")
        if self.type == "gbnf":
            return {"type": "gbnf", "grammar": self.grammar}
        return None


class ChatCompletionWire(SamplingWireV1):
    """Body of POST /v1/chat/completions."""

    messages: list[MessageWireV1] = []
    response_format: ResponseFormatWire = ResponseFormatWire()
    tools: list[Json] = []
    tool_choice: object = None
    parallel_tool_calls: bool = True
    reasoning_effort: str = ""
    reasoning: ReasoningWire = ReasoningWire()
    logprobs: bool = False
    top_logprobs: int = 0

    def native(self) -> ChatWire:
        """Translate into a native request.

        Raises:
            RequestError: no messages, or one that cannot be read.
        """
        if not self.messages:
            raise RequestError("[] is too short - 'messages'")
        return ChatWire(
            model=self.model,
            messages=native_messages(self.messages),
            tools=self.tools,
            tool_choice=self.tool_choice,
            format=self.response_format.native,
            grammar=self.grammar,
            options=self.sampling,
            keep_alive=self.keep_alive,
            think=think_of(self.reasoning_effort or self.reasoning.effort),
            logprobs=self.logprobs,
            top_logprobs=self.top_logprobs,
        )


class EmbeddingsWireV1(Wire):
    """Body of POST /v1/embeddings."""

    model: str = ""
    input: object = None
    dimensions: int = 0
    encoding_format: str = "float"


def think_of(effort: str) -> Think:
    """Translate how hard the model should think.

    Raises:
        RequestError: no such effort.
    """
    if not effort:
        return None
    if effort not in _EFFORTS:
        raise RequestError(
            f"invalid reasoning value: '{effort}' "
            '(must be "high", "medium", "low", "max", or "none")'
        )
    return _EFFORTS[effort]
