"""Names that strangers give in, whether and how they are used out; pure."""

from __future__ import annotations

import unicodedata

from ingest.errors import CollectionNameError

_MAX_NAME_CHARACTERS = 63


def require_name(name: str) -> None:
    """Make sure that a text can name a collection.

    Raises:
        CollectionNameError: it cannot.
    """
    if not _is_name(name):
        raise CollectionNameError(
            f"{name!r} cannot name a collection: take 1 to 63 letters of any script, digits, "
            "'-', '_', '.' or spaces inside"
        )


def shown(path: str) -> str:
    """Clean a path that a stranger sent; it is a label only and never opened."""
    clean = path.replace("\0", "").encode(errors="replace").decode().strip()
    return "/".join(part for part in clean.split("/") if part not in ("", ".", "..")) or "unnamed"


def _is_name(name: str) -> bool:
    """Tell whether a text can name a collection; dots alone would be lost in an address."""
    return (
        0 < len(name) <= _MAX_NAME_CHARACTERS
        and name == name.strip()
        and name.strip(".") != ""
        and all(one in "-_. " or unicodedata.category(one)[0] in "LMN" for one in name)
    )
