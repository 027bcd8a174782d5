"""Spaces in, the embedding models that made them out; asks a given function for other models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ingest.errors import ModelMissingError
from ingest.spaces_store import binding_of
from ingest.types import Embedder, Space

EmbedderFor = Callable[[str], Embedder | None]  # name → model; none if it is not installed


class Embedders:
    """The model in use, and those that collections were or will be embedded with."""

    def __init__(
        self, embedder: Embedder, embedder_for: EmbedderFor | None = None, *, configured: str = ""
    ) -> None:
        """Know the model in use.

        Args:
            embedder_for: finds other models by their name; by default there are none.
            configured: what the settings name; a model chosen later wins until that changes.
        """
        self.default = embedder
        self.configured = configured
        self._embedder_for = embedder_for or (
            lambda name: embedder if name == embedder.model else None
        )

    def named(self, model: str) -> Embedder:
        """Find a model by its name.

        Raises:
            ModelMissingError: it is not installed.
        """
        found = self._embedder_for(model)  # also of the model in use: it may be gone by now
        if found is None:
            raise ModelMissingError(model)
        return found

    def of(self, space: Space) -> Embedder:
        """Find the model of a space, with the prefixes that the space was made with.

        Raises:
            ModelMissingError: it is not installed, or another model has its name now.
        """
        is_default = self.default.digest == space.model_digest
        found = self.named(self.default.model if is_default else space.model)
        if (found.digest, found.n_dimensions) != (space.model_digest, space.n_dimensions):
            raise ModelMissingError(space.model, "another model has this name now")
        if binding_of(found) == binding_of(space):
            return found
        return replace(
            found, document_prefix=space.document_prefix, query_prefix=space.query_prefix
        )

    def has(self, space: Space) -> bool:
        """Tell whether the model of a space is installed."""
        try:
            self.of(space)
        except ModelMissingError:
            return False
        return True
