"""Bytes of a subtitle file (.srt) in, what is spoken as running text out; by a temporary file.

langchain-community's SRTLoader does the reading: it drops numbers and times and loses nothing that
a reader would cite. It reads from disk only.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path

from ingest.errors import BrokenFileError
from ingest.load.build import TextBuilder
from ingest.load.cjk import one_line, unspaced
from ingest.load.decode import decode
from ingest.types import Loaded

_MARKUP = re.compile(r"</?[a-z][^>]{0,80}>|\{\\[^}]{0,80}\}", re.IGNORECASE)


def load(data: bytes, name: str) -> Loaded:
    """Load subtitles: one paragraph, lines joined.

    Raises:
        BrokenFileError: no subtitle could be read.
        EmptyFileError: no line holds text.
    """
    with warnings.catch_warnings():  # the package announces its own end at import
        warnings.simplefilter("ignore")
        from langchain_community.document_loaders import SRTLoader
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "subtitles.srt"
        file.write_text(decode(data), encoding="utf-8")
        try:
            documents = SRTLoader(file).load()
        except (ValueError, OSError, IndexError) as error:
            raise BrokenFileError(f"not a subtitle file: {error}") from error
    builder = TextBuilder()
    for document in documents:
        builder.paragraph(unspaced(one_line(_MARKUP.sub("", document.page_content))))
    return builder.finish("application/x-subrip", nothing="no subtitle holds text")
