"""A library of a few made-up documents, searched by counting words, and its examiner."""

from __future__ import annotations

import hashlib
import math

import pytest

from app.exam.examiner import Examiner, Hands
from app.exam.store import ExamStore
from app.exam.types import Part, Source
from app.query.beats import Beats
from app.query.words import content_terms, hold
from ingest.errors import CollectionNotFoundError, DocumentNotFoundError
from ingest.language import language_of
from ingest.types import Chunk, Document, Hit

TOWNS = "Arden Brill Corby Dunmere Elswick Farley Garth Hexley Ilmer Jarrow Kirby Lorton".split()
CITIES = "青州 博野 昌黎 德化 恩平 丰城 高邮 和县".split()


def english(number: int, town: str) -> str:
    return (
        f"# {town}\n\n"
        f"The lighthouse of {town} was built in {1800 + 7 * number} by Miles {town}son. "
        f"Its tower stands {20 + number}.5 metres above the harbour wall of the old town. "
        f"The ferry to {town} carries {100 + 13 * number} passengers on every summer morning.\n\n"
        f"The brewery of {town} sells its dark beer under the name Black {town} Stout abroad.\n\n"
        f"| Season | Boats in {town} | Master |\n|---|---|---|\n"
        f"| spring | {10 + number} | Ann {town} |\n| autumn | {40 + number} | Tom {town} |\n"
    )


def chinese(number: int, city: str) -> str:
    return (
        f"# {city}\n\n{city}图书馆于{1950 + 3 * number}年正式开放，藏书共有{300 + number}万册。"
        f"{city}博物馆位于{city}市人民路{60 + number}号，每天接待游客{800 + number}人。\n"
    )


TEXTS = {f"{town.lower()}.md": english(at, town) for at, town in enumerate(TOWNS)} | {
    f"{city}.md": chinese(at, city) for at, city in enumerate(CITIES)
}


class Shelf:
    """Documents that can be changed and deleted while an exam is taken."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = dict(texts)  # by path
        self.n_searches = 0
        self.is_gone = False

    def digest(self, path: str) -> str:
        return hashlib.sha256(self.texts[path].encode()).hexdigest()

    def id_of(self, path: str) -> str:
        return self.digest(path)[:16]

    def path_of(self, document_id: str) -> str:
        for path in self.texts:
            if self.id_of(path) == document_id:
                return path
        raise DocumentNotFoundError(document_id)

    def text(self, document_id: str) -> str:
        return self.texts[self.path_of(document_id)]

    def document(self, document_id: str) -> Document:
        path = self.path_of(document_id)
        text = self.texts[path]
        return Document(
            document_id, "default", self.digest(path), text.split("\n")[0].strip("# "),
            "text/markdown", (path,), len(text.encode()), len(text), 1, "",
        )  # fmt: skip

    def documents(self, collection: str) -> list[Document]:
        self.check(collection)
        return [self.document(self.id_of(path)) for path in self.texts]

    def check(self, collection: str) -> None:
        if self.is_gone or collection != "default":
            raise CollectionNotFoundError(collection, ())

    def chunks(self, document_id: str) -> list[Chunk]:
        text, found, at = self.text(document_id), [], 0
        title = text.split("\n")[0].strip("# ")
        for part in text.split("\n\n"):
            if not part.startswith("#"):
                found.append(Chunk(at, at + len(part), part, (title,)))
            at += len(part) + 2
        return found

    def source(self, path: str) -> Source:
        held = self.document(self.id_of(path))
        parts = tuple(Part(one.start, one.end, one.headings) for one in self.chunks(held.id))
        text = self.texts[path]
        return Source(held.digest, path, held.title, text, parts, language_of(text))

    def sources(self) -> list[Source]:
        return [self.source(path) for path in self.texts]

    def lexical(self, collection: str, query: str, k: int, ids: object) -> list[Hit]:
        self.check(collection)
        self.n_searches += 1
        chunks = [(path, one) for path in self.texts for one in self.chunks(self.id_of(path))]
        held = [hold(f"{one.headings[0]}\n{one.text}") for _, one in chunks]
        terms = content_terms(query)
        counts = {term: sum(text.has(term) for text in held) for term in terms}
        found = []
        for number, ((path, one), text) in enumerate(zip(chunks, held, strict=True)):
            score = sum(math.log(1 + len(held) / counts[term]) for term in terms if text.has(term))
            if score:
                found.append(
                    Hit(
                        number,
                        self.id_of(path),
                        path,
                        one.headings[0],
                        None,
                        one.headings,
                        one.start,
                        one.end,
                        one.text,
                        score,
                    )  # fmt: skip
                )
        return sorted(found, key=lambda hit: -hit.score)[:k]

    def is_held(self, word: str) -> bool:
        return bool(self.lexical("default", word, 1, None))

    def beats(self, **changes: object) -> Beats:
        given: dict[str, object] = {
            "check_collection": self.check,
            "documents": self.documents,
            "dense": lambda collection, query, k, ids: self.lexical(collection, query, k, ids),
            "lexical": self.lexical,
            "text": self.text,
            "count_tokens": lambda model, texts: [len(text) // 2 + 1 for text in texts],
            "context_length": lambda model: 4096,
            "check_chat": lambda model: None,
            "embedding_model": lambda collection: "bge-m3:latest",
        }
        return Beats(**{**given, **changes})

    def hands(self) -> Hands:
        return Hands(
            documents=self.documents,
            document=self.document,
            has=lambda _, digest: digest in {self.digest(path) for path in self.texts},
            chunks=self.chunks,
            settings=lambda collection: {"embedding": "bge-m3:latest"},
        )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(TEXTS)


@pytest.fixture
def examiner(shelf, tmp_path):
    """An examiner without a reranker; closed at the end."""
    made = Examiner(ExamStore(tmp_path / "exam.sqlite3"), shelf.beats(), shelf.hands())
    yield made
    made.close()
