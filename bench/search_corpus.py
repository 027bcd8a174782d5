"""A number of chunks in, made documents with vectors, and made questions out; pure but for `fill`.

Words are drawn by Zipf's law from 60,000 English and 24,000 Chinese made ones, behind the real
commonest of each; a quarter of a document's words belong to its topic. A chunk's vector lies near
its topic's, which a real model gave, so that a question has neighbours as it has in a real library.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np

N_TOPICS, N_TOPIC_WORDS, TOPIC_SHARE = 256, 300, 0.25
CHUNKS_EACH = 50
NOISE = 0.6  # length of what a chunk's vector adds to its topic's
LOADER_VERSION = 10**6  # nobody's files: no loader shall think them out of date

_COMMON_EN = (
    "the of and to in a is that for it was on are as with his they at be this from have or by one "
    "had not but what all were when we there can an your which their said if do will each about "
    "how up out them then she many some so these would other into has more her two like him see "
    "time could no make than first been its who now people my made over did down only way find use "
    "may water long little very after words called just where most know"
)
_COMMON_ZH = (
    "的一是在不了有和人这中大为上个我以要他时来用们生到作地于出就分对成会可主发年动同工也能"
)
COMMON = {"en": _COMMON_EN.split(), "zh": list(_COMMON_ZH)}
VOCABULARY = {"en": 60_000, "zh": 24_000}
ASKING = {
    "en": ("what is the", "how does the", "where was", "why did the", "which of the", "who said"),
    "zh": ("什么是", "为什么", "哪里有", "如何", "谁", "多少"),
}
_ONSETS = [*"bcdfghjklmnprstvw", "ch", "pr", "st", "th", "tr"]
_VOWELS = "aeiou"
_ENDS = (_ONSETS, _VOWELS, ("", "", "", "n", "r", "l", "t", "st"))


class Language:
    """Words of one language, commonest first."""

    def __init__(self, name, seed=3):
        self.name = name
        words = _made_words(name, random.Random(f"{seed} {name}"))
        self.words = np.array(words, dtype=object)
        odds = 1.0 / np.arange(1, len(words) + 1)
        self._sums = np.cumsum(odds / odds.sum())
        draw = np.random.default_rng(seed)
        ranks = np.arange(len(COMMON[name]) + 200, len(words))
        self._topics = draw.choice(ranks, (N_TOPICS, N_TOPIC_WORDS))
        self.pause = "" if name == "zh" else " "

    def drawn(self, draw, n_words, topic):
        """Draw words, some of them of a topic."""
        places = np.minimum(np.searchsorted(self._sums, draw.random(n_words)), len(self.words) - 1)
        is_topical = draw.random(n_words) < TOPIC_SHARE
        # Within a topic, too, some words are common and most are rare.
        own = (N_TOPIC_WORDS * draw.random(n_words) ** 3).astype(int)
        return self.words[np.where(is_topical, self._topics[topic][own], places)]

    def text(self, draw, n_words, topic):
        """Write sentences."""
        words = list(self.drawn(draw, n_words, topic))
        stop = "。" if self.name == "zh" else ". "
        parts = [words[at : at + 14] for at in range(0, n_words, 14)]
        return stop.join(self.pause.join(part) for part in parts) + stop.strip()

    def ranked(self, draw, n_words, first, last):
        """Draw words evenly from a range of ranks."""
        return list(self.words[draw.integers(first, min(last, len(self.words)), n_words)])


def _made_words(language, draw):
    """Put made words behind the real commonest, the short ones first, as they are."""
    made = {}
    while len(made) < VOCABULARY[language] - len(COMMON[language]):
        made.setdefault(_word_zh(draw) if language == "zh" else _word_en(draw))
    return [*dict.fromkeys([*COMMON[language], *sorted(made, key=len)])]


def _word_en(draw):
    return "".join(draw.choice(end) for _ in range(draw.choice((1, 2, 2, 3))) for end in _ENDS)


def _word_zh(draw):
    # The square makes some characters common, as they are.
    n_characters = 2 if draw.random() < 0.88 else 3
    return "".join(chr(0x4E00 + int(3500 * draw.random() ** 2)) for _ in range(n_characters))


def languages():
    """Make the words of both languages."""
    return {name: Language(name) for name in ("en", "zh")}


def language_of(n):
    """Tell the language of a document: every third is Chinese."""
    return "zh" if n % 3 == 2 else "en"


def topic_texts(spoken):
    """Write one text for each topic, which a model is to embed."""
    draw = np.random.default_rng(17)
    return [
        spoken[language_of(topic)].text(draw, 60, topic).replace("\n", " ")
        for topic in range(N_TOPICS)
    ]


def document(spoken, n, n_chunks=CHUNKS_EACH):
    """Write the texts of a document's chunks; tell its topic."""
    draw = np.random.default_rng((5, n))
    language = spoken[language_of(n)]
    topic = (n % 3 + 3 * int(draw.integers(N_TOPICS // 3))) % N_TOPICS
    sizes = draw.integers(100, 171, n_chunks)
    return [language.text(draw, int(size), topic) for size in sizes], topic


def vectors_near(centre, n, n_chunks):
    """Draw vectors of length 1 near a centre."""
    draw = np.random.default_rng((6, n))
    noise = draw.standard_normal((n_chunks, len(centre))) * (NOISE / np.sqrt(len(centre)))
    rows = (centre + noise).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def questions(spoken, n, *, seed=23):
    """Write questions of 3 to 20 words in both languages: (language, kind, text).

    Common words stand in thousands of chunks, rare ones in few; the words of a mixed question are
    drawn as those of the documents are.
    """
    draw = np.random.default_rng(seed)
    kinds = ("common", "rare", "mixed")
    for at in range(n):
        language, kind = spoken[("en", "zh")[at % 2]], kinds[at // 2 % 3]
        n_words, n_common = int(draw.integers(3, 21)), len(COMMON[language.name])
        if kind == "mixed":
            words = list(language.drawn(draw, n_words, int(draw.integers(N_TOPICS))))
        elif kind == "common":
            words = language.ranked(draw, n_words, n_common // 2, n_common + 300)
        else:
            words = language.ranked(draw, n_words, 3_000, 30_000)
        asking = ASKING[language.name][int(draw.integers(6))]
        yield language.name, kind, f"{asking}{language.pause}{language.pause.join(words)}?"


def fill(catalogue, spoken, centres, n_chunks, report):
    """Write documents, chunks and vectors into a catalogue's default collection.

    What is there already stays, so that a larger library can be made of a smaller one.
    """
    from contextlib import closing

    from ingest.documents_store import Documents, Place
    from ingest.store import Store

    with closing(Store(catalogue)) as store:
        documents = Documents(store)
        collection = store.collections()[0].name
        space_id = store.space_ids()[0]
        there = len(documents.ids(collection))
        for n in range(there, n_chunks // CHUNKS_EACH):
            loaded, chunks, about = _made(spoken, n)
            vectors = vectors_near(centres[about], n, len(chunks))
            keys = [hashlib.sha256(row.tobytes()).digest() for row in vectors]
            documents.add_vectors(keys, vectors)
            documents.add(
                _described(collection, n, len(loaded.text), len(chunks)),
                loaded,
                {space_id: list(zip(chunks, keys, strict=True))},
                Place(f"made/report-{n}.md"),
                loader_version=LOADER_VERSION,
            )
            if n % 500 == 499:
                report(f"{(n + 1) * CHUNKS_EACH:,} chunks written")
        store.truncate_log()


def _made(spoken, n):
    from ingest.types import Block, Chunk, Loaded

    texts, about = document(spoken, n)
    blocks, chunks, at = [], [], 0
    for number, text in enumerate(texts):
        headings = (f"Report {n}", f"Part {number // 10}")
        end = at + len(text)
        page = 1 + number // 3
        blocks.append(Block(at, end, "paragraph", headings, page))
        chunks.append(
            Chunk(at, end, text, headings, page, 200, parent=(at, end), language=language_of(n))
        )
        at = end + 2
    return Loaded("\n\n".join(texts), tuple(blocks), title=f"Report {n}"), chunks, about


def _described(collection, n, n_characters, n_chunks):
    from ingest.documents_store import document_id
    from ingest.store import now
    from ingest.types import Document

    digest = hashlib.sha256(f"report {n}".encode()).hexdigest()
    return Document(
        id=document_id(collection, digest),
        collection=collection,
        digest=digest,
        title=f"Report {n}",
        media_type="text/markdown",
        paths=(f"made/report-{n}.md",),
        size_bytes=n_characters,
        n_characters=n_characters,
        n_chunks=n_chunks,
        added_at=now(),
    )
