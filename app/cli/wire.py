"""The JSON shapes of Ollama's API as the command line reads them; pydantic."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class DetailsIn(BaseModel):
    """What a model is."""

    family: str = ""
    parameter_size: str = ""
    quantization_level: str = ""


class ModelIn(BaseModel):
    """One row of /api/tags."""

    name: str
    digest: str
    size: int
    modified_at: datetime


class TagsIn(BaseModel):
    """What /api/tags gives."""

    models: list[ModelIn]


class LoadedIn(BaseModel):
    """One row of /api/ps."""

    name: str
    digest: str
    size: int
    size_vram: int = 0
    context_length: int = 0
    expires_at: datetime | None = None


class RunningIn(BaseModel):
    """What /api/ps gives."""

    models: list[LoadedIn]


class TensorIn(BaseModel):
    """One tensor of a model."""

    name: str = ""
    type: str = ""
    shape: list[int] = []


class MessageIn(BaseModel):
    """One message that a model carries."""

    role: str = ""
    content: str = ""


class ShowIn(BaseModel):
    """What /api/show gives."""

    license: str = ""
    modelfile: str = ""
    parameters: str = ""
    template: str = ""
    system: str = ""
    details: DetailsIn = DetailsIn()
    model_info: dict[str, object] = {}
    projector_info: dict[str, object] = {}
    tensors: list[TensorIn] = []
    messages: list[MessageIn] = []
    capabilities: list[str] = []
    requires: str = ""


class ProgressIn(BaseModel):
    """One line of a pull, push or create."""

    status: str = ""
    digest: str = ""
    total: int = 0
    completed: int = 0
    error: str = ""


class SaidIn(BaseModel):
    """The message of a chat line."""

    content: str = ""
    thinking: str = ""


class AnswerIn(BaseModel):
    """One line of /api/chat or of /api/generate."""

    message: SaidIn = SaidIn()
    response: str = ""
    generate_thinking: str = Field(default="", validation_alias="thinking")
    done: bool = False
    error: str = ""
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0

    @property
    def text(self) -> str:
        """What to show of it."""
        return self.message.content or self.response

    @property
    def thought(self) -> str:
        """What the model thinks before it answers."""
        return self.message.thinking or self.generate_thinking


class EmbedIn(BaseModel):
    """What /api/embed gives."""

    embeddings: list[list[float]]


class NothingIn(BaseModel):
    """An answer whose content does not matter."""
