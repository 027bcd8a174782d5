"""Model names in, an installed model out, also where the registry has it only in shards; network.

hf.co's registry refuses models whose GGUF file is split. Their parts are fetched as plain files
of the repository then, and put together as `create` does with uploaded parts.
Source: Hugging Face Hub API, `/api/models/{repo}/tree/{revision}` (`lfs.oid` is the SHA-256).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from engine.errors import DigestError, RegistryError
from engine.library.create import create
from engine.library.download import Patience, download
from engine.library.manifest import Layer, layer_type, parse_digest
from engine.library.names import DEFAULT_TAG, ModelName, parse
from engine.library.registry import connected
from engine.library.registry import pull as pull_manifest
from engine.library.registry_client import Registry
from engine.library.store import Library
from engine.types import CreateRequest, Progress

_HOSTS = frozenset({"hf.co", "huggingface.co"})
_REFUSAL = "sharded GGUF"
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_USUAL = "Q4_K_M"  # what hf.co takes where the name has no tag


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a split GGUF file in a repository."""

    path: str
    digest: str
    size_bytes: int


def pull(
    library: Library, name: str, *, insecure: bool = False, patience: Patience | None = None
) -> Iterator[Progress]:
    """Fetch a model from its registry, in shards if that is how it has it.

    Args and Raises:
        as `engine.library.registry.pull`; also GgufError: the shards do not fit together.
    """
    try:
        yield from pull_manifest(library, name, insecure=insecure, patience=patience)
    except RegistryError as error:
        wanted = parse(name)
        if wanted.host.lower() not in _HOSTS or _REFUSAL not in str(error):
            raise
        with connected(library, wanted, name, insecure=insecure) as registry:
            shards = choose_shards(_files(registry, wanted), wanted.tag)
            if not shards:
                raise
            yield from _install(library, registry, name, shards, patience or Patience())


def choose_shards(files: Sequence[Shard], tag: str) -> list[Shard]:
    """Give all shards of the split file that a tag names, in order; empty if there is none.

    The tag must stand in the path as a whole word; of several such files the one with the
    shortest path counts. Files that lack a shard do not.
    """
    word = re.escape(_USUAL if tag == DEFAULT_TAG else tag)
    pattern = re.compile(rf"(?:^|[-./]){word}(?:$|[-./])", re.IGNORECASE)
    groups: dict[str, dict[int, Shard]] = {}
    counts: dict[str, int] = {}
    for file in files:
        if (match := _SHARD.fullmatch(file.path)) and "mmproj" not in file.path.lower():
            groups.setdefault(match["stem"], {})[int(match["number"])] = file
            counts[match["stem"]] = int(match["count"])
    whole = [stem for stem, found in groups.items() if set(found) == {*range(1, counts[stem] + 1)}]
    fitting = [stem for stem in whole if pattern.search(stem)]
    if not fitting and tag == DEFAULT_TAG:
        fitting = whole
    if not fitting:
        return []
    chosen = groups[min(fitting, key=lambda stem: (len(stem), stem))]
    return [chosen[number] for number in sorted(chosen)]


def _install(
    library: Library,
    registry: Registry,
    name: str,
    shards: Sequence[Shard],
    patience: Patience,
) -> Iterator[Progress]:
    root = registry.base.replace("/v2/", "/", 1)
    digests = [shard.digest for shard in shards]
    try:
        with library.keeping(digests):
            for shard in shards:
                layer = Layer(layer_type("model"), shard.digest, shard.size_bytes)
                url = f"{root}/resolve/main/{quote(shard.path)}"
                yield from download(library.jobs, library.blobs, registry, layer, patience, url=url)
            files = {shard.path.rpartition("/")[2]: shard.digest for shard in shards}
            yield from create(library, CreateRequest(name, files=files))
    finally:
        if all(library.has_blob(digest) for digest in digests):
            library.prune(digests)  # put together they are one blob


def _files(registry: Registry, wanted: ModelName) -> list[Shard]:
    """List the large files of a repository."""
    root = registry.base.partition("/v2/")[0]
    url = f"{root}/api/models/{wanted.namespace}/{wanted.model}/tree/main?recursive=true"
    try:
        data = json.loads(registry.small(url, "application/json"))
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise RegistryError(f"the files of {wanted.short} cannot be listed: {error}") from error
    found: list[Shard] = []
    for entry in data if isinstance(data, list) else ():
        match entry:
            case {"path": str(path), "size": int(size), "lfs": {"oid": str(oid)}} if size >= 0:
                try:
                    found.append(Shard(path, parse_digest(f"sha256:{oid}"), size))
                except DigestError:
                    continue
    return found
