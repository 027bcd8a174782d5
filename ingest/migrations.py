"""The wish for another embedding model in, a queued job that brings it about out.

A second space is filled while the first one answers; when it holds every document, it takes over.
All that a crash leaves is told by the catalogue: what is missing in the next space is still to do.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ingest.embedders import Embedders
from ingest.errors import (
    CollectionNotFoundError,
    DocumentNotFoundError,
    ModelMissingError,
    NothingToRevertError,
    QueueFullError,
)
from ingest.faults import reach
from ingest.jobs_store import Task, TaskState, Waiting
from ingest.pipeline import CalledAwayError, Pipeline, Report, StoppedError
from ingest.spaces_store import Spaces, SpacesStore, binding_of
from ingest.store import MODEL_CHOICE, Store
from ingest.types import Embedder, Job, Migration, MigrationState, Space

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MigrationHands:
    """What migrations work with."""

    store: Store
    spaces: SpacesStore
    embedders: Embedders
    pipeline: Pipeline
    drop: Callable[[int], None]  # a space from the vector index
    queue: Callable[[str, Sequence[Task]], str]
    job: Callable[[str], Job]


def chosen_model(store: Store, configured: str, collection: str = "") -> str:
    """Tell which model was chosen while the settings were what they are; empty if none was."""
    noted = store.meta(_key(collection))
    if noted is None:
        return ""
    choice = json.loads(noted)
    return str(choice["model"]) if choice["configured"] == configured else ""


def _key(collection: str = "") -> str:
    return f"{MODEL_CHOICE} {collection}" if collection else MODEL_CHOICE


class Migrations:
    """The ways of collections from one embedding model to another."""

    def __init__(self, hands: MigrationHands) -> None:
        self._hands = hands

    # Verbs

    def migrate(self, to_model: str, collection: str | None = None) -> str:
        """Move a collection, or all, to another model, which is also kept for the next start.

        Returns:
            The id of the job that does it.

        Raises:
            CollectionNotFoundError: there is none of that name.
            ModelMissingError: the model is not installed.
        """
        embedder = self._hands.embedders.named(to_model)
        wanted = dict.fromkeys(self._names(collection), embedder)
        self._choose(embedder.model, collection)
        return self._start(wanted, collection)

    def revert(self, collection: str | None = None) -> str:
        """Go back: stop a migration that is under way, or return to the model of before.

        Returns:
            The id of the job that does it.

        Raises:
            CollectionNotFoundError: there is none of that name.
            ModelMissingError: the model of before is not installed any more.
            NothingToRevertError: no collection has another model to go back to.
        """
        wanted: dict[str, Embedder] = {}
        for name, spaces in self._spaces(collection).items():
            if "next" in spaces:
                wanted[name] = self._hands.embedders.of(spaces["current"])
            elif "previous" in spaces:
                wanted[name] = self._hands.embedders.of(spaces["previous"])
        if not wanted:
            raise NothingToRevertError(collection)
        models = {embedder.model for embedder in wanted.values()}
        if collection is None and len(models) == 1:
            self._choose(models.pop(), None)
        else:
            for name, embedder in wanted.items():
                self._choose(embedder.model, name)
        for name, embedder in wanted.items():
            with suppress(CollectionNotFoundError):  # deleted meanwhile
                self._aim(name, embedder)  # also if the same model indexes anew
        return self._start(wanted, collection)

    def rebuild(self, collection: str | None = None) -> str:
        """Cut and embed the stored texts anew with the model that is wanted for them.

        Returns:
            The id of the job that does it.

        Raises:
            CollectionNotFoundError: there is none of that name.
            ModelMissingError: the model is not installed.
        """
        wanted = {name: self._wanted(name) for name in self._names(collection)}
        return self._start(wanted, collection, is_anew=True)

    def resume(self) -> None:
        """Go on with what a crash cut off, and follow the settings if they name another model."""
        self._forget_choices()
        wanted: dict[str, Embedder] = {}
        for name, spaces in self._hands.spaces.named().items():
            try:
                embedder = self._wanted(name)
            except ModelMissingError:
                continue
            if "next" in spaces or binding_of(spaces["current"]) != binding_of(embedder):
                wanted[name] = embedder
        try:
            if wanted:
                self._start(wanted, None)
        except QueueFullError as error:
            log.warning("migration_waits_for_next_start %s", error)

    def settle(self, collection: str) -> None:
        """Give an empty collection the model that is wanted for it.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        if self._hands.store.collection(collection).n_documents == 0:
            try:
                self._begin(collection, self._wanted(collection), is_anew=False)
            except ModelMissingError:
                return

    def model_of_new(self) -> Embedder:
        """Tell with which model a new collection begins."""
        chosen = chosen_model(self._hands.store, self._hands.embedders.configured)
        try:
            return self._hands.embedders.named(chosen or self._hands.embedders.default.model)
        except ModelMissingError:
            return self._hands.embedders.default

    def listed(self) -> list[Migration]:
        """Tell how far each collection is that moves, or has moved and can go back."""
        found = []
        for name, spaces in self._hands.spaces.named().items():
            if "next" in spaces:
                found.append(self._under_way(name, spaces["current"], spaces["next"]))
            elif "previous" in spaces:
                n_documents = self._hands.spaces.n_documents(spaces["current"])
                models = (spaces["previous"].model, spaces["current"].model)
                can_revert = self._hands.embedders.has(spaces["previous"])
                found.append(
                    Migration(name, *models, "done", n_documents, n_documents, "", can_revert)
                )
        return found

    # Steps of the queue

    def carry(self, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
        """Bring one document into the next space."""
        space = self._hands.spaces.next_of(int(waiting.task.root))
        if space is None:
            return "skipped", ""  # the wish has changed
        return self._carry(waiting.task.path, space, report)

    def switch(self, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
        """Let the next space answer, once it holds every document."""
        space = self._hands.spaces.next_of(int(waiting.task.root))
        if space is None:
            return "skipped", ""
        for n_carried, document in enumerate(self._hands.spaces.missing(space)):
            if n_carried and self._hands.spaces.is_other_work():
                raise StoppedError
            self._carry(document, space, report)
        reach("space filled")
        dropped = self._hands.spaces.switch(space.id)
        reach("space switched")
        for one in dropped:
            self._hands.drop(one)
        return "done", ""

    def _carry(self, document: str, space: Space, report: Report) -> tuple[TaskState, str]:
        try:
            self._hands.pipeline.carry(document, space, report, self._hands.spaces.is_other_work)
        except DocumentNotFoundError:
            return "skipped", ""
        except CalledAwayError as error:
            raise StoppedError from error  # its turn comes again when nothing else waits
        return "stored", ""

    # Inside

    def _names(self, collection: str | None) -> list[str]:
        if collection is None:
            return [one.name for one in self._hands.store.collections()]
        return [self._hands.store.collection(collection).name]

    def _spaces(self, collection: str | None) -> dict[str, Spaces]:
        if collection is None:
            return dict(self._hands.spaces.named())
        return {collection: self._hands.spaces.of(collection)}

    def _wanted(self, collection: str) -> Embedder:
        store, configured = self._hands.store, self._hands.embedders.configured
        chosen = chosen_model(store, configured, collection) or chosen_model(store, configured)
        return self._hands.embedders.named(chosen or self._hands.embedders.default.model)

    def _choose(self, model: str, collection: str | None) -> None:
        store, embedders = self._hands.store, self._hands.embedders
        if collection is None:
            store.drop_meta(_key(name) for name in self._names(None))
        elif not chosen_model(store, embedders.configured):
            # The next start may not take the model of this one for that of all.
            self._choose(embedders.default.model, None)
        choice = {"configured": embedders.configured, "model": model}
        store.set_meta(_key(collection or ""), json.dumps(choice))

    def _forget_choices(self) -> None:
        """Forget what was chosen under other settings, also for when they come back."""
        store, configured = self._hands.store, self._hands.embedders.configured
        noted = {_key(name): store.meta(_key(name)) for name in ("", *self._names(None))}
        old = [
            key for key, one in noted.items() if one and json.loads(one)["configured"] != configured
        ]
        if old:
            store.drop_meta(old)

    def _start(
        self, wanted: dict[str, Embedder], collection: str | None, *, is_anew: bool = False
    ) -> str:
        tasks: list[Task] = []
        waiting = ""
        for name, embedder in wanted.items():
            try:
                space = self._begin(name, embedder, is_anew=is_anew)
            except CollectionNotFoundError:
                if collection is not None:
                    raise
                continue  # one of all, deleted meanwhile
            if space is None:
                continue
            unfinished = self._hands.spaces.job_of(space, is_unfinished=True)
            if unfinished is not None:
                waiting = unfinished
                continue
            tasks += self._tasks(space)
        if waiting and not tasks:
            return waiting
        return self._hands.queue(collection or "*", tasks)

    def _begin(self, name: str, embedder: Embedder, *, is_anew: bool) -> Space | None:
        """Make the catalogue ready; return the space that is to be filled, if any is."""
        before = self._hands.spaces.of(name).get("next")
        if before is None or binding_of(before) != binding_of(embedder):
            self._aim(name, embedder, is_anew=is_anew)
        return self._hands.spaces.of(name).get("next")

    def _aim(self, name: str, embedder: Embedder, *, is_anew: bool = False) -> None:
        dropped = self._hands.spaces.begin(name, embedder, is_anew=is_anew)
        reach("space begun")
        for one in dropped:
            self._hands.drop(one)

    def _tasks(self, space: Space) -> list[Task]:
        number = str(space.id)
        missing = self._hands.spaces.missing(space)
        return [*(Task("carry", one, number) for one in missing), Task("switch", "", number)]

    def _under_way(self, name: str, current: Space, following: Space) -> Migration:
        n_done, n_documents = self._hands.spaces.counts(following)
        job_id = self._hands.spaces.job_of(following)
        job = None if job_id is None else self._hands.job(job_id)
        state: MigrationState = "failed"
        message = "it was stopped: start it again with `quire migrate --to`"
        if job is not None and job.state in ("queued", "running"):
            state = "running" if job.message else "waiting"
            message = job.message
        elif job is not None:
            message = job.errors[-1].reason if job.errors else job.message or message
        return Migration(
            name,
            current.model,
            following.model,
            state,
            n_done,
            n_documents,
            message,
            can_revert=self._hands.embedders.has(current),
            eta_s=job.eta_s if job is not None else None,
        )
