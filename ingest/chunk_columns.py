"""Chunks of one text in, columns of numbers kept, each chunk out again when it is asked for; pure.

A book's chunks as objects hold its text a second time; as numbers they take 64 bytes each.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import overload

from ingest.types import Chunk

_N_COLUMNS = 8


class Chunks(Sequence[Chunk]):
    """The chunks of one text in order; the words of each are cut out when it is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._numbers = array("q")
        self._paths: dict[tuple[str, ...], int] = {}
        self._languages: dict[str, int] = {}
        self._listed: tuple[list[tuple[str, ...]], list[str]] = ([], [])

    def append(
        self,
        numbers: tuple[int, int, int, int, int],
        headings: tuple[str, ...],
        page: int | None,
        language: str,
    ) -> None:
        """Keep one more chunk of this text.

        Args:
            numbers: start, end, n_tokens, and the parent's start and end.
        """
        paths, languages = self._listed
        path = self._paths.setdefault(headings, len(paths))
        if path == len(paths):
            paths.append(headings)
        spoken = self._languages.setdefault(language, len(languages))
        if spoken == len(languages):
            languages.append(language)
        self._numbers.extend((*numbers, -1 if page is None else page, path, spoken))

    def __len__(self) -> int:
        return len(self._numbers) // _N_COLUMNS

    def __iter__(self) -> Iterator[Chunk]:
        numbers = iter(self._numbers)
        return starmap(self._chunk, zip(*[numbers] * _N_COLUMNS, strict=True))

    @overload
    def __getitem__(self, at: int) -> Chunk: ...

    @overload
    def __getitem__(self, at: slice) -> list[Chunk]: ...

    def __getitem__(self, at: int | slice) -> Chunk | list[Chunk]:
        places = range(len(self))[at]
        return self._at(places) if isinstance(places, int) else [self._at(one) for one in places]

    def _at(self, place: int) -> Chunk:
        return self._chunk(*self._numbers[place * _N_COLUMNS : (place + 1) * _N_COLUMNS])

    def _chunk(self, start: int, end: int, *rest: int) -> Chunk:
        n_tokens, parent_start, parent_end, page, path, language = rest
        paths, languages = self._listed
        return Chunk(
            start=start,
            end=end,
            text=self._text[start:end],
            headings=paths[path],
            page=None if page < 0 else page,
            n_tokens=n_tokens,
            parent=(parent_start, parent_end),
            language=languages[language],
        )


class Keyed(Sequence[tuple[Chunk, bytes]]):
    """Chunks, each with the key of its vector."""

    def __init__(self, chunks: Sequence[Chunk], keys: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[tuple[Chunk, bytes]]:
        return zip(self.chunks, self.keys, strict=True)

    @overload
    def __getitem__(self, at: int) -> tuple[Chunk, bytes]: ...

    @overload
    def __getitem__(self, at: slice) -> list[tuple[Chunk, bytes]]: ...

    def __getitem__(self, at: int | slice) -> tuple[Chunk, bytes] | list[tuple[Chunk, bytes]]:
        if isinstance(at, int):
            return self.chunks[at], self.keys[at]
        return list(zip(self.chunks[at], self.keys[at], strict=True))
