"""What every look of `quire doctor` gives: a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    cure: str = ""
    # By these other languages word it; stable, so they are part of the API.
    code: str = field(default="", compare=False)
    values: Mapping[str, str] = field(default_factory=dict, compare=False)
