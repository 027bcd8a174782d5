"""Bytes of a Jupyter notebook in, its notes and code cell by cell out; pure.

langchain-community's NotebookLoader writes each cell as the repr of a Python list, line breaks
escaped, headings lost; the file is JSON, so it is read here directly.
"""

from __future__ import annotations

import json

from ingest.errors import BrokenFileError
from ingest.load.build import TextBuilder
from ingest.load.cjk import clean
from ingest.load.decode import decode
from ingest.load.markdown import plain, structure
from ingest.types import Loaded

MAX_OUTPUT = 4000  # characters of one output: tables and results, not logs


def load(data: bytes, name: str) -> Loaded:
    """Load a notebook: text cells with headings, code cells, printed results.

    Raises:
        BrokenFileError: not a notebook.
        EmptyFileError: no cell holds text.
    """
    try:
        notebook = json.loads(decode(data))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        builder = TextBuilder()
        for cell in cells:
            _read_cell(builder, cell)
    except RecursionError as error:
        raise BrokenFileError("nested deeper than any notebook is") from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BrokenFileError(f"not a notebook: {error!r}") from error
    return builder.finish("application/x-ipynb+json", nothing="no cell holds text")


def _read_cell(builder: TextBuilder, cell: dict[str, object]) -> None:
    source = _joined(cell.get("source", cell.get("input", "")))
    kind = cell.get("cell_type")
    if kind == "markdown":
        _read_markdown(builder, source)
    elif kind == "code":
        builder.code(source)
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            _read_output(builder, output)
    else:
        builder.paragraph(source)


def _read_markdown(builder: TextBuilder, source: str) -> None:
    source = clean(source)
    for block in structure(source):
        text = source[block.start : block.end]
        if block.kind == "heading":
            level = len(text) - len(text.lstrip("#")) or (1 if "=" in text else 2)
            builder.heading(plain(block.headings[-1]), level)
        elif block.kind == "table":
            rows = [line.strip().strip("|").split("|") for line in text.splitlines()]
            builder.table([row for row in rows if set("".join(row)) - set(" :-")], has_header=True)
        elif block.kind == "code":
            builder.code(text)
        elif block.kind == "list":
            builder.items(text.splitlines())
        else:
            builder.paragraph(text)


def _read_output(builder: TextBuilder, output: dict[str, object]) -> None:
    data = output.get("data")
    text = output.get("text", "")
    if isinstance(data, dict):
        text = data.get("text/markdown") or data.get("text/plain") or ""
    written = _joined(text)
    if len(written) <= MAX_OUTPUT:
        builder.code(written)
    else:
        builder.code(written[:MAX_OUTPUT])
        builder.warnings.append(
            f"an output of {len(written):,} characters was cut to {MAX_OUTPUT:,}"
        )


def _joined(source: object) -> str:
    return "".join(str(line) for line in source) if isinstance(source, list) else str(source or "")
