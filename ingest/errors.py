"""What can go wrong in ingestion; a leaf exists where a caller can act on it.

IngestError
├── FileRefusedError             this file cannot be read (reason inside); the rest goes on
│   ├── UnsupportedFileError     no loader for this kind
│   ├── EmptyFileError           nothing in it
│   ├── EncryptedFileError       needs a password
│   ├── BrokenFileError          damaged, truncated or not what its name says
│   └── TooLargeError            over a limit; says which
├── CollectionNotFoundError
├── CollectionNameError
├── DocumentNotFoundError
├── JobNotFoundError
├── ModelMissingError            an embedding model is not installed
├── NothingToRevertError         no collection has an embedding model to go back to
├── QueueFullError               too many jobs wait
├── StorageFullError             the disk is full; nothing was lost
└── LibraryLockedError           another process has this data directory open
"""

from __future__ import annotations


class IngestError(Exception):
    """Anything that ingestion refuses or fails to do."""


class FileRefusedError(IngestError):
    """One file cannot be ingested."""


class UnsupportedFileError(FileRefusedError):
    """No loader reads this kind of file."""


class EmptyFileError(FileRefusedError):
    """The file holds no text."""


class EncryptedFileError(FileRefusedError):
    """The file needs a password."""


class BrokenFileError(FileRefusedError):
    """The file is damaged, cut off or not what its name says."""


class TooLargeError(FileRefusedError):
    """The file is over a limit."""


class CollectionNotFoundError(IngestError):
    """No such collection."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        there = ", ".join(repr(one) for one in known[:8]) or "none yet"
        super().__init__(f"collection {name!r} not found; there is: {there}")
        self.name = name


class CollectionNameError(IngestError):
    """The name cannot be a collection's."""


class DocumentNotFoundError(IngestError):
    """No such document."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"document {document_id!r} not found")
        self.document_id = document_id


class NoPictureError(IngestError):
    """A page of a document cannot be shown as a picture; the message says why."""


class JobNotFoundError(IngestError):
    """No such job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id!r} not found")
        self.job_id = job_id


class ModelMissingError(IngestError):
    """An embedding model that is needed is not installed."""

    def __init__(self, model: str, why: str = "it is not installed") -> None:
        super().__init__(
            f"embedding model {model!r} cannot be used: {why}. Run `quire pull {model}`, or "
            "`quire migrate --to` a model that is installed"
        )
        self.model = model


class NothingToRevertError(IngestError):
    """No collection has an embedding model to go back to."""

    def __init__(self, collection: str | None) -> None:
        which = "no collection was" if collection is None else f"collection {collection!r} was not"
        super().__init__(f"{which} moved from another embedding model: nothing to go back to")


class QueueFullError(IngestError):
    """Too many jobs wait."""


class StorageFullError(IngestError):
    """The disk is full."""


class LibraryLockedError(IngestError):
    """Another process has the data directory open."""
