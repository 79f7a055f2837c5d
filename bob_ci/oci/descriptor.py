"""Descriptors, digests and the bytes of JSON (OCI image-spec, descriptor.md).

The digest of a manifest is the digest of its bytes, so there is one writer of JSON for all of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from bob_ci.errors import BobError
from bob_ci.oci.platform import Platform

# Media types of the image-spec, media-types.md, and the two that Docker has for the same things.
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY_JSON = "application/vnd.oci.empty.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCTETS = "application/octet-stream"

INDEX_TYPES = frozenset({INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST})

# Keys of the image-spec, annotations.md.
REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"

# What registries take at least (distribution-spec, "Pushing Manifests") and what most take at most.
MAX_MANIFEST_SIZE = 4 * 1024 * 1024

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
# RFC 6838, section 4.2.
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_NAME}/{_NAME}")
_MAX_SIZE = 2**63 - 1


class MismatchError(BobError):
    """Bytes are not those that their descriptor promises."""


def digest_of(data: bytes) -> str:
    """Give the digest that we write, `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether it is a digest that we read: SHA-256 or SHA-512, in lower case (descriptor.md, "Digests")."""
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True)
class Descriptor:
    """What names some bytes: media type, digest, size in bytes; and what is said about them.

    `data` are the bytes themselves where the descriptor embeds them.

    Raises:
        BobError: A part breaks the grammar of the image-spec.
    """

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    data: bytes | None = None

    def __post_init__(self) -> None:
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise BobError(f"descriptor: {self.media_type!r} is no media type")
        if not is_digest(self.digest):
            raise BobError(f"descriptor: {self.digest!r} is no sha256 or sha512 digest")
        if not 0 <= self.size <= _MAX_SIZE:
            raise BobError(f"descriptor: {self.size} is no size")
        if self.data is not None:
            verify(self.data, self)

    @classmethod
    def of(
        cls,
        media_type: str,
        data: bytes,
        *,
        platform: Platform | None = None,
        annotations: Mapping[str, str] | None = None,
        artifact_type: str | None = None,
    ) -> Descriptor:
        """Describe these bytes."""
        return cls(media_type, digest_of(data), len(data), platform, annotations or {}, artifact_type)

    @classmethod
    def from_json(cls, value: object, where: str = "descriptor") -> Descriptor:
        """Read a descriptor. Members that nobody here asks for (`urls`, `os.version`) are left out.

        Raises:
            BobError: A member is missing, or of another type than the image-spec gives it; names `where`.
        """
        if not isinstance(value, Mapping):
            raise BobError(f"{where}: not an object")
        try:
            platform, data = value.get("platform"), value.get("data")
            return cls(
                media_type=_text(value, "mediaType"),
                digest=_text(value, "digest"),
                size=_size(value),
                platform=None if platform is None else Platform.from_json(platform),
                annotations=annotations_of(value),
                artifact_type=_text(value, "artifactType") if value.get("artifactType") else None,
                data=None if data is None else _bytes(data),
            )
        except BobError as error:
            raise BobError(f"{where}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Give the members in the order of the image-spec's own type, annotations sorted as Go does."""
        members: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            members["annotations"] = dict(sorted(self.annotations.items()))
        if self.data is not None:
            members["data"] = base64.b64encode(self.data).decode()
        if self.platform:
            members["platform"] = self.platform.to_json()
        if self.artifact_type:
            members["artifactType"] = self.artifact_type
        return members


def verify(data: bytes, descriptor: Descriptor) -> None:
    """Compare bytes with what their descriptor promises (descriptor.md, "Verification").

    Raises:
        MismatchError: Size or digest differ; says what was expected and what was found.
    """
    check_size(len(data), descriptor)
    expected = descriptor.digest
    algorithm, _, _ = expected.partition(":")
    found = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    if found != expected:
        raise MismatchError(f"{expected}: content differs: expected {expected}, found {found}")


def check_size(found: int, descriptor: Descriptor) -> None:
    """Compare a size in bytes with what a descriptor promises.

    Raises:
        MismatchError: They differ.
    """
    if found != descriptor.size:
        raise MismatchError(
            f"{descriptor.digest}: size differs: expected {descriptor.size} bytes, found {found}"
        )


def select_platform(descriptors: Iterable[Descriptor], wanted: Platform) -> Descriptor | None:
    """Give the first one for this platform, as oras does; None if there is none."""
    return next((one for one in descriptors if one.platform and one.platform.satisfies(wanted)), None)


def annotations_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Read the member `annotations`, a map of text to text, empty if missing (annotations.md, "Rules").

    Raises:
        BobError: It is anything else.
    """
    annotations = value.get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict):
        raise BobError("annotations are no object")
    for key, text in annotations.items():
        if not isinstance(text, str):
            raise BobError(f"annotation {key!r} is no text")
    return annotations


def canonical_json(value: object) -> bytes:
    """Give the one form in which we write JSON: order as given, no spaces, UTF-8 unescaped, no last newline.

    Raises:
        BobError: A text holds half a surrogate pair, which has no UTF-8.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BobError(f"JSON: text that is no Unicode: {error.object[error.start]!a}") from error


def load_json(data: bytes, where: str) -> dict[str, Any]:
    """Read a JSON object, and only what all readers read alike (RFC 8259): no key twice, no NaN.

    Raises:
        BobError: It is anything else; names `where`.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BobError(f"{where}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BobError(f"{where}: not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise BobError(f"{name} is no text" if name in value else f"{name} is missing")
    return text


def _size(value: Mapping[str, Any]) -> int:
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool):
        raise BobError("size is no whole number" if "size" in value else "size is missing")
    return size


def _bytes(data: object) -> bytes:
    try:
        return base64.b64decode(data if isinstance(data, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BobError("data is no base64") from error


# The config of an artifact that has none (image-spec, manifest.md, "Guidance for an Empty Descriptor").
EMPTY = Descriptor(
    EMPTY_JSON, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 2, data=b"{}"
)
