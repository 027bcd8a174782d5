"""The stream of a multipart body in, files on disk out, one piece in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING
from unicodedata import category

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.api.errors import UploadError
from ingest.errors import StorageFullError, TooLargeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FILES = 10_000  # per request
MAX_FIELDS = 100  # beside the files
MAX_FIELD_BYTES = 64 * 1024
MAX_NAME_CHARACTERS = 1024
_DISK_FULL = 28  # errno.ENOSPC


@dataclass(slots=True)
class Received:
    """What a multipart body held: (path as named by the sender, file here), form fields."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


def receive(
    chunks: Iterable[bytes], content_type: str, folder: Path, *, max_file_bytes: int
) -> Received:
    """Write every file part into `folder`.

    Raises:
        UploadError: the body is no well-formed multipart/form-data.
        TooLargeError: a file, a field or their number is over its limit.
        StorageFullError: the disk is full.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise UploadError(
            "send multipart/form-data with the files in the field 'files', "
            f"got content type {content_type!r:.100}"
        )
    parts = _Parts(folder, max_file_bytes)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise UploadError(f"the multipart body is malformed: {error}") from error
    except OSError as error:
        if error.errno == _DISK_FULL:
            raise StorageFullError(
                f"no room for the upload in {folder.parent}: free some space, then send it again"
            ) from error
        raise
    finally:
        parts.close()
    if not parts.is_complete:
        raise UploadError("the multipart body is cut off: its closing boundary is missing")
    return parts.received


def clean_name(raw: str) -> str:
    """Make a sender's file name a path to show: slashes forward, no control characters."""
    shown = (sign for sign in raw.replace("\\", "/") if category(sign) not in {"Cc", "Cs"})
    name = "".join(shown).strip()
    return name[-MAX_NAME_CHARACTERS:]


class _Parts:
    """Receives the parser's callbacks, one part after the other."""

    def __init__(self, folder: Path, max_file_bytes: int) -> None:
        self.received = Received()
        self.is_complete = False
        self._folder, self._max_file_bytes = folder, max_file_bytes
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._name, self._path = "", ""  # of the part at hand; an empty path = a form field
        self._file: IO[bytes] | None = None
        self._field = b""
        self._n_bytes = self._n_fields = 0

    def callbacks(self) -> MultipartCallbacks:
        """Name the methods as the parser knows them."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._more_header,
            "on_header_value": self._more_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self.close,
            "on_end": self._end,
        }

    def close(self) -> None:
        """Finish the part at hand."""
        if self._file is not None:
            self._file.close()
            self._file = None
        elif self._name:
            self.received.fields[self._name] = self._field.decode("utf-8", "replace")
        self._name = ""

    def _begin(self) -> None:
        self._headers, self._field, self._n_bytes = {}, b"", 0

    def _more_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _more_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            self._n_fields += 1
            if self._n_fields > MAX_FIELDS:
                raise TooLargeError(f"more than {MAX_FIELDS} form fields that are no files")
            return
        self._path = clean_name(options[b"filename"].decode("utf-8", "replace"))
        if not self._path:
            raise UploadError("a file came without a name: send one in its filename")
        if len(self.received.files) >= MAX_FILES:
            raise TooLargeError(f"more than {MAX_FILES:,} files in one upload: send them in parts")
        target = self._folder / f"{len(self.received.files):05d}"
        self._file = target.open("wb")
        self.received.files.append((self._path, target))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._n_bytes += end - start
        if self._file is None:
            if self._n_bytes > MAX_FIELD_BYTES:
                raise TooLargeError(
                    f"form field {self._name!r} is over {MAX_FIELD_BYTES:,} bytes; a file needs "
                    "a filename"
                )
            self._field += data[start:end]
            return
        if self._n_bytes > self._max_file_bytes:
            raise TooLargeError(
                f"{self._path}: larger than {self._max_file_bytes / 1e6:,.0f} MB; raise "
                "QUIRE_MAX_FILE_MB if it must go in"
            )
        self._file.write(data[start:end])

    def _end(self) -> None:
        self.is_complete = True
