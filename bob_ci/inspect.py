"""Reading artifacts back: what is behind a reference, ours or another tool's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bob_ci.artifact import CONFIG_TYPE, CREATED, REVISION, SOURCE
from bob_ci.errors import BobError
from bob_ci.oci.descriptor import Descriptor, digest_of, load_json, select_platform
from bob_ci.oci.manifest import Manifest, check_manifest
from bob_ci.oci.platform import DEFAULT_PLATFORM, Platform
from bob_ci.oci.store import MAX_BLOB_SIZE, NotFoundError, Store
from bob_ci.oci.unpack import LIMITS, ArchiveError, gunzip, untar

_UNKNOWN = Platform("unknown", "unknown")  # what BuildKit gives to attestations


@dataclass(frozen=True)
class Image:
    """A manifest or an index, read and checked, and its platforms.

    Attributes:
        descriptor: its own.
        manifest: what it says.
        children: of an index: its manifests, in its order, without what is for no platform.
    """

    descriptor: Descriptor
    manifest: Manifest

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests for platforms; a manifest without index is its own."""
        if not self.manifest.is_index:
            return (self.descriptor,)
        return tuple(child for child in self.manifest.manifests if child.platform != _UNKNOWN)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms' names."""
        return tuple(str(child.platform) for child in self.children if child.platform is not None)

    @property
    def source(self) -> str | None:
        """Where it says that it comes from."""
        return self.manifest.annotations.get(SOURCE)

    @property
    def revision(self) -> str | None:
        """The revision that it says it was made from."""
        return self.manifest.annotations.get(REVISION)

    @property
    def created(self) -> str | None:
        """When it says it was made."""
        return self.manifest.annotations.get(CREATED)


def open_image(store: Store, selector: str) -> Image:
    """Read what a tag or digest names.

    Raises:
        NotFoundError: there is none.
        BobError: the bytes are not what they should be.
    """
    return read_image(store, store.resolve(selector))


def read_image(store: Store, descriptor: Descriptor) -> Image:
    """Read the manifest of a descriptor."""
    return Image(descriptor, check_manifest(store.fetch_manifest(descriptor), descriptor))


def child_for(image: Image, platform: Platform | None, where: str) -> Descriptor:
    """The child for a platform; without one linux/amd64, else the first (as other readers choose).

    Raises:
        BobError: there is none for the platform.
    """
    if not image.manifest.is_index:
        return image.descriptor
    found = select_platform(image.children, platform or DEFAULT_PLATFORM)
    if found is None and platform is None:
        found = next(iter(image.children), None)
    if found is not None:
        return found
    raise NotFoundError(
        f"{where}: nothing for {platform}" if platform else f"{where}: the index names no artifact",
        hint=f"it has {', '.join(image.platforms)}" if image.platforms else None,
    )


def read_config(store: Store, manifest: Manifest) -> dict[str, Any]:
    """The config of one of our manifests; of any other an empty map.

    Raises:
        BobError: it is no JSON object.
    """
    if manifest.config is None or manifest.config.media_type != CONFIG_TYPE:
        return {}
    return load_json(store.fetch_blob(manifest.config), manifest.config.digest)


def platform_of(config: Mapping[str, Any]) -> Platform | None:
    """The platform that a config names; None where it names none.

    Raises:
        BobError: a part of it is no text.
    """
    return Platform.from_json(config)


def bob_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `config.bob` of a config; an empty map where it has none."""
    inner = config.get("config")
    bob = inner.get("bob") if isinstance(inner, dict) else None
    return bob if isinstance(bob, dict) else {}


def content_digests(store: Store, selector: str) -> dict[str, str]:
    """The content digest of each platform; empty for what is no BoB artifact."""
    image = open_image(store, selector)
    found: dict[str, str] = {}
    for child in image.children:
        digest = bob_of(read_config(store, read_image(store, child).manifest)).get("contentDigest")
        if isinstance(digest, str) and child.platform is not None:
            found[str(child.platform)] = digest
    return found


def files_of(store: Store, manifest: Manifest, config: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a manifest: archives unpacked, other layers under their titles.

    Raises:
        BobError: an archive is unsafe, or its digest is not the one that the config has.
    """
    files: dict[str, bytes] = {}
    if sum(layer.size for layer in manifest.layers) > MAX_BLOB_SIZE:
        raise ArchiveError(f"layers: more than {MAX_BLOB_SIZE} bytes")
    for position, layer in enumerate(manifest.layers):
        data = store.fetch_blob(layer)
        if layer.media_type.endswith(("tar+gzip", "tar.gzip")):
            tar = gunzip(data, limit=LIMITS.total)
            _check_diff_id(digest_of(data), digest_of(tar), config, position)
            found = untar(tar)
        else:
            found = {_title(layer): data}
        for name in found.keys() & files.keys():
            raise ArchiveError(f"{layer.digest}: {name} is in two layers")
        files.update(found)
        # Each archive has its limit; many of them together have one too.
        if sum(map(len, files.values())) > MAX_BLOB_SIZE:
            raise ArchiveError(f"layers: more than {MAX_BLOB_SIZE} bytes once decompressed")
    return files


def _title(layer: Descriptor) -> str:
    from bob_ci.oci.archive import check_names
    from bob_ci.oci.descriptor import TITLE

    title = layer.annotations.get(TITLE)
    if title is None:
        raise BobError(f"{layer.digest}: a layer of type {layer.media_type} without a title")
    check_names([title])
    return title


def _check_diff_id(packed: str, unpacked: str, config: Mapping[str, Any], position: int) -> None:
    """The config's digest of the layer: over the compressed or over the uncompressed file (FORMAT.md 5)."""
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    content = bob_of(config).get("contentDigest") if position == 0 else None
    if isinstance(diff_ids, list) and position < len(diff_ids):
        expected = diff_ids[position]
        if expected not in (packed, unpacked):
            raise BobError(f"layer {position}: its digest is not {expected!r}, which its config names")
    if content is not None and content != unpacked:
        raise BobError(f"layer {position}: its contents are not {content!r}, which its config names")
