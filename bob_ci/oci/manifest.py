"""What a manifest or an index says, checked (OCI image-spec, manifest.md and image-index.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bob_ci.errors import BobError
from bob_ci.oci.descriptor import (
    INDEX,
    INDEX_TYPES,
    MANIFEST,
    MANIFEST_TYPES,
    Descriptor,
    annotations_of,
    load_json,
)


@dataclass(frozen=True)
class Manifest:
    """A manifest (`config` and `layers`) or an index (`manifests`), as a value.

    `artifact_type` is what the referrers API reports: its own one, else the config's media type
    (distribution-spec, "Listing Referrers").
    """

    media_type: str
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests."""
        return self.media_type in INDEX_TYPES

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers, in the order of the manifest."""
        return (self.config, *self.layers) if self.config else self.layers


def parse_manifest(data: bytes, where: str = "manifest") -> Manifest:
    """Read the bytes of a manifest or an index.

    Raises:
        BobError: It is neither, or could be taken for both (CVE-2021-41190), or a member has a wrong type;
            names `where`.
    """
    value = load_json(data, where)
    try:
        media_type = _media_type(value)
        return (_index if media_type in INDEX_TYPES else _manifest)(value, media_type)
    except BobError as error:
        raise BobError(f"{where}: {error}") from error


def describe_manifest(data: bytes, where: str = "manifest") -> Descriptor:
    """Give media type, digest and size of a manifest by its bytes alone.

    Raises:
        BobError: As for `parse_manifest`.
    """
    return Descriptor.of(parse_manifest(data, where).media_type, data)


def check_manifest(data: bytes, descriptor: Descriptor) -> Manifest:
    """Read the bytes of a manifest that a descriptor names; both must say the same media type.

    Raises:
        BobError: They do not, or as for `parse_manifest`.
    """
    manifest = parse_manifest(data, descriptor.digest)
    if manifest.media_type != descriptor.media_type:
        raise BobError(
            f"{descriptor.digest}: media type differs: "
            f"expected {descriptor.media_type}, found {manifest.media_type}"
        )
    return manifest


def describe_referrer(data: bytes, descriptor: Descriptor) -> Descriptor:
    """Give the entry of a list of referrers: with the manifest's own artifact type and annotations.

    Source: distribution-spec, "Listing Referrers".

    Raises:
        BobError: As for `parse_manifest`.
    """
    manifest = parse_manifest(data, descriptor.digest)
    return Descriptor(
        manifest.media_type,
        descriptor.digest,
        descriptor.size,
        annotations=manifest.annotations,
        artifact_type=manifest.artifact_type,
    )


def _media_type(value: Mapping[str, Any]) -> str:
    if value.get("schemaVersion") != 2:  # noqa: PLR2004 -- the only version there is
        raise BobError("schemaVersion is not 2")
    is_index, is_manifest = "manifests" in value, "config" in value or "layers" in value
    if is_index == is_manifest:
        raise BobError("both manifest and index" if is_index else "neither manifest nor index")
    media_type = value.get("mediaType", INDEX if is_index else MANIFEST)
    fitting = INDEX_TYPES if is_index else MANIFEST_TYPES - INDEX_TYPES
    if not isinstance(media_type, str) or media_type not in fitting:
        raise BobError(f"{media_type!r} is not the media type of {'an index' if is_index else 'a manifest'}")
    return media_type


def _index(value: Mapping[str, Any], media_type: str) -> Manifest:
    return Manifest(
        media_type,
        artifact_type=_artifact_type(value),
        manifests=_descriptors(value, "manifests"),
        subject=_descriptor(value, "subject"),
        annotations=annotations_of(value),
    )


def _manifest(value: Mapping[str, Any], media_type: str) -> Manifest:
    config = _descriptor(value, "config")
    if config is None:
        raise BobError("config is missing")
    return Manifest(
        media_type,
        artifact_type=_artifact_type(value) or config.media_type,
        config=config,
        layers=_descriptors(value, "layers"),
        subject=_descriptor(value, "subject"),
        annotations=annotations_of(value),
    )


def _artifact_type(value: Mapping[str, Any]) -> str | None:
    artifact_type = value.get("artifactType")
    if artifact_type is not None and not isinstance(artifact_type, str):
        raise BobError("artifactType is no text")
    return artifact_type or None


def _descriptor(value: Mapping[str, Any], name: str) -> Descriptor | None:
    member = value.get(name)
    return None if member is None else Descriptor.from_json(member, name)


def _descriptors(value: Mapping[str, Any], name: str) -> tuple[Descriptor, ...]:
    members = value.get(name)
    if name not in value:
        raise BobError(f"{name} is missing")
    if not isinstance(members, list | None):  # Go prints an empty list as null
        raise BobError(f"{name} is no list")
    return tuple(Descriptor.from_json(one, f"{name}[{at}]") for at, one in enumerate(members or ()))
