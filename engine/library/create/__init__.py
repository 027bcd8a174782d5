"""A CreateRequest in, an installed model and lines of progress out; writes the models folder."""

from engine.library.create.model import create

__all__ = ["create"]
