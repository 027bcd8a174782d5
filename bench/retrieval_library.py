"""Set folders in, a library that holds each as a collection out; what is there is used again."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager

from bench.ingest_speed import library, starter_embedder
from bench.starters import starter_engine

WAIT_S = 3600
TOGETHER = "together"


def measures_of(folder):
    """Import measures.py of an evaluation folder: it says what hit@k and the others mean."""
    spec = importlib.util.spec_from_file_location("measures", folder / "measures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["measures"] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


@contextmanager
def opened(home, sets, together=()):
    """Open a library in which every set is a collection of its name, indexed if it is new.

    Args:
        together: names of sets that are indexed once more, all in one collection.
    """
    with (
        starter_engine(home / "models") as engine,
        library(home, starter_embedder(engine)) as kb,
    ):
        for data in sets:
            _fill(kb, data.name, data.files)
        several = [data for data in sets if data.name in together]
        if len(several) > 1:
            _fill(
                kb, TOGETHER, {name: path for data in several for name, path in data.files.items()}
            )
        yield kb, engine


def _fill(kb, collection, files):
    kb.create_collection(collection)
    if kb.collection(collection).n_documents:
        return
    job = kb.wait(kb.submit(collection, [(name, path) for name, path in files.items()]), WAIT_S)
    assert job.state == "done", job
    for error in job.errors:
        print(f"{collection}: {error.path}: {error.reason}", file=sys.stderr)
