"""A folder in, the starter models in it out; an engine on them, if one is wanted."""

from __future__ import annotations

from contextlib import contextmanager


def install(folder):
    """Install the starter models into a models folder; return it as a library."""
    from engine.library.starters import install_starters
    from engine.library.store import Library

    library = Library(folder)
    for _ in install_starters(library):
        pass
    return library


@contextmanager
def starter_engine(folder, **settings):
    """Open an engine on the starter models, which stay in memory once loaded.

    OpenMP is to be calm by then: see `engine.config.calm_openmp`.
    """
    from engine.config import EngineSettings
    from engine.engine import Engine

    install(folder)
    with Engine(EngineSettings(folder, keep_alive_s=-1, **settings)) as engine:
        yield engine
