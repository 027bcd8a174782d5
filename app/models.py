"""Installed models, settings, this machine in; which model embeds, which one chats out.

The choice is pure (`choose_embedding`, `choose_chat`); `prepare` carries it out: it may ask a
registry for a model or unpack the starters that come with the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.machine import GIB, Machine
from app.notices import Notice
from engine.errors import EngineError, RegistryError

if TYPE_CHECKING:
    from engine.library.store import Library
    from engine.types import ModelEntry, Progress

EMBEDDING = "nomic-embed-text:latest"
STARTER_EMBEDDING = "all-minilm:latest"
STARTER_CHAT = "smollm2:135m"
REGISTRY = "registry.ollama.ai"
REGISTRY_TIMEOUT_S = 3.0

Report = Callable[[str], None]
Source = Literal["installed", "pull", "starter", "none"]


class ModelUnavailableError(Exception):
    """A model that is asked for can be neither found nor fetched."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One decision: the model and where it comes from."""

    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Bound:
    """The embedding model that the stored vectors were made with."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for in the settings; empty names leave the choice to the program."""

    embedding: str = ""
    chat: str = ""
    is_offline: bool = False
    is_chat_needed: bool = True  # False: use what is installed, fetch nothing for it


@dataclass(frozen=True, slots=True)
class Models:
    """The models in use, with texts for the people who use them."""

    embedding: str
    chat: str  # empty = none
    notices: tuple[str, ...] = ()


# What answers in a bearable time on such a machine. All names have licences without conditions
# of use (Apache-2.0), which is why there is no step of 3B: that size of this family is not free.
# Rows: (least memory in GiB, least cores, model).
_BY_PROCESSOR = ((6.0, 4, "qwen2.5:1.5b"), (0.0, 1, "qwen2.5:0.5b"))
_BY_GPU = ((14.0, "qwen2.5:14b"), (7.0, "qwen2.5:7b"), (3.0, "qwen2.5:1.5b"))
_MANY_CORES = (24.0, 16, "qwen2.5:7b")


def chat_model_for(machine: Machine) -> str:
    """Name the largest chat model that answers in a bearable time on this machine."""
    memory, vram = machine.memory_bytes / GIB, machine.vram_bytes / GIB
    for least, name in _BY_GPU:
        if vram >= least:
            return name
    for least, n_cores, name in (_MANY_CORES, *_BY_PROCESSOR):
        if memory >= least and machine.n_cores >= n_cores:
            return name
    return _BY_PROCESSOR[-1][2]


def choose_embedding(
    wish: Wish, bound: Bound | None, entries: Sequence[ModelEntry], *, can_pull: bool
) -> Pick:
    """Decide which model embeds: the wanted, else the library's, else the best to be had."""
    if wish.embedding:
        return Pick(wish.embedding, _source(wish.embedding, entries, can_pull=can_pull))
    if bound is not None:
        same = [entry.name for entry in entries if entry.model_digest == bound.digest]
        if same:
            return Pick(bound.name if bound.name in same else same[0], "installed")
        source = _source(bound.name, entries, can_pull=can_pull)
        if source != "none":
            return Pick(bound.name, source)
    source = _source(EMBEDDING, entries, can_pull=can_pull)
    if source != "none":
        return Pick(EMBEDDING, source)
    return _starter(STARTER_EMBEDDING, entries)


def choose_chat(
    wish: Wish, machine: Machine, entries: Sequence[ModelEntry], *, can_pull: bool
) -> Pick:
    """Decide which model answers: the wanted, else one that is here, else the best to be had."""
    if wish.chat:
        return Pick(wish.chat, _source(wish.chat, entries, can_pull=can_pull))
    best = chat_model_for(machine)
    if is_installed(best, entries):
        return Pick(best, "installed")
    room = max(machine.vram_bytes, machine.memory_bytes) // 2
    # A copy of the starter, or one made from it, is the starter under another name.
    starters = {entry.model_digest for entry in entries if _same(entry.name, STARTER_CHAT)}
    here = [
        entry
        for entry in entries
        if "completion" in entry.capabilities
        and entry.is_readable
        and entry.size_bytes <= room
        and entry.model_digest not in starters
    ]
    if here:
        return Pick(max(here, key=lambda entry: entry.size_bytes).name, "installed")
    if can_pull and wish.is_chat_needed:
        return Pick(best, "pull")
    if wish.is_chat_needed or is_installed(STARTER_CHAT, entries):
        return _starter(STARTER_CHAT, entries)
    return Pick("", "none")


def notices_of(embedding: str, chat: str, machine: Machine) -> tuple[str, ...]:
    """Say which starters are in use, what they are bad at, how to get better ones."""
    texts = []
    if embedding == STARTER_EMBEDDING:
        texts.append(
            Notice(
                f"Searching with the starter model {STARTER_EMBEDDING}: it knows English only and "
                "reads short texts; other languages are found by their words alone. Better: "
                f"`quire pull {EMBEDDING}`, then `quire migrate --to {EMBEDDING}`.",
                "starter_embedding",
                model=STARTER_EMBEDDING,
                better=EMBEDDING,
            )
        )
    if chat == STARTER_CHAT:
        better = chat_model_for(machine)
        texts.append(
            Notice(
                f"Answering with the starter model {STARTER_CHAT}: it is very small, writes "
                "English only and often misses the point; trust the quoted passages more than its "
                f"words. Better: `quire pull {better}`, then start again.",
                "starter_chat",
                model=STARTER_CHAT,
                better=better,
            )
        )
    return tuple(texts)


def is_installed(name: str, entries: Sequence[ModelEntry]) -> bool:
    """Tell whether a model is here and whole; case and a missing `:latest` do not matter."""
    return any(_same(entry.name, name) and entry.is_readable for entry in entries)


def prepare(
    library: Library, wish: Wish, bound: Bound | None, machine: Machine, report: Report
) -> Models:
    """Choose both models and make sure that they are installed.

    Raises:
        ModelUnavailableError: a model named in the settings is neither here nor to be had, or
            nothing is, not even the starters.
    """
    can_pull = _Once(lambda: not wish.is_offline and registry_answers())

    def embedding_pick(is_pulling: bool) -> Pick:
        return choose_embedding(wish, bound, library.entries(), can_pull=is_pulling)

    def chat_pick(is_pulling: bool) -> Pick:
        return choose_chat(wish, machine, library.entries(), can_pull=is_pulling)

    embedding = _settle(library, embedding_pick, can_pull, report)
    if not embedding:
        raise ModelUnavailableError(_missing("QUIRE_EMBED_MODEL", wish.embedding, wish))
    chat = _settle(library, chat_pick, can_pull, report) if _wants_chat(wish, library) else ""
    if not chat and wish.chat and wish.is_chat_needed:
        raise ModelUnavailableError(_missing("QUIRE_CHAT_MODEL", wish.chat, wish))
    notices = notices_of(embedding, chat, machine)
    if bound is not None and not wish.embedding and not _same(bound.name, embedding):
        notices += (
            Notice(
                f"The library was indexed with {bound.name}, which is not installed; it moves to "
                f"{embedding}, and until then much is found by its words alone. To keep "
                f"{bound.name}: `quire pull {bound.name}`, then `quire migrate --to {bound.name}`.",
                "model_moves",
                before=bound.name,
                after=embedding,
            ),
        )
    return Models(embedding, chat, notices)


def registry_answers(host: str = REGISTRY, timeout_s: float = REGISTRY_TIMEOUT_S) -> bool:
    """Ask whether a registry can be reached at all; any answer will do."""
    import httpx

    try:
        httpx.head(f"https://{host}/v2/", timeout=timeout_s)
    except httpx.HTTPError:
        return False
    return True


def describe(progress: Progress) -> str:
    """Put one step of a pull or create into a line of text."""
    if not progress.total_bytes:
        return progress.status
    share = progress.completed_bytes / progress.total_bytes
    return f"{progress.status}: {share:.0%} of {progress.total_bytes / 1e6:.0f} MB"


class _Once:
    """A question that is asked at most once, because the answer takes seconds."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._answer: bool | None = None

    def __call__(self) -> bool:
        if self._answer is None:
            self._answer = self._ask()
        return self._answer


def _source(name: str, entries: Sequence[ModelEntry], *, can_pull: bool) -> Source:
    if is_installed(name, entries):
        return "installed"
    if _same(name, STARTER_EMBEDDING) or _same(name, STARTER_CHAT):
        return "starter"
    return "pull" if can_pull else "none"


def _starter(name: str, entries: Sequence[ModelEntry]) -> Pick:
    return Pick(name, "installed" if is_installed(name, entries) else "starter")


def _same(one: str, other: str) -> bool:
    return _tagged(one) == _tagged(other)


def _tagged(name: str) -> str:
    folded = name.casefold()
    return folded if ":" in folded.rpartition("/")[2] else f"{folded}:latest"


def _wants_chat(wish: Wish, library: Library) -> bool:
    return wish.is_chat_needed or not wish.chat or is_installed(wish.chat, library.entries())


def _settle(
    library: Library, pick: Callable[[bool], Pick], can_pull: Callable[[], bool], report: Report
) -> str:
    """Carry a choice out: what is here first, then what can be pulled, then the starter.

    Returns:
        The model's name as installed; empty if there is none.
    """
    choice = pick(False)
    if choice.source in {"starter", "none"} and choice.name and can_pull():
        better = pick(True)
        if better.source == "pull":
            try:
                _pull(library, better.name, report)
            except ModelUnavailableError as error:
                if choice.source == "none":
                    raise
                report(f"{error}; going on with the starter")
            else:
                return library.find(better.name).name
    if choice.source == "none":
        return ""
    if choice.source == "starter":
        _unpack(library, choice.name, report)
    return library.find(choice.name).name


def _missing(variable: str, name: str, wish: Wish) -> str:
    why = (
        "QUIRE_OFFLINE is set"
        if wish.is_offline
        else f"no answer from {REGISTRY} within {REGISTRY_TIMEOUT_S:.0f} s"
    )
    return (
        f"{variable}={name!r}: this model is not installed, and it cannot be pulled ({why}). "
        f"Install it with `quire pull {name}`, or leave {variable} unset"
    )


def _pull(library: Library, name: str, report: Report) -> None:
    from engine.library.sharded import pull

    report(f"pulling {name} (once; QUIRE_OFFLINE=1 keeps to what is here)")
    try:
        _tell(pull(library, name), report)
    except RegistryError as error:
        raise ModelUnavailableError(f"{name} could not be pulled: {error}") from error


def _unpack(library: Library, name: str, report: Report) -> None:
    from engine.library.starters import find_starter_files, install_starters

    if find_starter_files() is None:
        raise ModelUnavailableError(
            f"no model is installed, no registry answers, and the starter {name} is not there "
            "either. Run `make setup`, `quire pull` a model, or `quire create` one from a GGUF file"
        )
    report(f"unpacking the starter models, because {name} is not installed")
    try:
        _tell(install_starters(library), report)
    except EngineError as error:
        raise ModelUnavailableError(f"the starter models cannot be unpacked: {error}") from error


def _tell(steps: Iterable[Progress], report: Report) -> None:
    """Report each status once, and each tenth of a download."""
    told: tuple[str, int] | None = None
    for step in steps:
        tenth = 10 * step.completed_bytes // step.total_bytes if step.total_bytes else 0
        if (step.status, tenth) != told:
            told = (step.status, tenth)
            report(describe(step))
