"""The JSON shapes of /kb/models, /kb/machine and /kb/logs; pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from app.pulls import Pull
    from app.recommended import Fitted, Known

Name = Annotated[str, Field(min_length=1, max_length=512)]
MAX_MODELFILE = 200_000  # characters
_STRICT = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored


class GpuOut(BaseModel):
    """A GPU that models may use."""

    name: str
    description: str
    total_bytes: int
    free_bytes: int
    is_unified: bool


class MachineOut(BaseModel):
    """What `GET /kb/machine` gives: what there is, and how much of it is free now."""

    memory_bytes: int
    memory_free_bytes: int
    n_cores: int
    gpus: list[GpuOut]
    disk_bytes: int  # of the disk that holds the data directory
    disk_free_bytes: int
    models_bytes: int  # that installed models take
    models_disk_free_bytes: int  # where models are kept, which may be another disk


class KnownOut(BaseModel):
    """A well-known model, and how it would fit here."""

    name: str
    role: Literal["chat", "embedding", "reranker"]
    parameters: str
    size_bytes: int
    n_ctx: int
    languages: str
    licence: str
    is_free: bool
    can_see: bool
    can_use_tools: bool
    fit: Literal["gpu", "split", "memory", "none"]
    need_bytes: int
    fit_ctx: int
    reason: str
    is_advised: bool
    is_slow: bool  # larger than what answers in a bearable time here
    is_installed: bool

    @classmethod
    def of(
        cls,
        known: Known,
        fitted: Fitted,
        *,
        is_advised: bool,
        is_slow: bool,
        is_installed: bool,
    ) -> KnownOut:
        """Convert from the table's nouns."""
        return cls(
            name=known.name,
            role=known.role,
            parameters=known.parameters,
            size_bytes=known.size_bytes,
            n_ctx=known.n_ctx,
            languages=known.languages,
            licence=known.licence,
            is_free=known.is_free,
            can_see=known.can_see,
            can_use_tools=known.can_use_tools,
            fit=fitted.fit,
            need_bytes=fitted.need_bytes,
            fit_ctx=fitted.n_ctx,
            reason=fitted.reason,
            is_advised=is_advised,
            is_slow=is_slow,
            is_installed=is_installed,
        )


class AdviceOut(BaseModel):
    """What `GET /kb/models/advice` gives."""

    machine: MachineOut
    models: list[KnownOut]


class ShareOut(BaseModel):
    """What one device would hold of a model."""

    device: str
    weights_bytes: int
    cache_bytes: int
    compute_bytes: int


class PlacementOut(BaseModel):
    """What `GET /kb/models/placement` gives: where a model would go now, and why."""

    model: str
    fits: bool
    n_ctx: int = 0
    n_slots: int = 0
    n_gpu_layers: int = 0
    n_layers: int = 0
    shares: list[ShareOut] = []
    sentences: list[str] = []


class ModelIn(BaseModel):
    """A model by its name."""

    model_config = _STRICT

    model: Name


class CostOut(BaseModel):
    """What `POST /kb/models/cost` gives: what a change to an embedding model would take."""

    model: str
    n_passages: int  # that have to be embedded again
    n_sampled: int  # that were embedded now, to measure; 0 = there was nothing to measure with
    passages_per_s: float
    eta_s: float | None


class LayerOut(BaseModel):
    """One file of a model on its way."""

    digest: str
    total_bytes: int
    done_bytes: int


class PullOut(BaseModel):
    """How a pull stands."""

    id: str
    model: str
    state: Literal["running", "done", "failed", "cancelled"]
    status: str
    layers: list[LayerOut]
    done_bytes: int
    total_bytes: int
    bytes_per_s: float
    eta_s: float | None
    error: str
    why: str

    @classmethod
    def of(cls, pull: Pull) -> PullOut:
        """Convert from the noun of pulls."""
        layers = [
            LayerOut(
                digest=one.digest,
                total_bytes=one.total_bytes,
                done_bytes=min(one.done_bytes, one.total_bytes),
            )
            for one in list(pull.layers.values())
        ]
        return cls(
            id=pull.id,
            model=pull.model,
            state=pull.state,
            status=pull.status,
            layers=layers,
            done_bytes=sum(one.done_bytes for one in layers),
            total_bytes=sum(one.total_bytes for one in layers),
            bytes_per_s=pull.bytes_per_s,
            eta_s=pull.eta_s,
            error=pull.error,
            why=pull.why,
        )


class PullsOut(BaseModel):
    """The pulls that run, and the last that ended."""

    pulls: list[PullOut]


class ModelfileIn(BaseModel):
    """The text of a Modelfile."""

    model_config = _STRICT

    text: str = Field(max_length=MAX_MODELFILE)


class MistakeOut(BaseModel):
    """One thing that is wrong; line 0 = the whole."""

    line: int
    text: str


class ModelfileOut(BaseModel):
    """What `POST /kb/models/modelfile` gives: mistakes, or the body for /api/create."""

    mistakes: list[MistakeOut]
    request: dict[str, object]


class LogOut(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(from_attributes=True)

    at: str
    level: str
    source: str
    text: str
    n: int


class LogsOut(BaseModel):
    """The last warnings and errors, newest first."""

    logs: list[LogOut]
