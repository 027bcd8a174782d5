"""A library with one collection and one job, as far as its figures go."""

from types import SimpleNamespace


class Library:
    def __init__(self, error=None):
        self._error = error

    def collections(self):
        if self._error:
            raise self._error
        return [SimpleNamespace(n_documents=3, n_chunks=20)]

    def status(self):
        return {"jobs": {"queued": 1, "running": 0}}
