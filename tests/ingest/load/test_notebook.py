import json

import pytest

from ingest.errors import BrokenFileError, EmptyFileError
from ingest.load.loaders import load

CELLS = [
    {
        "cell_type": "markdown",
        "source": [
            "# 销售分析\n",
            "\n",
            "本笔记分析华东区。\n",
            "\n",
            "| a | b |\n",
            "|---|---|\n",
            "| 1 | 2 |",
        ],
    },
    {
        "cell_type": "code",
        "source": "print(6 * 7)",
        "outputs": [{"output_type": "stream", "text": ["42\n"]}],
    },
    {
        "cell_type": "code",
        "source": "plot()",
        "outputs": [{"output_type": "display_data", "data": {"image/png": "AAAA"}}],
    },
    {"cell_type": "markdown", "source": "## Result"},
]


def test_cells_become_headings_text_tables_code_and_results():
    loaded = load(json.dumps({"cells": CELLS, "nbformat": 4}).encode(), "a.ipynb")

    assert loaded.text.split("\n\n") == [
        "销售分析",
        "本笔记分析华东区。",
        "a | b\n1 | 2",
        "print(6 * 7)",
        "42",
        "plot()",
        "Result",
    ]
    assert loaded.blocks[3].kind == "code"
    assert loaded.blocks[3].headings == ("销售分析",)
    assert loaded.title == "销售分析"


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"cells": 3}', b'{"cells": ["x"]}', b"[" * 100_000]
)
def test_what_is_no_notebook_is_refused(data):
    with pytest.raises(BrokenFileError):
        load(data, "a.ipynb")


def test_a_notebook_without_text_is_an_error():
    with pytest.raises(EmptyFileError):
        load(b'{"cells": []}', "a.ipynb")
