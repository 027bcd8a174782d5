"""The version stands in two places."""

from __future__ import annotations

import tomllib
from pathlib import Path

from app.version import VERSION


def test_the_version_is_the_packages():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["version"] == VERSION
