"""What is pushed, as bytes (FORMAT.md 5): one pure function from contents and origin to every digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bob_ci.oci import archive
from bob_ci.oci.descriptor import INDEX, MANIFEST, TITLE, Descriptor, canonical_json, digest_of
from bob_ci.oci.platform import Platform
from bob_ci.profile.objects import Summary
from bob_ci.version import __version__

CONFIG_TYPE = "application/vnd.k8sstormcenter.bob.config.v1+json"
LAYER_TYPE = "application/vnd.k8sstormcenter.bob.content.v1.tar+gzip"
LAYER_TITLE = "bob.tar.gz"

CHART_FOLDER = "chart/"
RENDERED_FOLDER = "rendered/"

_ANNOTATION = "org.opencontainers.image."
CREATED = _ANNOTATION + "created"
REVISION = _ANNOTATION + "revision"
SOURCE = _ANNOTATION + "source"


@dataclass(frozen=True)
class Content:
    """The files for one platform, by name in the layer, and what the profiles among them are."""

    platform: Platform
    files: Mapping[str, bytes] = field(repr=False)
    profiles: tuple[Summary, ...] | None = None  # None: nothing was rendered, so nothing is known


@dataclass(frozen=True)
class About:
    """What is said of all platforms alike."""

    name: str
    created: str
    source: str | None = None
    revision: str | None = None
    version: str = ""
    images: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Blob:
    """Bytes and their descriptor."""

    descriptor: Descriptor
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Child:
    """One platform: a manifest with its config and its one layer."""

    platform: Platform
    manifest: Blob
    config: Blob
    layer: Blob
    content_digest: str


@dataclass(frozen=True)
class Artifact:
    """An image index and its children, in the order of their platforms."""

    index: Blob
    children: tuple[Child, ...]

    @property
    def digest(self) -> str:
        """The digest of the index, by which all of it is known."""
        return self.index.descriptor.digest


def build(contents: Sequence[Content], about: About) -> Artifact:
    """Compute all bytes and digests.

    Nothing but the arguments goes in: no clock, no directory, no environment. The version of this tool does,
    for the config names it.
    """
    annotations = _annotations(about)
    children = tuple(
        _child(content, about, annotations) for content in sorted(contents, key=lambda each: each.platform)
    )
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "artifactType": CONFIG_TYPE,
        "manifests": [child.manifest.descriptor.to_json() for child in children],
        "annotations": annotations,
    }
    return Artifact(_blob(INDEX, index, artifact_type=CONFIG_TYPE, annotations=annotations), children)


def _annotations(about: About) -> dict[str, str]:
    known = {
        CREATED: about.created,
        REVISION: about.revision,
        SOURCE: about.source,
        _ANNOTATION + "version": about.version,
    }
    return dict(
        sorted(({key: text for key, text in known.items() if text} | dict(about.annotations)).items())
    )


def _child(content: Content, about: About, annotations: Mapping[str, str]) -> Child:
    tar = archive.tar(content.files)
    data = archive.gzip(tar)
    layer = Blob(Descriptor.of(LAYER_TYPE, data, annotations={TITLE: LAYER_TITLE}), data)
    content_digest = digest_of(tar)
    config = _blob(CONFIG_TYPE, _config(content, about, layer.descriptor.digest, content_digest))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": CONFIG_TYPE,
        "config": config.descriptor.to_json(),
        "layers": [layer.descriptor.to_json()],
        "annotations": annotations,
    }
    blob = _blob(MANIFEST, manifest, platform=content.platform, artifact_type=CONFIG_TYPE)
    return Child(content.platform, blob, config, layer, content_digest)


def _config(content: Content, about: About, layer_digest: str, content_digest: str) -> dict[str, Any]:
    bob: dict[str, Any] = {"version": about.version, "name": about.name}
    if content.profiles is not None:
        bob["profiles"] = list(_profiles(content.profiles))
    bob["images"] = list(about.images)
    bob["contentDigest"] = content_digest
    bob["tool"] = {"name": "bobctl", "version": __version__}
    return {
        "created": about.created,
        **content.platform.to_json(),
        "config": {"bob": bob},
        # As the BoB format defines it: over the compressed file (FORMAT.md 5; image-spec takes the other).
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }


def _profiles(profiles: Iterable[Summary]) -> Iterable[dict[str, Any]]:
    for profile in profiles:
        yield {"kind": profile.kind, "name": profile.name, "containers": list(profile.containers)}


def _blob(media_type: str, value: object, **said: Any) -> Blob:
    data = canonical_json(value)
    return Blob(Descriptor.of(media_type, data, **said), data)
