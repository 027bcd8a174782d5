"""Model names in, lines of progress and an installed (or sent) model out; network and disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5

import httpx

from engine.errors import LibraryError, ModelNameError, ModelNotFoundError, RegistryError
from engine.library.download import Patience, download
from engine.library.manifest import MANIFEST_TYPE, Layer, Manifest, parse_manifest
from engine.library.names import ModelName, parse, scheme_of
from engine.library.registry_client import FileMissingError, Registry
from engine.library.store import Library
from engine.types import Progress

_PART_BYTES = 32 * 1024 * 1024


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
    with _connected(wanted, name, insecure=insecure) as registry:
        raw, manifest = _fetch_manifest(registry, wanted, patience)
        layers = list(dict.fromkeys(manifest.all_layers))
        with library.keeping(layer.digest for layer in layers):
            for layer in layers:
                yield from download(library.blobs, registry, layer, patience)
            yield Progress("verifying sha256 digest")
            yield Progress("writing manifest")
            if _leaves_something(library, name, manifest):
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
        LibraryError: a blob cannot be read.
    """
    wanted = parse(name)
    patience = patience or Patience()
    yield Progress("retrieving manifest")
    try:
        raw = library.manifest_bytes(name)
    except ModelNotFoundError as error:
        raise ModelNotFoundError(name, "couldn't retrieve manifest") from error
    with _connected(wanted, name, insecure=insecure) as registry:
        for layer in dict.fromkeys(parse_manifest(raw).all_layers):
            yield from _upload(library, registry, layer, patience)
        yield Progress("pushing manifest")
        url = f"{registry.base}/manifests/{wanted.tag}"
        _send(registry, _Request("PUT", url, raw, {"Content-Type": MANIFEST_TYPE}), patience)
    yield Progress("success")


@contextmanager
def _connected(wanted: ModelName, typed: str, *, insecure: bool) -> Iterator[Registry]:
    scheme = scheme_of(typed) or "https"
    if scheme not in {"http", "https"}:
        raise ModelNameError("invalid model name")
    if scheme == "http" and not insecure:
        raise RegistryError("insecure protocol http")
    if insecure and scheme_of(typed) is None and not _speaks_tls(wanted):
        scheme = "http"
    with Registry(wanted, scheme=scheme, insecure=insecure) as registry:
        yield registry


def _speaks_tls(wanted: ModelName) -> bool:
    """Ask a registry that may be insecure whether it is."""
    try:
        with Registry(wanted, scheme="https", insecure=True) as registry:
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
            time.sleep(pause_s)
        except httpx.TransportError as error:
            if pause_s is None:
                raise RegistryError(f"pull model manifest: {error}") from error
            time.sleep(pause_s)
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


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    content: bytes = b""
    headers: dict[str, str] | None = None


def _send(registry: Registry, request: _Request, patience: Patience) -> httpx.Headers:
    """Send something small enough to be sent again; follow no redirect."""
    for pause_s in patience.pauses():
        try:
            with registry.open(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                is_following=False,
            ) as response:
                return response.headers
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if pause_s is None or not isinstance(error, httpx.TransportError):
                raise RegistryError(f"{request.method} {request.url}: {error}") from error
            time.sleep(pause_s)
    raise AssertionError("patience has at least one try")


def _upload(
    library: Library, registry: Registry, layer: Layer, patience: Patience
) -> Iterator[Progress]:
    path = library.blob_path(layer.digest)
    status, total = f"pushing {layer.digest[7:19]}", path.stat().st_size
    if _has(registry, layer.digest, patience):
        yield Progress(status, layer.digest, total, total)
        return
    yield Progress(status, layer.digest, total)
    headers = _send(registry, _Request("POST", f"{registry.base}/blobs/uploads/"), patience)
    place, sums, sent = _location(registry, headers), b"", 0
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            extent = {"Content-Range": f"{sent}-{sent + len(part) - 1}", "X-Redirect-Uploads": "1"}
            extent["Content-Type"] = "application/octet-stream"
            place = _send_part(registry, _Request("PATCH", place, part, extent), patience)
            sums += md5(part, usedforsecurity=False).digest()
            sent += len(part)
            yield Progress(status, layer.digest, total, sent)
    n_parts = -(-total // _PART_BYTES)
    tag = f"{md5(sums, usedforsecurity=False).hexdigest()}-{n_parts}"
    end = httpx.URL(place).copy_merge_params({"digest": layer.digest, "etag": tag})
    _send(registry, _Request("PUT", str(end)), patience)


def _send_part(registry: Registry, request: _Request, patience: Patience) -> str:
    """Send one part, to another host if the registry says so; give where the next one goes."""
    headers = _send(registry, request, patience)
    target = headers.get("Location", "")
    is_elsewhere = bool(target) and httpx.URL(registry.base).join(target).host not in {
        httpx.URL(registry.base).host
    }
    if is_elsewhere:
        _send(registry, _Request("PUT", target, request.content), patience)
        return _location(registry, headers, is_redirected=True)
    return _location(registry, headers)


def _location(registry: Registry, headers: httpx.Headers, *, is_redirected: bool = False) -> str:
    place = headers.get("Docker-Upload-Location") or (
        "" if is_redirected else headers.get("Location", "")
    )
    if not place:
        raise RegistryError("the registry does not say where to send the file")
    return str(httpx.URL(registry.base + "/").join(place))


def _has(registry: Registry, digest: str, patience: Patience) -> bool:
    try:
        _send(registry, _Request("HEAD", f"{registry.base}/blobs/{digest}"), patience)
    except FileMissingError:
        return False
    return True
