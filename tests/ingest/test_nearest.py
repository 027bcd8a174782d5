from types import SimpleNamespace

import numpy as np
import pytest

from ingest.errors import CollectionNotFoundError
from ingest.nearest import Nearest


class Dropped:
    """An index whose collection goes while it is asked."""

    def __init__(self, is_gone):
        self.is_gone, self.n_looked_up = is_gone, 0

    def of(self, name):
        self.n_looked_up += 1
        if self.is_gone and self.n_looked_up > 1:
            raise CollectionNotFoundError(name)
        return {"current": SimpleNamespace(id=7)}

    def query(self, number, vector, k, document_ids):
        raise RuntimeError("Error sending backfill request")


@pytest.mark.parametrize(
    ("is_gone", "error"), [(True, CollectionNotFoundError), (False, RuntimeError)]
)
def test_an_index_that_fails_is_told_apart_from_one_that_is_gone(is_gone, error):
    world = Dropped(is_gone)
    nearest = Nearest(spaces=world, embedders=None, index=world, searches=None, documents=None)

    with pytest.raises(error):
        nearest.to_vector("fleeting", np.zeros((1, 4), dtype=np.float32), 5, None)
