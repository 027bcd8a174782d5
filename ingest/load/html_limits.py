"""A page as text in, the same without what no parser of pages needs, or a refusal, out; pure."""

from __future__ import annotations

import re

from ingest.errors import BrokenFileError

MAX_ATTRIBUTES = 5000  # of one element; lexbor's time grows with their square
_LONG_TAG = 50_000  # characters; shorter ones cannot hold too many
_HEAD = 4096  # characters in which a page's type is declared
_DECLARATION = re.compile(r"<!DOCTYPE\b[^>\[]{0,1000}\[", re.IGNORECASE)
_SUBSET_END = re.compile(r"\]\s*>")
_TAG = re.compile(rf"<[A-Za-z][^<>]{{{_LONG_TAG},}}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def limited(html: str) -> str:
    """Take the declarations of entities out: they are never expanded, and browsers show their rest.

    Raises:
        BrokenFileError: an element has more attributes than any page needs.
    """
    for tag in _TAG.finditer(html):
        if len(_QUOTED.sub("", tag.group()).split()) > MAX_ATTRIBUTES:
            raise BrokenFileError(
                f"an element has over {MAX_ATTRIBUTES:,} attributes: no page needs that"
            )
    declared = _DECLARATION.search(html, 0, _HEAD)
    end = _SUBSET_END.search(html, declared.end()) if declared else None
    return html[: declared.start()] + html[end.end() :] if declared and end else html
