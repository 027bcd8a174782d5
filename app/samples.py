"""The sample documents of a source checkout with a question for them; looks at the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

QUESTION_FILE = "question.txt"  # beside the samples' folder, not among the documents


@dataclass(frozen=True, slots=True)
class Samples:
    """A folder of documents, a question about them."""

    folder: Path
    question: str


def find_samples(root: Path | None = None) -> Samples | None:
    """Look for data/samples beside the package; None if this is no checkout.

    Args:
        root: of the checkout; None takes where this file lies.
    """
    data = (root or Path(__file__).resolve().parents[1]) / "data"
    folder = data / "samples"
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    asked = data / QUESTION_FILE
    if asked.is_file():
        return Samples(folder, asked.read_text(encoding="utf-8").strip())
    return Samples(folder, "What are these documents about?")
