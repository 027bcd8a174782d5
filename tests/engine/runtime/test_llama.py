"""One native object each, on the real starter model."""

import pytest

from engine.errors import LoadError
from engine.runtime.llama import Model
from engine.types import Options


def test_a_refused_file_quotes_what_llama_cpp_said(tmp_path):
    path = tmp_path / "wrong.gguf"
    path.write_bytes(b"GGUX" * 100)

    with pytest.raises(LoadError, match="invalid magic characters"):
        Model(path, Options())
