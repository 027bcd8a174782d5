"""What can go wrong in the engine; a leaf exists where a caller can act on it.

EngineError
├── RequestError                the request itself is wrong (400)
│   ├── ModelNameError          not a model name
│   ├── ModelRequiredError      no model named
│   ├── OptionError             an option has the wrong type or value
│   ├── CapabilityError         the model cannot do this
│   ├── VirtualModelError       that can only be done to a model on disk
│   ├── PromptTooLongError      does not fit into the context
│   ├── FormatError             no such output format, or a schema that no grammar can express
│   ├── DigestError             not a digest, or the content does not have it
│   └── ChatTemplateError       the model's chat template refuses the messages, or is a bomb
├── ModelNotFoundError          not installed (404)
├── BlobNotFoundError           not stored (404)
├── BusyError                   the queue is full (503)
├── CancelledError              the caller went away (499)
├── DeadlineError               the request's time was up (504)
├── ModelfileError              a Modelfile line is wrong
├── GgufError                   the file is not a usable GGUF file
├── LoadError                   the model does not load on this machine
│   └── OutOfMemoryError        no memory for it
├── RegistryError               a registry refused or could not be reached
├── LibraryError                the models folder cannot be read or written
├── RequestTemplateError        the request's own template cannot be read (500, as in Ollama)
└── RuntimeFailedError          the computation failed in the middle
"""

from __future__ import annotations


class EngineError(Exception):
    """Anything that the engine refuses or fails to do."""


class RequestError(EngineError):
    """The request is wrong; sending it again will not help."""


class ModelNameError(RequestError):
    """The text is not a model name."""


class ModelRequiredError(RequestError):
    """The request names no model."""

    def __init__(self) -> None:
        super().__init__("model is required")


class OptionError(RequestError):
    """An option has the wrong type or value."""


class CapabilityError(RequestError):
    """The model cannot do what is asked."""

    def __init__(self, model: str, capability: str) -> None:
        super().__init__(f"{model} does not support {capability}")
        self.model, self.capability = model, capability


class VirtualModelError(RequestError):
    """The model is no file, so all that it can do is chat; the message says what to do instead."""


class PromptTooLongError(RequestError):
    """The prompt does not fit into the context, even with the oldest turns dropped."""

    def __init__(self, n_tokens: int, n_ctx: int) -> None:
        super().__init__(
            "the prompt is longer than the context length currently available to the model; "
            "shorten the prompt, adjust the context length in settings, or use a model with a "
            f"longer context length ({n_tokens:,} tokens, room for {n_ctx:,})"
        )
        self.n_tokens, self.n_ctx = n_tokens, n_ctx


class FormatError(RequestError):
    """The wanted output format is unknown or cannot be turned into a grammar."""


class DigestError(RequestError):
    """Not a digest, or content that does not have it."""


class ChatTemplateError(RequestError):
    """A chat template refuses the messages, is wrong, or wants too much time or room."""


class ModelNotFoundError(EngineError):
    """The model is not installed."""

    def __init__(self, model: str, message: str | None = None) -> None:
        super().__init__(message or f"model '{model}' not found")
        self.model = model


class BlobNotFoundError(EngineError):
    """The blob is not stored."""

    def __init__(self, digest: str) -> None:
        super().__init__(f'blob "{digest}" not found')
        self.digest = digest


class BusyError(EngineError):
    """Too many requests wait already."""

    def __init__(self) -> None:
        super().__init__("server busy, please try again.  maximum pending requests exceeded")


class StoppingError(BusyError):
    """The server stops: what was asked is not begun, or not finished."""

    def __init__(self) -> None:
        EngineError.__init__(self, "the server is stopping: ask again in a moment")


class CancelledError(EngineError):
    """The caller went away."""

    def __init__(self) -> None:
        super().__init__("request canceled")


class DeadlineError(EngineError):
    """The time that the request gave itself was up."""

    def __init__(self) -> None:
        super().__init__("the request's deadline has passed: give it more time or ask for less")


class RequestTemplateError(EngineError):
    """The template that a request brings cannot be read."""


class ModelfileError(EngineError):
    """A Modelfile cannot be read; the message names the line."""


class GgufError(EngineError):
    """The file is not a GGUF file that can be used; the message says why."""


class LoadError(EngineError):
    """The model does not load on this machine."""


class OutOfMemoryError(LoadError):
    """There is no memory for the model."""


class RegistryError(EngineError):
    """A registry refused, answered nonsense or could not be reached."""


class LibraryError(EngineError):
    """The models folder cannot be read or written."""


class RuntimeFailedError(EngineError):
    """The computation failed; other requests go on."""
