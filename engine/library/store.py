"""Model names in, entries and blobs out: the models folder in Ollama's layout; touches the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.errors import (
    BlobNotFoundError,
    LibraryError,
    ModelNameError,
    ModelNotFoundError,
)
from engine.library.blobs import BlobFolder, file_digest
from engine.library.claims import Claims
from engine.library.entry import HeaderCache, build_entry
from engine.library.jobs import Jobs
from engine.library.links import LINKS_FILE, Links, link_to
from engine.library.lock import StoreLock
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
from engine.library.manifests import ManifestFolder
from engine.library.names import ModelName, is_cloud, parse
from engine.library.reach import ANYWHERE, Reach
from engine.types import ModelEntry

log = logging.getLogger(__name__)

_MIN_AGE_S = 3600.0  # an unused blob that is younger may be somebody's work in progress


class Library:
    """The installed models: `manifests/<host>/<namespace>/<model>/<tag>` and `blobs/sha256-<hex>`.

    Safe for several threads and processes; another program may use the same folder. Nothing is
    created before the first write, so a folder that is read-only, or missing, can be read.

    Args:
        root: the folder that is written.
        extra_roots: further folders of that layout, only ever read; of two models with the same
            name the one in the earlier folder counts.
        is_pruning: whether blobs that a replaced model leaves behind, and old leftovers, go.
        key_path: the key that answers registries' challenges; made when first needed. Without
            one, tokens are asked for without a signature.
        reach: the registries that models may be had from.
    """

    def __init__(
        self,
        root: Path,
        extra_roots: Sequence[Path] = (),
        *,
        is_pruning: bool = True,
        key_path: Path | None = None,
        reach: Reach = ANYWHERE,
    ) -> None:
        self.root, self.reach = root, reach
        self.is_pruning, self.key_path = is_pruning, key_path
        others = [_blob_folder(extra) for extra in extra_roots]
        self.blobs = _blob_folder(root, others)
        self.jobs = Jobs()  # transfers that several requests share
        self._manifests = ManifestFolder(root / "manifests")
        self._extra = [ManifestFolder(extra / "manifests") for extra in extra_roots]
        self._headers = HeaderCache()
        self._lock = StoreLock(root / ".quire.lock")  # around every change and every clean-up
        self._claims = Claims(root / ".quire-claims")

    # reading

    def entries(self) -> list[ModelEntry]:
        """List what is installed, newest first; what cannot be read is skipped with a warning."""
        found: list[ModelEntry] = []
        seen: set[tuple[str, ...]] = set()
        for folder in (self._manifests, *self._extra):
            hidden = frozenset(seen)
            for name, path in folder.walk():
                if name.key in hidden:
                    continue
                seen.add(name.key)
                try:
                    found.append(self._entry(folder, name, path))
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
        folder, located, path = self._located(name)
        try:
            return self._entry(folder, located, path)
        except ModelNotFoundError as error:  # deleted since
            raise ModelNotFoundError(name) from error
        except LibraryError as error:
            if is_cloud(name):  # a note of where it runs, not a model that we could run
                raise ModelNotFoundError(name) from error
            raise

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
        folder, located, path = self._located(name)
        return folder.read(located, path)

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
            LibraryError: it refers to a file that has changed, or that nobody permitted.
        """
        if self.blobs.checked_size(digest) is None:
            raise BlobNotFoundError(digest)
        return self.blobs.path(digest)

    def check(self, name: str) -> None:
        """See that every blob of a model is there in its full size.

        Raises:
            ModelNameError, ModelNotFoundError, LibraryError: as `find`; LibraryError also says
                which blob is missing, cut short, or has changed since it was linked.
        """
        for layer in self.manifest(name).all_layers:
            size = self.blobs.checked_size(layer.digest)
            if size is None:
                raise LibraryError(f"{name} lacks its blob {layer.digest}; pull or create it again")
            if size != layer.size_bytes:
                raise LibraryError(
                    f"blob {layer.digest} of {name} has {size:,} bytes instead of "
                    f"{layer.size_bytes:,}; delete {self.blobs.path(layer.digest)} and pull or "
                    "create the model again"
                )

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

    def link_blob(self, path: Path, digest: str | None = None) -> tuple[str, int]:
        """Store a file by reference, without copying; give digest and size.

        Args:
            digest: what the caller has found to be the file's; by default it is taken here.

        Raises:
            DigestError: not a digest.
            LibraryError: the file cannot be read or changes meanwhile, or the folder cannot be
                written.
        """
        link = link_to(path)
        found = file_digest(Path(link.path)) if digest is None else parse_digest(digest)
        if link_to(path) != link:
            raise LibraryError(f"{path} changed while it was read; try again")
        with self._lock.held():
            if self.blobs.size(found) is None or self.blobs.own_path(found).is_symlink():
                self.blobs.refer(link, found)
        return found, link.size_bytes

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
        with self._lock.held():
            for layer in manifest.all_layers:
                if self.blobs.size(layer.digest) is None:
                    raise LibraryError(f"cannot install {wanted.short}: no blob {layer.digest}")
            located = self._manifests.locate(wanted)
            path = located[1] if located else self._manifests.path(wanted)
            before = _read_or_none(path)
            if before == raw:
                return
            self._manifests.write(path, raw)
            if self.is_pruning:
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
        try:
            self._located(source)  # without the lock: a wrong name creates nothing
            with self._lock.held():  # nobody shall delete it meanwhile
                self.write_manifest_bytes(destination, self.manifest_bytes(source))
        except ModelNotFoundError as error:
            raise ModelNotFoundError(source, f'model "{source}" not found') from error

    def delete(self, name: str) -> None:
        """Remove a model, and those of its blobs that no other model uses.

        Raises:
            ModelNameError: not a model name.
            ModelNotFoundError: not installed.
            LibraryError: the folder cannot be written.
        """
        _check(name, f'name "{name}" is invalid')
        folder, _, path = self._located(name)  # without the lock: a wrong name creates nothing
        if folder is not self._manifests:
            raise LibraryError(f"{name} lies in a folder that is only read; delete {path} there")
        with self._lock.held():
            located = self._manifests.locate(parse(name))
            if located is None:
                raise ModelNotFoundError(name)
            raw = _read_or_none(located[1]) or b""
            self._manifests.remove(located[1])
            self._prune(mentioned_digests(raw))

    @contextmanager
    def keeping(self, digests: Iterable[str]) -> Iterator[None]:
        """Keep blobs that no manifest names yet from being cleaned up, by whatever process.

        Raises:
            LibraryError: the folder cannot be written.
        """
        with ExitStack() as claimed:
            # Not while somebody cleans up, who has asked for the claims already.
            with self._lock.held():
                claimed.enter_context(self._claims.held([parse_digest(one) for one in digests]))
            yield

    def prune(self, digests: Iterable[str]) -> None:
        """Delete those of the blobs that no manifest and no running work uses.

        Raises:
            LibraryError: the folder cannot be written.
        """
        with self._lock.held():
            self._prune(frozenset(parse_digest(digest) for digest in digests))

    def tidy(self) -> None:
        """Delete what interrupted work left behind; for the start of a server.

        These are our own temporary files and blobs that nothing has used for an hour. Parts of
        downloads stay for a week. Does nothing without pruning, or in a folder that is missing.

        Raises:
            LibraryError: the folder cannot be written.
        """
        if not self.is_pruning or not self.blobs.folder.is_dir():
            return
        now_s = time.time()
        with self._lock.held():
            self.blobs.remove_stale(now_s)
            self._manifests.remove_stale(now_s)
            self._prune(
                frozenset(
                    digest
                    for digest, touched_s in self.blobs.stored()
                    if now_s - touched_s > _MIN_AGE_S
                )
            )

    def close(self) -> None:
        """Stop running transfers; what they have fetched so far stays for the next time."""
        self.jobs.close()

    # inside

    def _located(self, name: str) -> tuple[ManifestFolder, ModelName, Path]:
        wanted = parse(name)
        for folder in (self._manifests, *self._extra):
            if (located := folder.locate(wanted)) is not None:
                return folder, *located
        raise ModelNotFoundError(name)

    def _entry(self, folder: ManifestFolder, name: ModelName, path: Path) -> ModelEntry:
        raw = folder.read(name, path)
        try:
            modified_s = path.stat().st_mtime
        except OSError as error:
            raise ModelNotFoundError(name.short) from error
        return build_entry(name.short, raw, modified_s, self.blobs, self._headers)

    def _prune(self, candidates: frozenset[str]) -> None:
        unused = set(candidates) - self._claims.current() if candidates else set()
        if not unused:
            return
        try:
            # By text, not by structure: also a broken manifest protects what it names.
            unused -= self._manifests.mentioned()
        except LibraryError as error:
            log.warning("blobs_kept reason=%s", error)
            return
        for digest in unused:
            self.blobs.remove(digest)


def _check(text: str, message: str) -> None:
    try:
        parse(text)
    except ModelNameError as error:
        raise ModelNameError(message) from error


def _blob_folder(root: Path, others: Sequence[BlobFolder] = ()) -> BlobFolder:
    return BlobFolder(root / "blobs", Links(root / LINKS_FILE), others)


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
