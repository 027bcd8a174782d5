"""Models on disk, in memory and on their way, read from the server's JSON; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TypeVar

from ui.shapes import Json, mapping, objects

T = TypeVar("T")
_CENTURY_S = 100 * 365 * 86_400.0  # what stays longer than this stays for ever
_VIRTUAL = "knowledge-base"  # the family of collections that answer as models


@dataclass(frozen=True, slots=True)
class Installed:
    """One model on disk."""

    name: str
    size: int = 0  # bytes
    digest: str = ""
    modified_at: str = ""
    family: str = ""
    parameter_size: str = ""
    quantization_level: str = ""
    context_length: int = 0
    capabilities: tuple[str, ...] = ()

    @property
    def can_chat(self) -> bool:
        """Whether it can answer."""
        return "completion" in self.capabilities


@dataclass(frozen=True, slots=True)
class Running:
    """One model in memory."""

    name: str
    size: int = 0
    size_vram: int = 0
    context_length: int = 0
    expires_at: str = ""

    def left_s(self, now: datetime) -> float | None:
        """Tell how long it stays if nobody asks for it; None = for ever, or nobody says."""
        try:
            left = (datetime.fromisoformat(self.expires_at) - now).total_seconds()
        except (ValueError, TypeError):
            return None
        return None if left > _CENTURY_S else max(0.0, left)


@dataclass(frozen=True, slots=True)
class Roles:
    """Which model does what."""

    chat: str = ""
    embedding: str = ""
    reranker: str = ""
    home: str = ""
    n_passages: int = 0
    by_collection: tuple[tuple[str, str, int], ...] = ()  # collection, its model, passages

    def users_of(self, model: str) -> tuple[str, ...]:
        """Name the collections with passages that are searched with a model."""
        return tuple(name for name, own, n in self.by_collection if n and same(own, model))


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU."""

    name: str
    description: str = ""
    total_bytes: int = 0
    free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is, and how much of it is free."""

    memory_bytes: int = 0
    memory_free_bytes: int = 0
    n_cores: int = 0
    gpus: tuple[Gpu, ...] = ()
    disk_bytes: int = 0
    disk_free_bytes: int = 0
    models_bytes: int = 0
    models_disk_free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """A model that can be pulled, and how it would fit."""

    name: str
    role: str = "chat"
    parameters: str = ""
    size_bytes: int = 0
    n_ctx: int = 0
    languages: str = ""
    licence: str = ""
    is_free: bool = True
    can_see: bool = False
    can_use_tools: bool = False
    fit: str = "none"  # gpu, split, memory, none
    need_bytes: int = 0
    fit_ctx: int = 0
    reason: str = ""
    is_advised: bool = False
    is_slow: bool = False  # larger than what answers in a bearable time here
    is_installed: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What one device would hold."""

    device: str = ""
    weights_bytes: int = 0
    cache_bytes: int = 0
    compute_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Add it up."""
        return self.weights_bytes + self.cache_bytes + self.compute_bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model would go now, and why."""

    model: str = ""
    fits: bool = False
    n_ctx: int = 0
    n_slots: int = 0
    n_gpu_layers: int = 0
    n_layers: int = 0
    shares: tuple[Share, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change of the embedding model takes."""

    model: str = ""
    n_passages: int = 0
    n_sampled: int = 0
    passages_per_s: float = 0.0
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of a pull."""

    digest: str = ""
    total_bytes: int = 0
    done_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pull:
    """A model on its way."""

    id: str
    model: str = ""
    state: str = "running"  # running, done, failed, cancelled
    status: str = ""
    layers: tuple[Layer, ...] = ()
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float = 0.0
    eta_s: float | None = None
    error: str = ""
    why: str = ""  # unreachable, refused, failed

    @property
    def share(self) -> float:
        """How much of what is known has come, 0 to 1."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with a Modelfile; line 0 = no line in particular."""

    line: int = 0
    text: str = ""


def installed_from(data: Json) -> list[Installed]:
    """Read /api/tags; collections that answer as models are left out."""
    found = []
    for one in objects(data, "models"):
        details = mapping(one, "details")
        if details.get("family") == _VIRTUAL:
            continue
        known = {key: details.get(key) for key in ("family", "parameter_size", "context_length")}
        known["quantization_level"] = details.get("quantization_level")
        told = one.get("capabilities")
        capabilities = tuple(str(item) for item in told) if isinstance(told, list) else ()
        if "rerank" in str(one.get("name", "")).casefold():
            capabilities = (*(item for item in capabilities if item != "embedding"), "rerank")
        given = {key: value for key, value in known.items() if value is not None}
        found.append(_build(Installed, one, capabilities=capabilities, **given))
    return found


def running_from(data: Json) -> list[Running]:
    """Read /api/ps."""
    return [_build(Running, one) for one in objects(data, "models")]


def roles_from(data: Json) -> Roles:
    """Read which model does what from /kb/status."""
    models = mapping(data, "models")
    names = {
        role: str(mapping(models, role).get("name") or "")
        for role in ("chat", "embedding", "reranker")
    }
    held = tuple(
        (str(one.get("name") or ""), str(one.get("model") or ""), _count(one.get("n_chunks")))
        for one in objects(data, "collections")
    )
    return Roles(
        **names,
        home=str(data.get("home") or ""),
        n_passages=_count(data.get("n_chunks")),
        by_collection=held,
    )


def machine_from(data: Json) -> Machine:
    """Read a machine."""
    return _build(Machine, data, gpus=tuple(_build(Gpu, one) for one in objects(data, "gpus")))


def known_from(data: Json) -> list[Known]:
    """Read the advice."""
    return [_build(Known, one) for one in objects(data, "models")]


def placement_from(data: Json) -> Placement:
    """Read a placement."""
    shares = tuple(_build(Share, one) for one in objects(data, "shares"))
    told = data.get("sentences")
    sentences = tuple(map(str, told)) if isinstance(told, list) else ()
    return _build(Placement, data, shares=shares, sentences=sentences)


def cost_from(data: Json) -> Cost:
    """Read what a change takes."""
    return _build(Cost, data)


def pull_from(data: Json) -> Pull:
    """Read a pull."""
    return _build(Pull, data, layers=tuple(_build(Layer, one) for one in objects(data, "layers")))


def mistakes_from(data: Json) -> list[Mistake]:
    """Read what is wrong with a Modelfile."""
    return [_build(Mistake, one) for one in objects(data, "mistakes")]


def same(one: str, other: str) -> bool:
    """Tell whether two names mean one model: case and a missing `:latest` do not matter."""
    return bool(one) and _tagged(one) == _tagged(other)


def held_by(running: Sequence[Running]) -> Mapping[str, Running]:
    """Give the models in memory by name."""
    return {one.name: one for one in running}


def _tagged(name: str) -> str:
    folded = name.casefold()
    return folded if ":" in folded.rpartition("/")[2] else f"{folded}:latest"


def _count(found: object) -> int:
    return int(found) if isinstance(found, int | float) else 0


def _build(kind: type[T], data: Json, **given: object) -> T:
    # Unknown fields are dropped and missing ones take their default, as in `shapes`.
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in data.items() if key in names and value is not None}
    bare: dict[str, object] = dict.fromkeys({"id", "name"} & names, "")
    return kind(**{**bare, **known, **given})
