"""The pages in the order of the navigation: one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ui.views import ask, documents, evaluate, models, status


@dataclass(frozen=True, slots=True)
class Entry:
    """One page; its title is the sentence of the same name."""

    name: str  # also its address
    show: Callable[[], None]
    icon: str


PAGES = (
    Entry("ask", ask.show, ":material/forum:"),
    Entry("documents", documents.show, ":material/folder_open:"),
    Entry("models", models.show, ":material/memory:"),
    Entry("evaluate", evaluate.show, ":material/quiz:"),
    Entry("status", status.show, ":material/monitor_heart:"),
)
