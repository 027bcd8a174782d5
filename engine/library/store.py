"""Model names in, entries and blobs out: the models folder in Ollama's layout; touches the disk."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.errors import (
    BlobNotFoundError,
    LibraryError,
    ModelNameError,
    ModelNotFoundError,
)
from engine.library.blobs import BlobFolder, sync_folder
from engine.library.entry import HeaderCache, build_entry
from engine.library.manifest import (
    Layer,
    LayerKind,
    Manifest,
    layer_type,
    mentioned_digests,
    parse_digest,
    parse_manifest,
    render_manifest,
)
from engine.library.names import ModelName, parse
from engine.types import ModelEntry

log = logging.getLogger(__name__)

_MAX_MANIFEST_BYTES = 8 * 1024 * 1024


class Library:
    """The installed models: `manifests/<host>/<namespace>/<model>/<tag>` and `blobs/sha256-<hex>`.

    Safe for several threads; another program may use the same folder. Nothing is created
    before the first write, so a folder that is read-only, or missing, can be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = BlobFolder(root / "blobs")
        self._manifests = root / "manifests"
        self._headers = HeaderCache()
        self._lock = threading.RLock()  # around every change of manifests and every clean-up
        self._kept: Counter[str] = Counter()  # digests that a running pull or create relies on

    # reading

    def entries(self) -> list[ModelEntry]:
        """List what is installed, newest first; what cannot be read is skipped with a warning."""
        found: list[ModelEntry] = []
        for name, path in self._walk():
            try:
                found.append(self._entry(name, path))
            except (LibraryError, ModelNotFoundError) as error:
                log.warning("manifest_skipped name=%s reason=%s", name.short, error)
        return sorted(found, key=lambda entry: entry.modified_at, reverse=True)

    def find(self, name: str) -> ModelEntry:
        """Look one model up, whatever the case of its letters.

        Raises:
            ModelNameError: not a model name.
            ModelNotFoundError: not installed.
            LibraryError: installed, but its manifest is broken or not of GGUF models.
        """
        if not name:
            raise ModelNotFoundError(name)
        located = self._locate(parse(name))
        if located is None:
            raise ModelNotFoundError(name)
        try:
            return self._entry(*located)
        except ModelNotFoundError as error:  # deleted since
            raise ModelNotFoundError(name) from error

    def manifest(self, name: str) -> Manifest:
        """Read a model's manifest.

        Raises:
            ModelNameError, ModelNotFoundError, LibraryError: as `find`.
        """
        return parse_manifest(self.manifest_bytes(name))

    def manifest_bytes(self, name: str) -> bytes:
        """Read a model's manifest as it lies on disk.

        Raises:
            ModelNameError, ModelNotFoundError, LibraryError: as `find`.
        """
        located = self._locate(parse(name))
        if located is None:
            raise ModelNotFoundError(name)
        return self._read_manifest(*located)

    def manifest_layers(self, name: str) -> tuple[Layer, ...]:
        """List a model's layers.

        Raises:
            ModelNameError, ModelNotFoundError, LibraryError: as `find`.
        """
        return self.manifest(name).layers

    def has_blob(self, digest: str) -> bool:
        """Say whether a blob is stored.

        Raises:
            DigestError: not a digest.
        """
        return self.blobs.size(digest) is not None

    def blob_path(self, digest: str) -> Path:
        """Say where a stored blob lies.

        Raises:
            DigestError: not a digest.
            BlobNotFoundError: not stored.
        """
        if not self.has_blob(digest):
            raise BlobNotFoundError(digest)
        return self.blobs.path(digest)

    # writing

    def add_blob(self, chunks: Iterable[bytes], digest: str | None = None) -> tuple[str, int]:
        """Store bytes under their digest; give digest and size.

        Raises:
            DigestError: not a digest, or the bytes have another one.
            LibraryError: the folder cannot be written.
        """
        return self.blobs.add(chunks, digest)

    def add_layer(self, kind: LayerKind, data: bytes) -> Layer:
        """Store a small layer.

        Raises:
            LibraryError: the folder cannot be written.
        """
        digest, size = self.blobs.add([data])
        return Layer(layer_type(kind), digest, size)

    def write_manifest(self, name: str, config: Layer, layers: Sequence[Layer]) -> None:
        """Install a model whose blobs are all stored; an older one of that name goes.

        Raises:
            ModelNameError: not a model name.
            LibraryError: a blob is missing, or the folder cannot be written.
        """
        self.write_manifest_bytes(name, render_manifest(config, layers))

    def write_manifest_bytes(self, name: str, raw: bytes) -> None:
        """Install a model by the exact bytes of its manifest, which give it its digest.

        Raises:
            ModelNameError: not a model name.
            LibraryError: not a manifest, a blob is missing, or the folder cannot be written.
        """
        wanted = parse(name)
        manifest = parse_manifest(raw)
        with self._lock:
            for layer in manifest.all_layers:
                if self.blobs.size(layer.digest) is None:
                    raise LibraryError(f"cannot install {wanted.short}: no blob {layer.digest}")
            located = self._locate(wanted)
            path = located[1] if located else self._path(wanted)
            before = _read_or_none(path)
            if before == raw:
                return
            self._write(path, raw)
            self._prune(mentioned_digests(before or b""))

    def copy(self, source: str, destination: str) -> None:
        """Give an installed model a second name.

        Raises:
            ModelNameError: one of the two is not a model name.
            ModelNotFoundError: the source is not installed.
            LibraryError: the folder cannot be written.
        """
        _check(source, f'source "{source}" is invalid')
        _check(destination, f'destination "{destination}" is invalid')
        with self._lock:
            located = self._locate(parse(source))
            if located is None:
                raise ModelNotFoundError(source, f'model "{source}" not found')
            self.write_manifest_bytes(destination, self._read_manifest(*located))

    def delete(self, name: str) -> None:
        """Remove a model, and those of its blobs that no other model uses.

        Raises:
            ModelNameError: not a model name.
            ModelNotFoundError: not installed.
            LibraryError: the folder cannot be written.
        """
        _check(name, f'name "{name}" is invalid')
        with self._lock:
            located = self._locate(parse(name))
            if located is None:
                raise ModelNotFoundError(name)
            path = located[1]
            raw = _read_or_none(path) or b""
            try:
                path.unlink()
            except OSError as error:
                raise LibraryError(f"cannot delete {path}: {error.strerror}") from error
            self._prune(mentioned_digests(raw))
            self._remove_empty(path.parent)

    @contextmanager
    def keeping(self, digests: Iterable[str]) -> Iterator[None]:
        """Keep blobs that no manifest names yet from being cleaned up by another thread."""
        kept = [parse_digest(digest) for digest in digests]
        with self._lock:
            self._kept.update(kept)
        try:
            yield
        finally:
            with self._lock:
                self._kept.subtract(kept)
                self._kept += Counter()  # drops the zeros

    def prune(self, digests: Iterable[str]) -> None:
        """Delete those of the blobs that no manifest and no running work uses.

        Raises:
            LibraryError: the folder cannot be written.
        """
        with self._lock:
            self._prune(frozenset(parse_digest(digest) for digest in digests))

    # inside

    def _path(self, name: ModelName) -> Path:
        return self._manifests.joinpath(*name.parts)

    def _locate(self, name: ModelName) -> tuple[ModelName, Path] | None:
        """Find the manifest under the name's own spelling, else under another of its cases."""
        exact = self._path(name)
        if exact.is_file():
            return name, exact
        places: list[tuple[str, ...]] = [()]
        for part in name.key:
            places = [
                (*place, child)
                for place in places
                for child in _names_in(self._manifests.joinpath(*place))
                if child.isascii() and child.lower() == part
            ]
        for place in places:
            if (path := self._manifests.joinpath(*place)).is_file():
                return ModelName(*place), path
        return None

    def _walk(self) -> Iterator[tuple[ModelName, Path]]:
        places: list[tuple[str, ...]] = [()]
        for _ in range(4):
            places = [
                (*place, child)
                for place in places
                for child in _names_in(self._manifests.joinpath(*place))
            ]
        for place in places:
            path = self._manifests.joinpath(*place)
            try:
                name = ModelName(*place)
            except ModelNameError:
                log.warning("manifest_skipped path=%s reason=invalid name", "/".join(place))
                continue
            if path.is_file():
                yield name, path

    def _read_manifest(self, name: ModelName, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError as error:
            raise ModelNotFoundError(name.short) from error
        except OSError as error:
            raise LibraryError(f"cannot read {path}: {error.strerror}") from error
        if len(raw) > _MAX_MANIFEST_BYTES:
            raise LibraryError(f"manifest {path} is larger than {_MAX_MANIFEST_BYTES:,} bytes")
        return raw

    def _entry(self, name: ModelName, path: Path) -> ModelEntry:
        raw = self._read_manifest(name, path)
        try:
            modified_s = path.stat().st_mtime
        except OSError as error:
            raise ModelNotFoundError(name.short) from error
        return build_entry(name.short, raw, modified_s, self.blobs, self._headers)

    def _write(self, path: Path, raw: bytes) -> None:
        new: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Beside the four levels of names, so that no reader takes it for a manifest.
            number, text = tempfile.mkstemp(prefix=".new-", dir=self._manifests)
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

    def _prune(self, candidates: frozenset[str]) -> None:
        unused = set(candidates) - set(self._kept)
        if not unused:
            return
        for name, path in self._walk():
            try:
                # By text, not by structure: also a broken manifest protects what it names.
                unused -= mentioned_digests(self._read_manifest(name, path))
            except (LibraryError, ModelNotFoundError) as error:
                log.warning("blobs_kept reason=%s", error)
                return
        for digest in unused:
            self.blobs.remove(digest)
        self.blobs.remove_stale()

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._manifests and self._manifests in folder.parents:
            try:
                folder.rmdir()
            except OSError:  # not empty
                return
            folder = folder.parent


def json_layer(library: Library, kind: LayerKind, value: object) -> Layer:
    """Store a value as a JSON layer.

    Raises:
        LibraryError: the folder cannot be written.
    """
    return library.add_layer(kind, json.dumps(value, separators=(",", ":")).encode())


def _check(text: str, message: str) -> None:
    try:
        parse(text)
    except ModelNameError as error:
        raise ModelNameError(message) from error


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:  # missing, a file, or not readable
        return []


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
