"""One artifact, told in one screen: what it is, what it allows, what refers to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from bob_ci.artifact import CONFIG_TYPE, RENDERED_FOLDER
from bob_ci.errors import BobError
from bob_ci.inspect import Image, bob_of, child_for, files_of, open_image, read_config, read_image
from bob_ci.oci.descriptor import Descriptor
from bob_ci.oci.platform import Platform
from bob_ci.oci.store import Store
from bob_ci.profile.allows import Allows, allows
from bob_ci.profile.objects import load_objects


@dataclass(frozen=True)
class PlatformPart:
    """One platform of an artifact."""

    platform: str
    digest: str
    size: int  # of the layers, in bytes
    content_digest: str | None


@dataclass(frozen=True)
class Description:
    """All there is to say of an artifact without asking anybody else."""

    digest: str
    media_type: str
    artifact_type: str | None
    is_bob: bool
    annotations: Mapping[str, str]
    name: str | None
    version: str | None
    images: tuple[str, ...]
    platforms: tuple[PlatformPart, ...]
    allows: tuple[Allows, ...]
    referrers: tuple[Descriptor, ...]


def describe(store: Store, selector: str, platform: Platform | None = None) -> Description:
    """Read an artifact, and the files of one platform to count what they allow.

    Raises:
        BobError: as for reading and unpacking.
    """
    image = open_image(store, selector)
    chosen = child_for(image, platform, f"{store.name}@{image.descriptor.digest}")
    manifest = read_image(store, chosen).manifest
    config = read_config(store, manifest)
    bob = bob_of(config)
    is_bob = image.manifest.artifact_type == CONFIG_TYPE
    files = files_of(store, manifest, config) if is_bob else {}
    return Description(
        digest=image.descriptor.digest,
        media_type=image.manifest.media_type,
        artifact_type=image.manifest.artifact_type,
        is_bob=is_bob,
        annotations=image.manifest.annotations,
        name=_text(bob.get("name")),
        version=_text(bob.get("version")),
        images=_texts(bob.get("images")),
        platforms=tuple(_part(store, child) for child in image.children),
        allows=_allows(files),
        referrers=tuple(_referrers(store, image)),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _part(store: Store, child: Descriptor) -> PlatformPart:
    manifest = read_image(store, child).manifest
    content = bob_of(read_config(store, manifest)).get("contentDigest")
    size = sum(layer.size for layer in manifest.layers)
    return PlatformPart(str(child.platform or "any"), child.digest, size, _text(content))


def _allows(files: Mapping[str, bytes]) -> tuple[Allows, ...]:
    rendered = files.get(f"{RENDERED_FOLDER}bob.yaml")
    if rendered is None:
        return ()
    try:
        return tuple(allows(load_objects(rendered.decode())))
    # Anybody may have made it: YAML of any shape, which the counting takes for a profile's.
    except (ValueError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise BobError(f"{RENDERED_FOLDER}bob.yaml: not readable: {error}") from None


def _referrers(store: Store, image: Image) -> list[Descriptor]:
    return store.referrers(image.descriptor)
