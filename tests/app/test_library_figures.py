"""The library's figures for Prometheus."""

from prometheus_client import generate_latest

from app.library_figures import LibraryFigures
from engine.api.metrics import HttpMeter
from ingest.errors import IngestError
from tests.deploy.library import Library


def test_a_library_that_does_not_answer_leaves_the_other_figures_readable():
    http = HttpMeter("1")
    http.registry.register(LibraryFigures(Library(IngestError("locked"))))

    text = generate_latest(http.registry).decode()

    assert "quire_build" in text
    assert "quire_documents" not in text


def test_the_library_tells_what_it_holds_but_no_names():
    http = HttpMeter("1")
    http.registry.register(LibraryFigures(Library()))

    text = generate_latest(http.registry).decode()

    assert "quire_documents 3.0" in text
    assert "quire_chunks 20.0" in text
    assert 'quire_jobs{state="queued"} 1.0' in text
