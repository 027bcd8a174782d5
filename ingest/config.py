"""The environment in, the environment of a child process that may not reach the network out."""

from __future__ import annotations

import os

_QUIET = {
    "DO_NOT_TRACK": "1",  # unstructured pings a server at import otherwise
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONIOENCODING": "utf-8",
    "LC_ALL": "C.UTF-8",  # pandoc reads its input names and writes by the locale
}


def offline_environment() -> dict[str, str]:
    """Copy the environment with everything switched off that would report or download."""
    return {**os.environ, **_QUIET}
