"""Model names in, lines of progress and an installed (or sent) model out; network and disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from engine.errors import LibraryError, ModelNameError, ModelNotFoundError, RegistryError
from engine.library.download import Patience, download
from engine.library.manifest import MANIFEST_TYPE, Manifest, parse_manifest
from engine.library.names import ModelName, is_cloud, parse, scheme_of
from engine.library.reach import Reach
from engine.library.registry_client import Registry
from engine.library.store import Library
from engine.library.upload import Request, send, upload
from engine.types import Progress


def pull(
    library: Library, name: str, *, insecure: bool = False, patience: Patience | None = None
) -> Iterator[Progress]:
    """Fetch a model from its registry; what is stored already is not fetched again.

    A pull that breaks off leaves only the parts of files, from which the next one goes on.

    Args:
        insecure: plain HTTP and unknown certificates are accepted.
        patience: how often, and after what pauses, a broken connection is tried again.

    Raises:
        ModelNameError: not a model name.
        RegistryError: not found, refused, unreachable, or other bytes than promised.
        LibraryError: the models folder cannot be written.
    """
    wanted = parse(name)
    patience = patience or Patience()
    yield Progress("pulling manifest")
    if is_cloud(name):
        raise RegistryError(
            f"pull model manifest: file does not exist ({name} runs on somebody else's machine; "
            "choose a tag without cloud)"
        )
    with connected(library, wanted, name, insecure=insecure) as registry:
        raw, manifest = _fetch_manifest(registry, wanted, patience)
        layers = list(dict.fromkeys(manifest.all_layers))
        with library.keeping(layer.digest for layer in layers):
            for layer in layers:
                yield from download(library.jobs, library.blobs, registry, layer, patience)
            yield Progress("verifying sha256 digest")
            yield Progress("writing manifest")
            if library.is_pruning and _leaves_something(library, name, manifest):
                yield Progress("removing unused layers")
            library.write_manifest_bytes(name, raw)
    yield Progress("success")


def push(
    library: Library, name: str, *, insecure: bool = False, patience: Patience | None = None
) -> Iterator[Progress]:
    """Send an installed model to its registry; what the registry has is not sent again.

    Args:
        insecure: plain HTTP and unknown certificates are accepted.
        patience: how often, and after what pauses, a broken connection is tried again.

    Raises:
        ModelNameError: not a model name.
        ModelNotFoundError: not installed.
        RegistryError: refused or unreachable.
        LibraryError: a blob cannot be read, or is not what the manifest says.
    """
    wanted = parse(name)
    patience = patience or Patience()
    yield Progress("retrieving manifest")
    try:
        raw = library.manifest_bytes(name)
    except ModelNotFoundError as error:
        raise ModelNotFoundError(name, "couldn't retrieve manifest") from error
    library.check(name)
    with connected(library, wanted, name, insecure=insecure) as registry:
        for layer in dict.fromkeys(parse_manifest(raw).all_layers):
            path = library.blob_path(layer.digest)
            yield from upload(library.jobs, registry, layer, path, patience)
        yield Progress("pushing manifest")
        url = f"{registry.base}/manifests/{wanted.tag}"
        send(registry, Request("PUT", url, raw, {"Content-Type": MANIFEST_TYPE}), patience)
    yield Progress("success")


@contextmanager
def connected(
    library: Library, wanted: ModelName, typed: str, *, insecure: bool
) -> Iterator[Registry]:
    """Reach the registry that a name as typed asks for.

    Raises:
        ModelNameError: not an address of a registry.
        RegistryError: plain HTTP without leave.
    """
    scheme = scheme_of(typed) or "https"
    if scheme not in {"http", "https"}:
        raise ModelNameError("invalid model name")
    if scheme == "http" and not insecure:
        raise RegistryError("insecure protocol http")
    library.reach.check_registry(*_host_and_port(wanted))
    if insecure and scheme_of(typed) is None and not _speaks_tls(wanted, library.reach):
        scheme = "http"
    with Registry(
        wanted, scheme=scheme, insecure=insecure, key_path=library.key_path, reach=library.reach
    ) as registry:
        yield registry


def _host_and_port(wanted: ModelName) -> tuple[str, int | None]:
    try:
        url = httpx.URL(f"https://{wanted.host}")
    except httpx.InvalidURL as error:
        raise RegistryError(f"no address of a registry: {wanted.host}") from error
    return url.host, url.port


def _speaks_tls(wanted: ModelName, reach: Reach) -> bool:
    """Ask a registry that may be insecure whether it is."""
    try:
        with Registry(wanted, scheme="https", insecure=True, reach=reach) as registry:
            return registry.answers()
    except httpx.InvalidURL as error:
        raise RegistryError(f"no address of a registry: {wanted.host}") from error


def _fetch_manifest(
    registry: Registry, wanted: ModelName, patience: Patience
) -> tuple[bytes, Manifest]:
    url = f"{registry.base}/manifests/{wanted.tag}"
    for pause_s in patience.pauses():
        try:
            raw = registry.small(url, MANIFEST_TYPE)
            break
        except httpx.ConnectError as error:
            if pause_s is None:
                raise RegistryError(
                    f"pull model manifest: {wanted.host} cannot be reached ({error}); check the "
                    "network and the name, or use a model that `quire list` shows"
                ) from error
            patience.sleep(pause_s)
        except httpx.TransportError as error:
            if pause_s is None:
                raise RegistryError(f"pull model manifest: {error}") from error
            patience.sleep(pause_s)
        except (RegistryError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise RegistryError(f"pull model manifest: {error}") from error
    try:
        manifest = parse_manifest(raw)
    except LibraryError as error:
        raise RegistryError(f"pull model manifest: {error}") from error
    if not manifest.of_kind("model"):
        raise RegistryError(
            f"{wanted.short} holds no GGUF file; only GGUF models can be run, choose another tag"
        )
    return raw, manifest


def _leaves_something(library: Library, name: str, new: Manifest) -> bool:
    try:
        old = library.manifest(name)
    except (ModelNotFoundError, LibraryError):
        return False
    return not set(old.all_layers) <= set(new.all_layers)
