"""What is asked of a model's file at every request is read from it once."""

import os
from dataclasses import replace

import pytest

from engine.config import EngineSettings
from engine.errors import LoadError
from engine.library.store import Library
from engine.loading import Loader


def test_a_header_is_read_anew_only_when_its_file_has_changed(starter_models, tmp_path):
    entry = Library(starter_models).find("all-minilm:latest")
    copy = tmp_path / "model.gguf"
    copy.write_bytes(entry.model_path.read_bytes())
    entry = replace(entry, model_path=copy)
    loader = Loader(EngineSettings(tmp_path))
    known = loader.facts(entry)
    status = copy.stat()

    copy.write_bytes(b"\0" * status.st_size)
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert loader.facts(entry) is known
    assert known.context_length == 512

    os.utime(copy, ns=(0, 0))

    with pytest.raises(LoadError, match=r"model\.gguf"):
        loader.facts(entry)
    loader.close()
