"""A picture of a page in, its paragraphs out, by the `tesseract` program.

Called as a child with a time limit, one thread and no shell; it gets the picture as a PGM through a
pipe, so nothing is written to disk. Its table of words (TSV) keeps paragraphs apart and says how
sure it is of each word, which its plain text does not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ingest.config import offline_environment
from ingest.load.cjk import clean, glue, unspaced
from ingest.load.ocr_tries import Reading, surest
from ingest.load.picture import DPI as DPI
from ingest.load.picture import Picture as Picture

LANGUAGES = ("eng", "chi_sim")  # those of them that are installed are used
_SHOWN = {"eng": "English", "chi_sim": "Chinese"}
PAGE_TIMEOUT_S = 90.0  # all tries together; a page takes 1 to 3 s, a bad one three times that
MAX_PIXELS = 25_000_000  # A3 at 300 dpi has 17 million
INSTALL = (
    "install tesseract (Debian: `apt install tesseract-ocr tesseract-ocr-chi-sim`, "
    "macOS: `brew install tesseract tesseract-lang`), then add the file again"
)
_MIN_CONFIDENCE = 30.0  # of 100, over a line; below it is dust, shading, a piece of a picture
_MIN_CONFIDENCE_ALONE = 65.0  # where page analysis saw no text at all
_LETTERS_AT_LEAST = 2  # of a page; less is dust, too
_ORIENTATION = "osd"  # the data by which tesseract finds out what is up
_ROTATE = re.compile(r"^Rotate: (\d+)$", re.MULTILINE)
_ROTATE_CONFIDENCE = re.compile(r"^Orientation confidence: ([\d.]+)$", re.MULTILINE)
_SURE_OF_ROTATION = 2.0  # tesseract's measure: what is upright or turned reaches 8 and more


class OcrError(Exception):
    """One picture could not be read; the rest goes on."""


Recognise = Callable[[Picture], list[str]]  # raises OcrError


@dataclass(frozen=True, slots=True)
class Ocr:
    """What is installed to read pictures."""

    languages: tuple[str, ...]
    recognise: Recognise

    def warning(self, where: str) -> str:
        """Say what was read so, in which languages, and which are missing."""
        read = " and ".join(_SHOWN[one] for one in self.languages)
        missing = [one for one in LANGUAGES if one not in self.languages]
        more = "; ".join(
            f"for {_SHOWN[one]} install tesseract-ocr-{one.replace('_', '-')}" for one in missing
        )
        return f"read by OCR in {read}: {where}; it may hold mistakes" + (more and f"; {more}")


FindOcr = Callable[[], Ocr | None]  # None: not installed


def find() -> Ocr | None:
    """Find tesseract and the languages that it has."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    try:
        listed = run([program, "--list-langs"], b"").decode("utf-8", "replace").split()
    except OcrError:
        return None
    languages = tuple(one for one in LANGUAGES if one in listed)
    if not languages:
        return None

    def recognise(picture: Picture) -> list[str]:
        return _Page(program, languages, _ORIENTATION in listed).read(picture)

    return Ocr(languages, recognise)


class _Page:
    """One page's tries, which share its time."""

    def __init__(self, program: str, languages: Sequence[str], knows_orientation: bool) -> None:
        self._program = program
        self._languages = "+".join(languages)
        self._knows_orientation = knows_orientation
        self._deadline = time.monotonic() + PAGE_TIMEOUT_S

    def read(self, picture: Picture) -> list[str]:
        """Read a picture; again if in doubt.

        Raises:
            OcrError: it could not be read even once.
        """
        first = reading(self._run(picture, self._languages, "tsv"))
        lit = picture.evened()
        again = self._try(lit) if lit is not picture else None
        if again is not None and again.weight > first.weight:
            picture, first = lit, again
        if first.n_characters or not picture.is_blank():
            best = surest(picture, first, self._try, self._turn)
            if best.paragraphs:
                return list(best.paragraphs)
        if picture.is_blank():
            return []
        # Its analysis of the page takes a lone line for a picture; as one block it is read.
        table = self._run(picture, self._languages, "--psm", "6", "tsv")
        return paragraphs(table, min_confidence=_MIN_CONFIDENCE_ALONE)

    def _try(self, picture: Picture) -> Reading | None:
        try:
            return reading(self._run(picture, self._languages, "tsv"))
        except OcrError:  # the reading before is better than none
            return None

    def _turn(self, picture: Picture) -> int:
        if not self._knows_orientation:
            return 0
        try:
            told = self._run(picture, _ORIENTATION, "--psm", "0")
        except OcrError:  # too few letters to tell
            return 0
        found, sure = _ROTATE.search(told), _ROTATE_CONFIDENCE.search(told)
        if found is None or sure is None or float(sure.group(1)) < _SURE_OF_ROTATION:
            return 0
        return int(found.group(1))

    def _run(self, picture: Picture, languages: str, *options: str) -> str:
        header = b"P5\n%d %d\n255\n" % (picture.width, picture.height)
        command = [self._program, "stdin", "stdout", "-l", languages, "--dpi", str(picture.dpi)]
        timeout_s = max(self._deadline - time.monotonic(), 1.0)
        told = run([*command, *options], header + picture.pixels, timeout_s=timeout_s)
        return told.decode("utf-8", "replace")


def reading(table: str) -> Reading:
    """Weigh tesseract's table of words; pure."""
    words = _words(table)
    if not words:
        return Reading(())
    n_characters = sum(len(row[11]) for row in words)
    return Reading(tuple(paragraphs(table)), n_characters, _confidence(words))


def paragraphs(table: str, *, min_confidence: float = _MIN_CONFIDENCE) -> list[str]:
    """Put tesseract's table of words together to paragraphs, unsure lines left out; pure."""
    found = []
    for _, in_paragraph in groupby(_words(table), key=lambda row: row[2:4]):
        text = ""
        for _, in_line in groupby(in_paragraph, key=lambda row: row[4]):
            line = list(in_line)
            if _confidence(line) >= min_confidence:
                text = _glued(text, _joined(row[11] for row in line))
        if any(character.isalnum() for character in text):
            found.append(text)
    n_letters = sum(character.isalnum() for text in found for character in text)
    return found if n_letters >= _LETTERS_AT_LEAST else []


def _words(table: str) -> list[list[str]]:
    rows = [line.split("\t") for line in table.splitlines()]
    return [row for row in rows if len(row) == 12 and row[0] == "5" and row[11].strip()]


def _confidence(line: Sequence[list[str]]) -> float:
    """Weigh tesseract's confidence in a line's words by their length."""
    n_characters = sum(len(row[11]) for row in line)
    return sum(float(row[10]) * len(row[11]) for row in line) / n_characters


def _joined(words: Iterable[str]) -> str:
    """Join words; tesseract parts Chinese characters by blanks."""
    return unspaced(clean(" ".join(words)))


def _glued(text: str, line: str) -> str:
    """Join lines; a word cut by a hyphen at the line's end becomes whole."""
    if text.endswith("-") and text[-2:-1].isalpha() and line[:1].islower():
        return text[:-1] + line
    return text + glue(text, line) + line


def run(command: list[str], data: bytes, *, timeout_s: float = PAGE_TIMEOUT_S) -> bytes:
    """Run a program on bytes from a pipe, for so long and not longer.

    Raises:
        OcrError: it does not start, fails or takes too long.
    """
    environment = {**offline_environment(), "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, check=True,
            timeout=timeout_s, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OcrError(f"tesseract took over {timeout_s:g} s") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason"]
        raise OcrError(f"tesseract failed: {reason[0][:200]}") from error
    except OSError as error:
        raise OcrError(f"tesseract did not start: {error}") from error
    return done.stdout
