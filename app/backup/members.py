"""Names in, whether they may lie in an archive out; pure.

An archive holds what cannot be made anew: SQLite's files, the settings, the files that lie in the
data directory. The vector index is left out: it is made from the catalogue.
"""

from __future__ import annotations

import re

CATALOGUE = "kb.sqlite3"
CONVERSATIONS = "conversations.sqlite3"
EXAMS = "exam.sqlite3"
ACCESS = "access.sqlite3"
SETTINGS = "quire.toml"

# The catalogue first: its writers may take long, and the others shall not wait for them.
DATABASES = (CATALOGUE, CONVERSATIONS, EXAMS, ACCESS)
STAGING = "staging"
ORIGINALS = "originals"
INBOX = "inbox"
FOLDERS = (STAGING, ORIGINALS, INBOX)
MODELS = "models"

# What makes a data directory a library; models, logs and locks stay where they are.
LIBRARY = (
    *(f"{name}{end}" for name in DATABASES for end in ("", "-wal", "-shm", "-journal")),
    SETTINGS,
    *FOLDERS,
    "chroma",
    "chroma.unclean",
)

_MODEL_FILE = re.compile(
    r"models/(?:blobs/sha256-[0-9a-f]{64}|manifests(?:/[A-Za-z0-9][A-Za-z0-9._:-]{0,349}){4})"
)
_MAX_PART_BYTES = 255
_MAX_PATH_BYTES = 2048
_MAX_DEPTH = 64


def problem_of(name: str) -> str:
    """Say why a file of this name cannot lie in an archive; empty if it can.

    Args:
        name: the path below the data directory, with slashes.
    """
    if name in DATABASES or name == SETTINGS:
        return ""
    first, *rest = name.split("/")
    if first == MODELS:
        return "" if _MODEL_FILE.fullmatch(name) else "it is no file of a models folder"
    if first not in FOLDERS or not rest:
        return "it is no part of a library"
    if any(part in ("", ".", "..") for part in rest):
        return "it leads out of its folder"
    if "\\" in name or any(ord(one) < 32 or ord(one) == 127 for one in name):
        return "its name holds characters that not every system allows"
    try:
        sizes = [len(part.encode()) for part in rest]
    except UnicodeEncodeError:
        return "its name is not valid UTF-8"
    if max(sizes) > _MAX_PART_BYTES or sum(sizes) > _MAX_PATH_BYTES or len(rest) > _MAX_DEPTH:
        return "its name is too long"
    return ""


def digest_in(name: str) -> str:
    """Give the digest that a file's name promises; empty if it promises none."""
    return name.rpartition("sha256-")[2] if name.startswith(f"{MODELS}/blobs/") else ""
