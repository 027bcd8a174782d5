from collections.abc import Callable
from contextlib import ExitStack

import pytest

from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def open_kb(tmp_path, model) -> Callable[..., KnowledgeBase]:
    """Open the library in this test's folder; whatever is still open is closed at the end."""
    with ExitStack() as opened:

        def open_one(embedder=None, load=load_plain, **limits):
            kb = KnowledgeBase(
                tmp_path / "home",
                embedder or model.embedder(),
                load=load,
                **({"chunk_tokens": 60, "max_file_bytes": 1_000_000} | limits),
            )
            return opened.enter_context(kb)

        yield open_one


@pytest.fixture
def kb(open_kb):
    return open_kb()


@pytest.fixture
def folder(tmp_path):
    """A folder to be watched."""
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def put(kb):
    """Ingest texts by path into a collection and wait."""

    def put_all(files: dict[str, str | bytes], collection="default"):
        data = [
            (path, one if isinstance(one, bytes) else one.encode()) for path, one in files.items()
        ]
        return kb.wait(kb.submit(collection, data), 30)

    return put_all
