"""Text → spans of its sentences, English and Chinese, as ingestion cuts them; pure."""

from __future__ import annotations

from ingest.sentences import MAX_SENTENCE, cut, spans, split

__all__ = ["MAX_SENTENCE", "cut", "spans", "split"]
