"""Small real stand-ins: an embedding model of hashed terms, a loader of plain text."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from ingest.errors import BrokenFileError
from ingest.types import Block, Embedder, Loaded

_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")


def count_tokens(texts: Sequence[str]) -> list[int]:
    return [len(_TOKEN.findall(text)) for text in texts]


def bag_of_terms(text: str, n_dimensions: int = 64) -> np.ndarray:
    vector = np.zeros(n_dimensions, np.float32)
    for token in _TOKEN.findall(text.casefold()):
        digest = hashlib.blake2b(token.encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "little")
        vector[place % n_dimensions] += 1.0 if place & (1 << 40) else -1.0
    length = float(np.linalg.norm(vector))
    if length == 0:
        vector[0] = length = 1.0
    return vector / np.float32(length)


class FakeModel:
    """A deterministic embedding model that counts what it is asked to embed."""

    def __init__(self, n_dimensions: int = 64) -> None:
        self.n_dimensions = n_dimensions
        self.n_embedded = 0

    def embed(self, texts: Sequence[str], is_query: bool) -> np.ndarray:
        assert 0 < len(texts) <= 64
        if not is_query:
            self.n_embedded += len(texts)
        return np.stack([bag_of_terms(text, self.n_dimensions) for text in texts])

    def embedder(self, **changes) -> Embedder:
        fields = {
            "model": "bag:latest",
            "digest": "sha256:" + "b" * 64,
            "n_dimensions": self.n_dimensions,
            "max_tokens": 256,
            "document_prefix": "",
            "query_prefix": "",
            "embed": self.embed,
            "count_tokens": count_tokens,
        }
        return Embedder(**(fields | changes))


def load_plain(data: bytes, name: str) -> Loaded:
    """Read UTF-8 text; paragraphs are blocks, lines that begin with # are headings."""
    if b"\0broken" in data:
        raise BrokenFileError(f"{name} is damaged")
    text = data.decode()
    blocks = []
    path: tuple[str, ...] = ()
    for match in re.finditer(r"[^\n]+(?:\n[^\n]+)*", text):
        is_heading = match.group().startswith("#")
        if is_heading:
            path = (match.group().lstrip("# "),)
        kind = "heading" if is_heading else "paragraph"
        blocks.append(Block(match.start(), match.end(), kind, path))
    return Loaded(text, tuple(blocks), title=path[0] if path else "")
