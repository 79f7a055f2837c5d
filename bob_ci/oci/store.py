"""The seam: few verbs over what holds artifacts. A layout on disk is one store, a registry another.

All that is above (push, pull, copy, sign, link, verify) is written once, on this.
"""

from __future__ import annotations

from typing import Protocol

from bob_ci.errors import BobError
from bob_ci.oci.descriptor import Descriptor

# The most that a fetch takes into memory, whatever a descriptor promises. Bundles are a few kB.
MAX_BLOB_SIZE = 256 * 1024 * 1024


class NotFoundError(BobError):
    """A store has no such tag, manifest, blob; or there is no store at that place."""


class Store(Protocol):
    """One repository: manifests, blobs, and tags that name manifests.

    All verbs can be used by several threads at once. Bytes are compared with their descriptor on the way in
    and on the way out, so nobody above does it again. All raise BobError for what a user can act on.
    """

    @property
    def name(self) -> str:
        """Where it is, as a reference without tag and digest: `HOST/REPOSITORY`, `oci-layout:DIR`."""
        ...

    def resolve(self, selector: str) -> Descriptor:
        """Give media type, digest and size, and nothing more, of the manifest with this tag or digest.

        Raises:
            NotFoundError: There is none.
        """
        ...

    def fetch_manifest(self, target: Descriptor | str) -> bytes:
        """Give the bytes of a manifest by its descriptor, or by a tag or digest.

        Raises:
            NotFoundError: There is none.
            MismatchError: The bytes are not those of the digest.
        """
        ...

    def fetch_blob(self, descriptor: Descriptor) -> bytes:
        """Give the bytes of a blob; none larger than MAX_BLOB_SIZE.

        Raises:
            NotFoundError: There is none.
            MismatchError: The bytes are not those of the descriptor.
        """
        ...

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a blob of this digest and size is there; its bytes are not read."""
        ...

    def put_blob(self, descriptor: Descriptor, data: bytes) -> bool:
        """Store a blob. True if it was written, False if it was there.

        Raises:
            MismatchError: The bytes are not those of the descriptor; nothing is written.
        """
        ...

    def put_manifest(self, descriptor: Descriptor, data: bytes) -> bool:
        """Store a manifest by digest, without a tag. True if it was written, False if it was there.

        A manifest with a `subject` is one of that subject's referrers from then on. A descriptor with a
        `platform` says that it is the child of an index (image-spec, image-index.md, "platform").

        Raises:
            MismatchError: The bytes are not those of the descriptor; nothing is written.
        """
        ...

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Let a tag name this manifest, which is in the store; nothing is written if it does already.

        Raises:
            NotFoundError: The manifest is not there.
        """
        ...

    def tags(self) -> list[str]:
        """Give all tags, sorted."""
        ...

    def referrers(self, subject: Descriptor, artifact_type: str | None = None) -> list[Descriptor]:
        """Give the manifests whose subject is this one, with their artifact type and annotations.

        Empty if there is none, also if the subject itself is not there. Source: distribution-spec, "Listing
        Referrers".
        """
        ...
