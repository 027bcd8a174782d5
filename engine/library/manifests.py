"""Model names in, the bytes of their manifests out: one store's manifests; touches the disk."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from engine.errors import LibraryError, ModelNameError, ModelNotFoundError
from engine.library.blobs import sync_folder
from engine.library.manifest import mentioned_digests
from engine.library.names import ModelName

log = logging.getLogger(__name__)

_MAX_BYTES = 8 * 1024 * 1024


class ManifestFolder:
    """Files `<host>/<namespace>/<model>/<tag>` below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: ModelName) -> Path:
        """Say where a manifest of that very spelling lies, or would lie."""
        return self._folder.joinpath(*name.parts)

    def locate(self, name: ModelName) -> tuple[ModelName, Path] | None:
        """Find a manifest under the name's own spelling, else under another of its cases."""
        exact = self.path(name)
        if self._is_manifest(exact):
            return name, exact
        places: list[tuple[str, ...]] = [()]
        for part in name.key:
            places = [
                (*place, child)
                for place in places
                for child in _names_in(self._folder.joinpath(*place))
                if child.isascii() and child.lower() == part
            ]
        for place in places:
            if self._is_manifest(path := self._folder.joinpath(*place)):
                return ModelName(*place), path
        return None

    def walk(self) -> Iterator[tuple[ModelName, Path]]:
        """Give every manifest; what is none is passed over with a warning."""
        places: list[tuple[str, ...]] = [()]
        for _ in range(4):
            places = [
                (*place, child)
                for place in places
                for child in _names_in(self._folder.joinpath(*place))
            ]
        for place in places:
            path = self._folder.joinpath(*place)
            try:
                name = ModelName(*place)
            except ModelNameError:
                log.warning("manifest_skipped path=%s reason=invalid name", "/".join(place))
                continue
            if self._is_manifest(path):
                yield name, path

    def mentioned(self) -> frozenset[str]:
        """Give every digest that a file at a manifest's place mentions, whatever it is called.

        Also a link out of the folder counts, or a name that is none of ours: another program
        may run such a model.

        Raises:
            LibraryError: something cannot be read, so that nobody knows what it mentions.
        """
        places = [self._folder]
        for _ in range(4):
            places = [child for place in places for child in _children(place)]
        found: set[str] = set()
        for path in places:
            try:
                if S_ISREG(path.stat().st_mode):
                    found |= mentioned_digests(_limited(path))
            except OSError as error:
                if not _is_gone(path, error):
                    raise LibraryError(f"cannot read {path}: {error.strerror}") from error
        return frozenset(found)

    def read(self, name: ModelName, path: Path) -> bytes:
        """Read a manifest that was located.

        Raises:
            ModelNotFoundError: it is gone.
            LibraryError: it cannot be read, or is larger than 8 MiB.
        """
        try:
            return _limited(path)
        except FileNotFoundError as error:
            raise ModelNotFoundError(name.short) from error
        except OSError as error:
            raise LibraryError(f"cannot read {path}: {error.strerror}") from error

    def write(self, path: Path, raw: bytes) -> None:
        """Write a manifest; a reader sees the old one or the new one, never a part.

        Raises:
            LibraryError: the folder cannot be written, or a link leads out of it.
        """
        if not self._is_inside(path):  # where nobody would find it, or over somebody's file
            raise LibraryError(f"cannot write {path}: a link leads out of {self._folder}")
        new: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Beside the four levels of names, so that no reader takes it for a manifest.
            number, text = tempfile.mkstemp(prefix=".new-", dir=self._folder)
            new = Path(text)
            with os.fdopen(number, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            new.chmod(0o644)
            new.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise LibraryError(f"cannot write {path}: {error.strerror}") from error
        finally:
            if new is not None:
                new.unlink(missing_ok=True)

    def remove(self, path: Path) -> None:
        """Delete a manifest, and the folders that are empty then.

        Raises:
            LibraryError: the folder cannot be written.
        """
        try:
            path.unlink()
        except OSError as error:
            raise LibraryError(f"cannot delete {path}: {error.strerror}") from error
        self._remove_empty(path.parent)

    def remove_stale(self, now_s: float, max_age_s: float = 3600.0) -> None:
        """Delete what broken-off writes left behind an hour ago."""
        for path in self._folder.glob(".new-*"):
            try:
                if now_s - path.stat().st_mtime > max_age_s:
                    path.unlink()
            except OSError as error:
                log.debug("stale_file_kept name=%s reason=%s", path.name, error.strerror)

    def _is_manifest(self, path: Path) -> bool:
        """Say whether it is a file, and not a link that leads out of the folder."""
        try:
            if not path.is_file():
                return False
        except OSError:
            return False
        if not self._is_inside(path):
            log.warning("manifest_skipped path=%s reason=link out of the store", path)
            return False
        return True

    def _is_inside(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self._folder.resolve())
        except (OSError, RuntimeError):  # links in a circle
            return False

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._folder and self._folder in folder.parents:
            try:
                folder.rmdir()
            except OSError:  # not empty
                return
            folder = folder.parent


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:  # missing, a file, or not readable
        return []


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        if isinstance(error, NotADirectoryError) or _is_gone(folder, error):
            return []
        raise LibraryError(f"cannot read {folder}: {error.strerror}") from error


def _is_gone(path: Path, error: OSError) -> bool:
    """Tell what was deleted from a link whose other end is away, perhaps only for a while."""
    return isinstance(error, FileNotFoundError) and not path.is_symlink()


def _limited(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise LibraryError(f"manifest {path} is larger than {_MAX_BYTES:,} bytes")
    return raw
